#include "workers/index/posting_list.h"

#include <cstring>
#include <utility>

#include "workers/index/inverted.h"

namespace millrace {
namespace {

constexpr std::size_t kLineBytes = 4 + 4 + sizeof(Maxima);
constexpr std::size_t kBlockHeaderBytes = 2;
// No sum of a block's gaps overflows a Row, so its last row is its greatest.
constexpr unsigned kRowWidthMax = 24;
static_assert(kSegmentRowsMax <= std::size_t{1} << kRowWidthMax);
static_assert((kBlockPostings + 1) << kRowWidthMax < kNoRow);
static_assert(sizeof(Maxima) == 2 * kMaxima);

std::uint32_t take_u32(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

void put_u32(std::string& out, std::uint32_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

Maxima take_maxima(std::string_view bytes, std::size_t at) {
  Maxima maxima;
  std::memcpy(maxima.data(), bytes.data() + at, sizeof maxima);
  return maxima;
}

void put_maxima(std::string& out, const Maxima& maxima) {
  out.append(reinterpret_cast<const char*>(maxima.data()), sizeof maxima);
}

std::size_t packed_bytes(std::size_t count, unsigned width) { return (count * width + 7) / 8; }

unsigned width_of(const std::uint32_t* values, std::size_t count) {
  std::uint32_t all = 0;
  for (std::size_t i = 0; i < count; ++i) all |= values[i];
  return static_cast<unsigned>(std::bit_width(all));
}

void pack(std::string& out, const std::uint32_t* values, std::size_t count, unsigned width) {
  std::uint64_t word = 0;
  unsigned bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    word |= std::uint64_t{values[i]} << bits;
    bits += width;
    for (; bits >= 8; bits -= 8, word >>= 8U) out.push_back(static_cast<char>(word & 0xffU));
  }
  if (bits > 0) out.push_back(static_cast<char>(word));
}

// Eight numbers fill `width` bytes.
template <unsigned width>
void unpack_eights(const char* in, std::uint32_t* values, std::size_t eights) {
  constexpr std::uint64_t kMask = (std::uint64_t{1} << width) - 1;
  for (; eights > 0; --eights, in += width, values += 8) {
#pragma GCC unroll 8
    for (unsigned i = 0; i < 8; ++i) {
      std::uint64_t word = 0;
      std::memcpy(&word, in + i * width / 8, sizeof word);
      values[i] = static_cast<std::uint32_t>(word >> (i * width % 8) & kMask);
    }
  }
}

using UnpackEights = void (*)(const char*, std::uint32_t*, std::size_t);
template <unsigned... widths>
constexpr std::array<UnpackEights, sizeof...(widths)> by_width(
    std::integer_sequence<unsigned, widths...>) {
  return {&unpack_eights<widths>...};
}
constexpr auto kUnpackEights = by_width(std::make_integer_sequence<unsigned, 33>{});

std::uint32_t unpack_one(const char* in, std::size_t at, unsigned width) {
  std::uint64_t word = 0;
  std::memcpy(&word, in + at * width / 8, sizeof word);
  return static_cast<std::uint32_t>(word >> (at * width % 8) & ((std::uint64_t{1} << width) - 1));
}

void unpack(const char* in, std::uint32_t* values, std::size_t count, unsigned width) {
  kUnpackEights[width](in, values, count / 8);
  for (std::size_t i = count / 8 * 8; i < count; ++i) values[i] = unpack_one(in, i, width);
}

// Counts are written less one. 2^32 - 1 and one more would be 0, which no posting has.
std::uint32_t count_of(std::uint32_t packed) {
  return packed == ~std::uint32_t{0} ? packed : packed + 1;
}

}  // namespace

void ImpactFrontier::add(Impact impact) {
  std::size_t at = 0;
  while (at < impacts_.size() && impacts_[at].count >= impact.count) {
    if (impacts_[at].length <= impact.length) return;
    ++at;
  }
  if (at > 0 && impacts_[at - 1].count == impact.count) --at;
  std::size_t end = at;
  while (end < impacts_.size() && impacts_[end].length >= impact.length) ++end;
  const auto first = impacts_.begin() + static_cast<std::ptrdiff_t>(at);
  if (end == at) {
    impacts_.insert(first, impact);
  } else {
    *first = impact;
    impacts_.erase(first + 1, impacts_.begin() + static_cast<std::ptrdiff_t>(end));
  }
}

void ImpactFrontier::add_all(const Maxima& maxima) {
  for (const Impact& impact : maxima) {
    if (impact.count > 0) add(impact);
  }
}

Maxima ImpactFrontier::maxima() const {
  Maxima maxima{};
  std::copy_n(impacts_.begin(), std::min(kMaxima, impacts_.size()), maxima.begin());
  if (impacts_.size() > kMaxima) maxima.back().length = impacts_.back().length;
  return maxima;
}

void PostingListWriter::add(Row row, std::uint32_t count, std::uint8_t length) {
  gaps_[pending_] = row - next_row_;
  counts_[pending_] = count - 1;
  next_row_ = row + 1;
  counts_sum_ += count;
  ++size_;
  block_.add(
      {static_cast<std::uint8_t>(std::min<std::uint32_t>(count, Impact::kCountMax)), length});
  if (++pending_ == kBlockPostings) flush();
}

void PostingListWriter::flush() {
  const unsigned row_width = width_of(gaps_.data(), pending_);
  const unsigned count_width = width_of(counts_.data(), pending_);
  blocks_.push_back(static_cast<char>(row_width));
  blocks_.push_back(static_cast<char>(count_width));
  pack(blocks_, gaps_.data(), pending_, row_width);
  pack(blocks_, counts_.data(), pending_, count_width);
  pending_ = 0;
  const Maxima maxima = block_.maxima();
  block_.clear();
  all_.add_all(maxima);
  put_u32(table_, next_row_ - 1);
  put_u32(table_, static_cast<std::uint32_t>(blocks_.size()));
  put_maxima(table_, maxima);
}

std::string_view PostingListWriter::finish() {
  if (pending_ > 0) flush();
  list_.clear();
  if (size_ > kBlockPostings) {
    put_maxima(list_, all_.maxima());
    list_ += table_;
  }
  list_ += blocks_;
  all_.clear();
  table_.clear();
  blocks_.clear();
  size_ = 0;
  counts_sum_ = 0;
  next_row_ = 0;
  return list_;
}

std::optional<PostingList> PostingList::open(std::string_view bytes, std::size_t size,
                                             std::size_t rows) {
  if (size == 0 || size > rows || rows > kSegmentRowsMax) return std::nullopt;
  PostingList list;
  list.size_ = size;
  list.rows_ = rows;
  const std::size_t table = list.blocks() > 1 ? sizeof(Maxima) + list.blocks() * kLineBytes : 0;
  if (table > bytes.size()) return std::nullopt;
  list.table_ = bytes.substr(0, table);
  list.blocks_ = bytes.substr(table);
  return list;
}

Row PostingList::last_row(std::size_t block) const {
  return take_u32(table_, sizeof(Maxima) + block * kLineBytes);
}
Maxima PostingList::maxima() const { return take_maxima(table_, 0); }
Maxima PostingList::maxima(std::size_t block) const {
  return take_maxima(table_, sizeof(Maxima) + block * kLineBytes + 8);
}

std::size_t PostingList::seek(std::size_t from, Row row) const {
  if (table_.empty()) return from;
  std::size_t begin = from;
  std::size_t end = from;  // blocks() or one that will do
  for (std::size_t step = 1; end < blocks() && last_row(end) < row; step *= 2) {
    begin = end + 1;
    end = std::min(end + step, blocks());
  }
  while (begin < end) {
    const std::size_t middle = begin + (end - begin) / 2;
    if (last_row(middle) < row) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  return end;
}

std::string_view PostingList::block_bytes(std::size_t block) const {
  std::size_t begin = 0;
  std::size_t end = blocks_.size();
  if (!table_.empty()) {
    const std::size_t end_at = sizeof(Maxima) + block * kLineBytes + 4;
    if (block > 0) begin = take_u32(table_, end_at - kLineBytes);
    end = take_u32(table_, end_at);
  }
  if (begin > end || end > blocks_.size() || end - begin < kBlockHeaderBytes) return {};
  return blocks_.substr(begin, end - begin);
}

std::size_t PostingList::decode_rows(std::size_t block, Numbers& rows) const {
  const std::string_view bytes = block_bytes(block);
  if (bytes.empty()) return 0;
  const std::size_t count = block_size(block);
  const unsigned row_width = static_cast<unsigned char>(bytes[0]);
  const unsigned count_width = static_cast<unsigned char>(bytes[1]);
  if (row_width > kRowWidthMax || count_width > 32 ||
      packed_bytes(count, row_width) + packed_bytes(count, count_width) !=
          bytes.size() - kBlockHeaderBytes) {
    return 0;
  }
  Row next = block == 0 ? 0 : last_row(block - 1) + 1;
  if (next >= rows_) return 0;
  unpack(bytes.data() + kBlockHeaderBytes, rows.data(), count, row_width);
  for (std::size_t i = 0; i < count; ++i) {
    rows[i] += next;
    next = rows[i] + 1;
  }
  const Row last = next - 1;
  if (last >= rows_ || (!table_.empty() && last != last_row(block))) return 0;
  return count;
}

PostingList::Packed PostingList::packed_counts(std::size_t block) const {
  const std::string_view bytes = block_bytes(block);
  const unsigned row_width = static_cast<unsigned char>(bytes[0]);
  return {bytes.data() + kBlockHeaderBytes + packed_bytes(block_size(block), row_width),
          static_cast<unsigned char>(bytes[1])};
}

void PostingList::decode_counts(std::size_t block, Numbers& counts) const {
  const auto [bytes, width] = packed_counts(block);
  const std::size_t count = block_size(block);
  unpack(bytes, counts.data(), count, width);
  for (std::size_t i = 0; i < count; ++i) counts[i] = count_of(counts[i]);
}

std::uint32_t PostingList::count(std::size_t block, std::size_t at) const {
  const auto [bytes, width] = packed_counts(block);
  return count_of(unpack_one(bytes, at, width));
}

}  // namespace millrace
