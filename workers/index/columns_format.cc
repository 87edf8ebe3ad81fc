#include "workers/index/columns_format.h"

#include <algorithm>
#include <utility>

#include "workers/index/checksum.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "MRCO";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 4 + 3 * sizeof(std::uint32_t) + 3 * sizeof(std::uint64_t);
constexpr std::size_t kChecksumBytes = sizeof(std::uint64_t);
constexpr std::size_t kBlockBytes = 2 * sizeof(std::uint64_t);

template <class Number>
void put(std::string& out, Number value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <class Number>
Number take(std::string_view bytes, std::size_t at) {
  Number value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

// What read_set() and TermCursor do not see by themselves: blocks that say something else than the
// keys, sets that are longer than their bytes, and what is left over.
bool sound(const ColumnsView& view) {
  TermCursor cursor{view};
  std::uint64_t keys_begin = 0;
  std::uint64_t term = 0;
  for (; cursor.next(); ++term) {
    if (term % kBlockTerms == 0) {
      const std::size_t block = term / kBlockTerms;
      if (view.keys_begin(block) != keys_begin) return false;
      if (view.sets_begin(block) != cursor.set_begin()) return false;
    }
    keys_begin = view.keys.size() - cursor.keys_left();
    ByteReader set{cursor.set()};
    const bool read = read_set(
                          set, view.rows, [](Row, Row) {}, [](std::string_view) {}) &&
                      set.rest().empty();
    if (!read) return false;
  }
  return !cursor.failed() && cursor.keys_left() == 0 && cursor.set_end() == view.sets.size();
}

}  // namespace

Result<ColumnsView> ColumnsView::open(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes + kChecksumBytes) return rejected("columns: cut short");
  if (!bytes.starts_with(kMagic)) return rejected("columns: not columns");
  if (take<std::uint32_t>(bytes, 4) != kVersion) return rejected("columns: of another version");
  const std::string_view content = bytes.substr(0, bytes.size() - kChecksumBytes);
  if (take<std::uint64_t>(bytes, content.size()) != checksum(content)) {
    return rejected("columns: the checksum differs");
  }
  const auto keys = take<std::uint64_t>(bytes, 24);
  const auto sets = take<std::uint64_t>(bytes, 32);
  ColumnsView view;
  view.rows = take<Row>(bytes, 8);
  view.terms = take<std::uint64_t>(bytes, 16);
  ByteReader rest{content.substr(kHeaderBytes)};
  const bool lengths = take<std::uint32_t>(bytes, 12) == 0 && rest.bytes(keys, view.keys) &&
                       rest.bytes(sets, view.sets) && view.terms <= view.keys.size();
  view.blocks = rest.rest();
  const std::uint64_t blocks = (view.terms + kBlockTerms - 1) / kBlockTerms;
  if (!lengths || view.blocks.size() != blocks * kBlockBytes) {
    return rejected("columns: lengths do not fit");
  }
  // The offsets, before anything uses them; sound() says whether they are right.
  for (std::size_t block = 0; block < view.block_count(); ++block) {
    if (view.keys_begin(block) > keys || view.sets_begin(block) > sets) {
      return rejected("columns: an offset is out of bounds");
    }
  }
  if (!sound(view)) return rejected("columns: damaged");
  return view;
}

std::string_view ColumnsView::first_key(std::size_t block) const {
  ByteReader in{keys.substr(keys_begin(block))};
  std::uint64_t shared = 0;
  std::uint64_t more = 0;
  std::uint64_t set = 0;
  std::string_view key;
  [[maybe_unused]] const bool good =
      in.number(shared) && in.number(more) && in.number(set) && in.bytes(more, key);
  assert(good && shared == 0);  // open() has read them all
  return key;
}

// The last block whose first key is not behind `key`; the first one when there is none.
std::size_t ColumnsView::block_before(std::string_view key) const {
  std::size_t low = 0;
  for (std::size_t size = block_count(); size > 1;) {
    const std::size_t half = size / 2;
    if (first_key(low + half) <= key) low += half;
    size -= half;
  }
  return low;
}

std::string_view ColumnsView::find(std::string_view low, std::string_view high) const {
  TermCursor cursor{*this, block_before(low)};
  if (!cursor.seek(low) || cursor.key() >= high) return {};
  const std::uint64_t begin = cursor.set_begin();
  std::uint64_t end = cursor.set_end();
  if (cursor.next() && cursor.key() < high) {  // more than the one that most are about
    TermCursor last{*this, block_before(high)};
    end = last.seek(high) ? last.set_begin() : sets.size();
  }
  return sets.substr(begin, end - begin);
}

bool TermCursor::seek(std::string_view key) {
  while (next()) {
    if (key_ >= key) return true;
  }
  return false;
}

bool TermCursor::next() {
  if (failed_ || term_ == view_->terms) return false;
  failed_ = !read();
  return !failed_;
}

bool TermCursor::read() {
  std::uint64_t shared = 0;
  std::uint64_t more = 0;
  std::uint64_t set = 0;
  std::string_view bytes;
  if (!keys_.number(shared) || !keys_.number(more) || !keys_.number(set)) return false;
  if (!keys_.bytes(more, bytes) || shared > key_.size()) return false;
  if (shared > 0 && term_ % kBlockTerms == 0) return false;
  if (term_ > 0 && bytes <= std::string_view{key_}.substr(shared)) return false;  // not ascending
  if (set > view_->sets.size() - set_end_) return false;
  key_.resize(shared);
  key_.append(bytes);
  set_begin_ = set_end_;
  set_end_ += set;
  ++term_;
  return true;
}

void ColumnsWriter::add(std::string_view key, std::span<const RowRun> runs) {
  assert(!runs.empty() && (terms_ == 0 || last_key_ < key));
  const bool first = terms_++ % kBlockTerms == 0;
  if (first) {
    put<std::uint64_t>(blocks_, keys_.size());
    put<std::uint64_t>(blocks_, sets_.size());
  }
  const std::size_t sets_before = sets_.size();
  write_set(sets_, runs, rows_);
  const auto differ = std::mismatch(key.begin(), key.end(), last_key_.begin(), last_key_.end());
  const auto shared = first ? 0 : static_cast<std::size_t>(differ.first - key.begin());
  put_varint(keys_, shared);
  put_varint(keys_, key.size() - shared);
  put_varint(keys_, sets_.size() - sets_before);
  keys_ += key.substr(shared);
  last_key_ = key;
}

std::string ColumnsWriter::finish() {
  std::string out{kMagic};
  out.reserve(kHeaderBytes + keys_.size() + sets_.size() + blocks_.size() + kChecksumBytes);
  put(out, kVersion);
  put(out, rows_);
  put<std::uint32_t>(out, 0);
  put<std::uint64_t>(out, terms_);
  put<std::uint64_t>(out, keys_.size());
  put<std::uint64_t>(out, sets_.size());
  out.append(std::exchange(keys_, {}));
  out.append(std::exchange(sets_, {}));
  out.append(std::exchange(blocks_, {}));
  put(out, checksum(out));
  return out;
}

}  // namespace millrace
