#include "workers/text/unicode.h"

#include <algorithm>
#include <cassert>

#include "workers/text/utf8.h"

namespace millrace {
namespace {

// One mark for so many code points: at most so many bytes are walked per look-up, and marks take an
// eighth of the text at worst.
constexpr std::int64_t kStride = 64;

std::size_t after_code_point(std::string_view text, std::size_t at) {
  ++at;
  while (at < text.size() && !starts_code_point(text[at])) ++at;
  return at;
}

}  // namespace

std::int64_t code_points(std::string_view utf8) {
  return std::count_if(utf8.begin(), utf8.end(), starts_code_point);
}

CodePointIndex::CodePointIndex(std::string_view utf8) : text_{utf8}, size_{code_points(utf8)} {
  if (static_cast<std::size_t>(size_) == text_.size()) return;  // ASCII: both offsets are the same
  marks_.reserve(static_cast<std::size_t>(size_ / kStride) + 1);
  std::int64_t seen = 0;
  for (std::size_t at = 0; at < text_.size(); ++at) {
    if (!starts_code_point(text_[at])) continue;
    if (seen % kStride == 0) marks_.push_back(at);
    ++seen;
  }
}

std::size_t CodePointIndex::byte_offset(std::int64_t code_point) const {
  assert(code_point >= 0 && code_point <= size_);
  if (marks_.empty()) return static_cast<std::size_t>(code_point);
  if (code_point == size_) return text_.size();
  std::size_t at = marks_[static_cast<std::size_t>(code_point / kStride)];
  for (std::int64_t left = code_point % kStride; left > 0; --left) at = after_code_point(text_, at);
  return at;
}

std::int64_t CodePointIndex::code_point(std::size_t byte_offset) const {
  assert(byte_offset <= text_.size());
  if (marks_.empty()) return static_cast<std::int64_t>(byte_offset);
  if (byte_offset == text_.size()) return size_;
  assert(starts_code_point(text_[byte_offset]));
  const auto after = std::upper_bound(marks_.begin(), marks_.end(), byte_offset);
  const auto mark = after - marks_.begin() - 1;
  const std::size_t from = marks_[static_cast<std::size_t>(mark)];
  return mark * kStride + code_points(text_.substr(from, byte_offset - from));
}

std::string_view CodePointIndex::slice(std::int64_t start, std::int64_t end) const {
  assert(start <= end);
  const std::size_t from = byte_offset(start);
  return text_.substr(from, byte_offset(end) - from);
}

}  // namespace millrace
