#include "workers/extractor/formats/pdf.h"

#include <poppler-document.h>
#include <poppler-global.h>
#include <poppler-page.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <string>
#include <vector>

#include "workers/extractor/formats/pdf_layout.h"
#include "workers/extractor/text_builder.h"
#include "workers/text/utf8.h"

namespace millrace {
namespace {

constexpr std::size_t kMarkWithinBytes = 1024;  // readers accept rubbish before "%PDF-"
constexpr std::size_t kWordsMax = 2'000'000;    // of one page; each costs half a kilobyte

// poppler's strings are UTF-16; its own conversion opens iconv for every word.
std::string to_utf8(const poppler::ustring& utf16) {
  std::string out;
  for (std::size_t i = 0; i < utf16.size(); ++i) {
    char32_t c = utf16[i];
    if (c >= 0xD800 && c < 0xDC00 && i + 1 < utf16.size() && utf16[i + 1] >= 0xDC00 &&
        utf16[i + 1] < 0xE000) {
      c = 0x10000 + ((c - 0xD800) << 10U) + (utf16[++i] - 0xDC00U);
    }
    append_utf8(out, c >= 0xD800 && c < 0xE000 ? 0xFFFD : c);
  }
  return out;
}

// Hebrew, Arabic, Syriac, Thaana, N'Ko and their presentation forms.
bool right_to_left(const poppler::ustring& text) {
  return std::ranges::any_of(text, [](unsigned short c) {
    return (c >= 0x0590 && c < 0x0900) || (c >= 0xFB1D && c < 0xFE00) ||
           (c >= 0xFE70 && c < 0xFEFF);
  });
}

struct PageWords {
  std::vector<PdfWord> words;
  bool right_to_left = false;
};

PageWords read_words(const poppler::page& page) {
  PageWords out;
  for (const poppler::text_box& box : page.text_list()) {
    if (out.words.size() >= kWordsMax) break;
    const poppler::ustring text = box.text();
    out.right_to_left = out.right_to_left || right_to_left(text);
    const poppler::rectf place = box.bbox();
    out.words.push_back({expand_ligatures(to_utf8(text)), place.left(), place.right(), place.top(),
                         place.bottom(), box.rotation(), box.has_space_after()});
  }
  return out;
}

std::vector<PdfParagraph> read_page(const poppler::page& page) {
  const PageWords found = read_words(page);
  if (!found.right_to_left) return layout_page(found.words);
  // Words of these scripts come letter by letter as they stand, left to right; poppler turns them
  // into reading order only in the text of a whole page.
  const poppler::ustring text =
      page.text(poppler::rectf{}, poppler::page::non_raw_non_physical_layout);
  return layout_text(to_utf8(text));
}

struct LaidOut {
  std::vector<std::vector<PdfParagraph>> pages;
  LineJoiner joiner;  // has seen every line
  bool cut_short = false;
};

LaidOut lay_out(const poppler::document& document, std::size_t bytes_max) {
  LaidOut out;
  std::size_t bytes = 0;
  for (int i = 0; i < document.pages(); ++i) {
    out.cut_short = bytes > bytes_max;
    if (out.cut_short) break;
    const std::unique_ptr<poppler::page> page{document.create_page(i)};
    out.pages.emplace_back();
    if (page == nullptr) continue;  // one damaged page does not spoil the others
    out.pages.back() = read_page(*page);
    for (const PdfParagraph& paragraph : out.pages.back()) {
      for (const std::string& line : paragraph.lines) {
        out.joiner.learn(line);
        bytes += line.size();
      }
    }
  }
  return out;
}

Result<std::unique_ptr<poppler::document>> load(std::string_view bytes) {
  if (bytes.size() > INT_MAX) return rejected("the PDF is larger than 2 GiB");
  std::unique_ptr<poppler::document> document{
      poppler::document::load_from_raw_data(bytes.data(), static_cast<int>(bytes.size()))};
  if (document == nullptr) {
    return rejected("the PDF is broken: it cannot be opened; try saving it anew");
  }
  if (document->is_locked()) {
    return rejected(
        "the PDF is encrypted: a password is needed to read it; upload a copy without one");
  }
  return document;
}

}  // namespace

int matches_pdf(std::string_view bytes) {
  const std::size_t at = bytes.substr(0, kMarkWithinBytes).find("%PDF-");
  if (at == std::string_view::npos) return 0;
  const std::string_view before = bytes.substr(0, at);
  return before.find_first_not_of(" \t\r\n\xEF\xBB\xBF") == std::string_view::npos ? 2 : 1;
}

Result<ExtractedText> parse_pdf(std::string_view bytes, std::string_view /*declared_charset*/,
                                const FormatLimits& limits) {
  // Its complaints about the file would fill the log.
  poppler::set_debug_error_function([](const std::string&, void*) {}, nullptr);
  const auto loaded = load(bytes);
  if (!loaded) return loaded.error();
  const poppler::document& document = **loaded;
  const int pages = document.pages();
  if (pages <= 0) return rejected("the PDF is broken: it has no page that can be read");
  if (pages > limits.pages_max) {
    return rejected("the PDF has " + std::to_string(pages) + " pages; at most " +
                    std::to_string(limits.pages_max) + " are read: split it");
  }
  const LaidOut laid_out = lay_out(document, limits.output_bytes_max);
  TextBuilder out{limits};
  for (std::size_t i = 0; i < laid_out.pages.size() && !out.full(); ++i) {
    out.set_page(static_cast<std::int32_t>(i + 1));
    for (const PdfParagraph& paragraph : laid_out.pages[i]) {
      out.add(paragraph.kind, laid_out.joiner.join(paragraph.lines));
    }
  }
  if (laid_out.cut_short && !out.full()) return rejected("the PDF holds too much text; split it");
  return out.finish(to_utf8(document.get_title()), pages);
}

}  // namespace millrace
