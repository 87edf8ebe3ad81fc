#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "workers/extractor/formats.h"

namespace millrace {

// A PDF with Helvetica text: one content stream per page, see text_at().
struct PdfSample {
  std::vector<std::string> pages;
  std::string title;
  bool encrypted = false;  // with a password that is not empty
};
std::string make_pdf(const PdfSample& sample);
// Content stream: a line of text at a place in points, y upwards from the bottom of an A4 page.
std::string text_at(int x, int y, std::string_view text, int size = 12);

// A ZIP of these parts.
std::string make_zip(const std::vector<std::pair<std::string, std::string>>& parts);
// A Word document whose body is this XML.
std::string make_docx(std::string_view body, std::string_view styles = {});

std::string utf16(std::u16string_view text, bool big_endian);

// The blocks' texts by their offsets; fails the test when blocks are out of order, empty, or leave
// out anything but newlines.
std::vector<std::string> block_texts(const ExtractedText& text);

// Parses with a format of the table by its name, outside the sandbox.
Result<ExtractedText> parse_as(std::string_view format, std::string_view bytes,
                               std::string_view charset = {}, const FormatLimits& limits = {});

}  // namespace millrace
