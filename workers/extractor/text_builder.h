#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "workers/extractor/formats.h"

namespace millrace {

// Puts a document's text together, block by block. Whatever comes in, valid UTF-8 without control
// characters, invisible characters and needless white space comes out, and each block covers its
// text exactly. Blocks are separated by an empty line; neighbouring list items and rows by a
// newline.
class TextBuilder {
 public:
  explicit TextBuilder(const FormatLimits& limits) : limits_{limits} {}

  void set_page(std::int32_t page) { page_ = page; }  // of what follows; from 1

  // A heading of level 0 (the document's title) to 9. Ends headings of its level and deeper ones
  // and stands in the path of what follows, shortened where it is very long.
  void heading(int level, std::string_view text);

  // A block of another kind. Runs of white space become one space or newline; code keeps its
  // indentation. Text that is nothing but white space adds nothing.
  void add(Block::Kind kind, std::string_view text);

  // True once a limit is passed: nothing more is taken, and finish() says what is wrong.
  bool full() const { return !error_.empty(); }
  bool empty() const { return result_.blocks.empty(); }

  Result<ExtractedText> finish(std::string_view title, std::int32_t pages);

 private:
  struct Heading {
    int level = 0;
    std::string text;
  };
  void append(Block::Kind kind, std::string_view text);
  void append_block(Block block);
  bool joins_last(Block::Kind kind) const;

  FormatLimits limits_;
  ExtractedText result_;
  std::vector<Heading> path_;
  std::string clean_;  // of the block being added
  std::string error_;
  std::int64_t code_points_ = 0;
  std::size_t heading_bytes_ = 0;  // of all paths
  std::int32_t page_ = 0;
};

// `text` on one line without needless white space, cut to `code_points_max` at a boundary.
std::string one_line(std::string_view text, std::int64_t code_points_max);

}  // namespace millrace
