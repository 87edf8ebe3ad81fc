#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

// A row of a segment: its rows are numbered from 0, in the order of their slots.
using Row = std::uint32_t;

// A bit per row of a segment. Bits behind the last row are 0.
class Bitmap {
 public:
  Bitmap() = default;
  explicit Bitmap(std::size_t rows, bool value = false)
      : words_((rows + 63) / 64, value ? ~std::uint64_t{0} : 0), rows_(rows) {
    trim();
  }

  std::size_t rows() const { return rows_; }
  bool test(Row row) const { return (words_[row / 64] >> (row % 64) & 1U) != 0; }
  void set(Row row) { words_[row / 64] |= std::uint64_t{1} << (row % 64); }
  void reset(Row row) { words_[row / 64] &= ~(std::uint64_t{1} << (row % 64)); }
  std::size_t count() const {
    std::size_t all = 0;
    for (const std::uint64_t word : words_) all += static_cast<std::size_t>(std::popcount(word));
    return all;
  }

  // The first set row that is not before `from`; rows() when there is none.
  Row next(Row from) const {
    if (from >= rows_) return static_cast<Row>(rows_);
    std::size_t at = from / 64;
    std::uint64_t word = words_[at] & (~std::uint64_t{0} << (from % 64));
    while (word == 0 && ++at < words_.size()) word = words_[at];
    return word == 0 ? static_cast<Row>(rows_)
                     : static_cast<Row>(at * 64 + static_cast<std::size_t>(std::countr_zero(word)));
  }

  // With a bitmap of as many rows.
  Bitmap& operator&=(const Bitmap& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
    return *this;
  }
  Bitmap& operator|=(const Bitmap& other) {
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
    return *this;
  }
  void invert() {
    for (std::uint64_t& word : words_) word = ~word;
    trim();
  }

  std::span<const std::uint64_t> words() const { return words_; }
  std::span<std::uint64_t> words() { return words_; }
  // As FAISS wants it: bit i of byte i / 8. The machine is little-endian.
  const std::uint8_t* bytes() const { return reinterpret_cast<const std::uint8_t*>(words_.data()); }

 private:
  void trim() {
    if (rows_ % 64 != 0) words_.back() &= (std::uint64_t{1} << (rows_ % 64)) - 1;
  }
  std::vector<std::uint64_t> words_;
  std::size_t rows_ = 0;
};

}  // namespace millrace
