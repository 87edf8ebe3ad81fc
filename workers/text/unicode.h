#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace millrace {

// Number of code points of valid UTF-8.
std::int64_t code_points(std::string_view utf8);

// Maps between byte offsets and code point offsets of one valid UTF-8 text, in O(1) amortised for
// ascending use and O(distance between marks) otherwise. The text must outlive it.
class CodePointIndex {
 public:
  explicit CodePointIndex(std::string_view utf8);
  std::int64_t size() const { return size_; }              // code points
  std::size_t byte_offset(std::int64_t code_point) const;  // asserted 0 <= code_point <= size()
  std::int64_t code_point(std::size_t byte_offset) const;  // asserted at a boundary
  std::string_view slice(std::int64_t start, std::int64_t end) const;

 private:
  std::string_view text_;
  std::vector<std::size_t> marks_;  // byte offset of each kStride-th code point
  std::int64_t size_ = 0;
};

// Any Unicode or legacy encoding to UTF-8: by BOM, else valid UTF-8 as it is, else what `declared`
// names (an IANA charset, may be empty), else ICU's detection. NUL and other control characters
// except tab and newline become spaces; CR LF and CR become LF. `rejected` when the bytes look
// binary.
Result<std::string> to_utf8(std::string_view bytes, std::string_view declared = {});

// Byte ranges of sentences, covering the text without gaps, by ICU's rules for the root locale.
struct TextRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};
std::vector<TextRange> sentences(std::string_view utf8);

// Lower-cased words (letters and digits) by ICU word breaks, without punctuation.
std::vector<std::string> words(std::string_view utf8);

}  // namespace millrace
