#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "workers/index/bitmap.h"

// Sets of rows as bytes: see `set` in columns_format.h.
namespace millrace {

struct RowRun {
  Row begin = 0;
  Row end = 0;  // one past the last
};

// Takes bytes from the front; never more than there are.
class ByteReader {
 public:
  explicit ByteReader(std::string_view rest) : rest_{rest} {}
  std::string_view rest() const { return rest_; }

  bool number(std::uint64_t& value) {
    if (!rest_.empty() && static_cast<unsigned char>(rest_.front()) < 0x80U) {  // nearly always
      value = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      return true;
    }
    value = 0;
    for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
      if (byte < 0x80U) return true;
    }
    return false;
  }
  bool bytes(std::uint64_t count, std::string_view& out) {
    if (count > rest_.size()) return false;
    out = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return true;
  }

 private:
  std::string_view rest_;
};

// Takes one set: on_run(begin, end) per run of rows, or on_bits(bytes) once. False when it is
// damaged; what it reported until then is inside of `rows`.
template <class OnRun, class OnBits>
bool read_set(ByteReader& in, Row rows, const OnRun& on_run, const OnBits& on_bits) {
  std::uint64_t runs = 0;
  if (!in.number(runs)) return false;
  if (runs == 0) {
    std::string_view bits;
    if (!in.bytes((std::uint64_t{rows} + 7) / 8, bits)) return false;
    if (rows % 8 != 0 && static_cast<unsigned char>(bits.back()) >> (rows % 8) != 0) return false;
    on_bits(bits);
    return true;
  }
  std::uint64_t end = 0;
  for (std::uint64_t run = 0; run < runs; ++run) {
    std::uint64_t gap = 0;
    std::uint64_t size = 0;
    if (!in.number(gap) || !in.number(size)) return false;
    if (size == 0 || (run > 0 && gap == 0)) return false;
    if (gap > rows - end || size > rows - end - gap) return false;
    on_run(static_cast<Row>(end + gap), static_cast<Row>(end + gap + size));
    end += gap + size;
  }
  return true;
}

void set_long_run(Bitmap& bitmap, RowRun run);
inline void set_rows(Bitmap& bitmap, RowRun run) {
  if (run.end - run.begin == 1) {
    bitmap.set(run.begin);
  } else {
    set_long_run(bitmap, run);
  }
}
void set_bits(Bitmap& bitmap, std::string_view bytes);   // read_set()'s
void append_run(std::vector<RowRun>& runs, RowRun run);  // behind the last; joined where they touch

// Appends the bytes of a set, of runs that do not touch.
void write_set(std::string& out, std::span<const RowRun> runs, Row rows);
void put_varint(std::string& out, std::uint64_t value);

}  // namespace millrace
