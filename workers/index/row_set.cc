#include "workers/index/row_set.h"

#include <algorithm>
#include <cassert>
#include <cstring>

namespace millrace {

void set_long_run(Bitmap& bitmap, RowRun run) {
  const std::span<std::uint64_t> words = bitmap.words();
  constexpr std::uint64_t kOnes = ~std::uint64_t{0};
  const std::size_t first = run.begin / 64;
  const std::size_t last = (run.end - 1) / 64;
  const std::uint64_t head = kOnes << (run.begin % 64);
  const std::uint64_t tail = kOnes >> (63 - (run.end - 1) % 64);
  if (first == last) {
    words[first] |= head & tail;
    return;
  }
  words[first] |= head;
  for (std::size_t i = first + 1; i < last; ++i) words[i] = kOnes;
  words[last] |= tail;
}

void set_bits(Bitmap& bitmap, std::string_view bytes) {
  for (std::uint64_t& word : bitmap.words()) {
    std::uint64_t more = 0;
    const std::size_t size = std::min(bytes.size(), sizeof more);
    std::memcpy(&more, bytes.data(), size);
    bytes.remove_prefix(size);
    word |= more;
  }
}

void append_run(std::vector<RowRun>& runs, RowRun run) {
  if (run.begin == run.end) return;
  if (!runs.empty() && runs.back().end == run.begin) {
    runs.back().end = run.end;
  } else {
    runs.push_back(run);
  }
}

void put_varint(std::string& out, std::uint64_t value) {
  while (value >= 0x80U) {
    out.push_back(static_cast<char>((value & 0x7fU) | 0x80U));
    value >>= 7U;
  }
  out.push_back(static_cast<char>(value));
}

void write_set(std::string& out, std::span<const RowRun> runs, Row rows) {
  const std::size_t begin = out.size();
  const std::size_t bits = (std::size_t{rows} + 7) / 8;
  put_varint(out, runs.size());
  Row end = 0;
  for (const RowRun& run : runs) {
    assert(run.begin < run.end && run.end <= rows && (end == 0 || run.begin > end));
    put_varint(out, run.begin - end);
    put_varint(out, run.end - run.begin);
    end = run.end;
    if (out.size() - begin > bits + 1) break;
  }
  if (out.size() - begin <= bits + 1) return;
  Bitmap bitmap{rows};
  for (const RowRun& run : runs) set_rows(bitmap, run);
  out.resize(begin);
  put_varint(out, 0);
  out.append(reinterpret_cast<const char*>(bitmap.bytes()), bits);
}

}  // namespace millrace
