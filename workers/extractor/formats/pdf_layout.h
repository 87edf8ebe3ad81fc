#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/document.h"

namespace millrace {

// A word of a page as the PDF reader found it, in reading order. Points, y downwards.
struct PdfWord {
  std::string text;
  double left = 0;
  double right = 0;
  double top = 0;
  double bottom = 0;
  int rotation = 0;
  bool space_after = false;
};

// A piece of a page: lines that belong together. Hyphens at line ends are still there.
struct PdfParagraph {
  Block::Kind kind = Block::Kind::paragraph;
  std::vector<std::string> lines;
};

// Words to lines to paragraphs, by their places: a wider gap, a new column, a change of size, a
// list mark or an indent after a finished sentence begins a new paragraph.
std::vector<PdfParagraph> layout_page(const std::vector<PdfWord>& words);

// The same from a page's plain text, where places are of no use (right-to-left scripts): paragraphs
// end at blank lines.
std::vector<PdfParagraph> layout_text(std::string_view text);

// Joins lines and undoes hyphenation. "high-" before "dimensional" may be a divided word or a
// compound: what the document writes elsewhere decides, so show it every line first.
class LineJoiner {
 public:
  void learn(std::string_view line);
  std::string join(const std::vector<std::string>& lines) const;

 private:
  bool is_compound(std::string_view before, std::string_view line) const;

  std::set<std::string, std::less<>> compounds_;  // words with a hyphen inside
};

// Expands ligatures (U+FB00 to U+FB06), which no one types into a search.
std::string expand_ligatures(std::string text);

}  // namespace millrace
