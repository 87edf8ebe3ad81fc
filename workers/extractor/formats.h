#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "schemas/document.h"

namespace millrace {

// What a parser makes of one file.
struct ExtractedText {
  std::string text;           // UTF-8, blocks separated by newlines
  std::vector<Block> blocks;  // in order, not overlapping; code points of `text`
  std::string title;          // found in the document; may be empty
  std::int32_t pages = 0;     // 0: the format has none
};

struct FormatLimits {
  std::int32_t pages_max = 5'000;
  std::size_t output_bytes_max = 64U << 20U;
  std::size_t unpacked_bytes_max = 256U << 20U;  // of a container format
};

// One row per format: a new one is a file in formats/ and a row in formats.cc.
struct Format {
  std::string_view name;        // "pdf"
  std::string_view media_type;  // "application/pdf": what a document of this format is called
  std::span<const std::string_view> also;        // further media types
  std::span<const std::string_view> extensions;  // ".pdf"
  // How sure the bytes alone are of this format: 0 no, 1 possible (text formats), 2 certain.
  int (*matches)(std::string_view bytes);
  // Runs in the sandbox. `rejected` with what is wrong with the file; may throw.
  Result<ExtractedText> (*parse)(std::string_view bytes, std::string_view declared_charset,
                                 const FormatLimits& limits);
};
std::span<const Format> format_table();

// The format of a file: by bytes where they are certain (whatever name and claim say), else by
// media type, else by extension, else plain text where the bytes are text. `rejected` otherwise,
// naming the formats that are known.
Result<const Format*> detect_format(std::string_view bytes, std::string_view media_type,
                                    std::string_view name);

// True when a document of this media type and name could be accepted (for an early 415).
bool media_type_known(std::string_view media_type);

}  // namespace millrace
