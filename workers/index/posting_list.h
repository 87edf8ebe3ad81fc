#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "workers/index/bitmap.h"

// The rows that have a term, compressed:
//
//   list   = block                                   up to kBlockPostings postings
//          | maxima { last:u32 end:u32 maxima } { block }     more: a table with a line per block
//          first
//   block  = row_width:u8 count_width:u8 gaps counts
//   maxima = kMaxima * { count:u8 length:u8 }        filled up with count 0
//
// Numbers are little-endian. Every block but the last has kBlockPostings postings; the reader knows
// how many there are. `gaps` (to the row before, less one) and `counts` (less one) are packed with
// the width given, the first in the lowest bits, each array filled up to a byte. `last` is the
// block's last row, `end` where it ends, from the end of the table. `maxima` bound what a posting
// can score, whatever BM25's parameters: each has a count that is at most one of theirs with a
// length that is at least that one's.
namespace millrace {

inline constexpr std::size_t kBlockPostings = 128;
inline constexpr std::size_t kMaxima = 4;
inline constexpr Row kNoRow = ~Row{0};

// A row's length in a byte, rounded down to five leading bits: exact up to 32, and within 1/16 up
// to 507,904, which stands for all that is longer.
constexpr std::uint8_t length_code(std::uint64_t length) {
  if (length < 32) return static_cast<std::uint8_t>(length);
  const auto shift = static_cast<unsigned>(std::bit_width(length)) - 5;
  if (shift > 14) return 255;
  return static_cast<std::uint8_t>(16 + 16 * shift + (length >> shift) - 16);
}
constexpr std::uint32_t coded_length(std::uint8_t code) {
  if (code < 32) return code;
  return (16U + code % 16U) << (code / 16U - 1U);
}

// A posting as far as its score goes. A count of kCountMax stands for itself and all above.
struct Impact {
  static constexpr std::uint8_t kCountMax = 255;
  std::uint8_t count = 0;
  std::uint8_t length = 0;  // as length_code() gives it
};
using Maxima = std::array<Impact, kMaxima>;

// Of postings, those that no other matches in both count and length.
class ImpactFrontier {
 public:
  void add(Impact impact);
  void add_all(const Maxima& maxima);
  Maxima maxima() const;
  void clear() { impacts_.clear(); }

 private:
  std::vector<Impact> impacts_;  // counts and lengths descend
};

// Encodes one list after the other.
class PostingListWriter {
 public:
  // Rows ascend within a list; `count` is at least 1.
  void add(Row row, std::uint32_t count, std::uint8_t length);
  std::size_t size() const { return size_; }  // postings of this list
  std::uint64_t counts() const { return counts_sum_; }
  // The list's bytes, valid until the next call; the next add() begins another list.
  std::string_view finish();

 private:
  void flush();
  std::array<std::uint32_t, kBlockPostings> gaps_{};
  std::array<std::uint32_t, kBlockPostings> counts_{};
  std::size_t pending_ = 0;
  std::size_t size_ = 0;
  std::uint64_t counts_sum_ = 0;
  Row next_row_ = 0;
  ImpactFrontier block_;
  ImpactFrontier all_;
  std::string table_;
  std::string blocks_;
  std::string list_;
};

// A view of a list. Whatever the bytes, rows come out ascending and below `rows`, or decoding
// fails. As numbers are read in words of 8 bytes, 8 bytes behind the list must be readable too.
class PostingList {
 public:
  static std::optional<PostingList> open(std::string_view bytes, std::size_t size,
                                         std::size_t rows);

  std::size_t size() const { return size_; }
  std::size_t blocks() const { return (size_ + kBlockPostings - 1) / kBlockPostings; }
  // With more than one block:
  Row last_row(std::size_t block) const;
  Maxima maxima() const;
  Maxima maxima(std::size_t block) const;

  // The first block from `from` on that may have a row that is not before `row`; blocks() when
  // there is none. By steps that double, so that near ones cost least.
  std::size_t seek(std::size_t from, Row row) const;

  using Numbers = std::array<std::uint32_t, kBlockPostings>;
  // How many postings the block has; 0 when it is damaged.
  std::size_t decode_rows(std::size_t block, Numbers& rows) const;
  // Of a block whose rows were decoded: all counts, or that of one posting.
  void decode_counts(std::size_t block, Numbers& counts) const;
  std::uint32_t count(std::size_t block, std::size_t at) const;

 private:
  std::size_t block_size(std::size_t block) const {
    return std::min(kBlockPostings, size_ - block * kBlockPostings);
  }
  std::string_view block_bytes(std::size_t block) const;  // empty when damaged
  struct Packed {
    const char* bytes = nullptr;
    unsigned width = 0;
  };
  Packed packed_counts(std::size_t block) const;
  std::string_view table_;  // empty with one block
  std::string_view blocks_;
  std::size_t size_ = 0;
  std::size_t rows_ = 0;
};

}  // namespace millrace
