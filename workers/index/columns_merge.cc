#include <algorithm>
#include <bit>
#include <cassert>
#include <limits>
#include <vector>

#include "workers/index/columns.h"
#include "workers/index/columns_format.h"

namespace millrace {
namespace {

// One of the columns that are merged: its terms, and what becomes of its rows.
class MergeSource {
 public:
  MergeSource(const ColumnsView& view, const Bitmap* keep, std::uint64_t first_row)
      : view_{&view}, keep_{keep}, cursor_{view}, first_row_{first_row} {
    assert(keep == nullptr || keep->rows() == view.rows);
    kept_.push_back(0);
    if (keep_ != nullptr) {
      for (const std::uint64_t word : keep_->words()) {
        kept_.push_back(kept_.back() + static_cast<Row>(std::popcount(word)));
      }
    }
    advance();
  }

  bool done() const { return done_; }
  const std::string& key() const { return cursor_.key(); }
  std::uint64_t rows_end() const { return first_row_ + kept_before(view_->rows); }
  void advance() {
    done_ = !cursor_.next();
    assert(!cursor_.failed());  // open() has read them all
  }

  // The rows of the term as the merged columns number them, behind those of the sources before.
  void append(std::vector<RowRun>& out) const {
    auto run = [&](Row begin, Row end) { append_run(out, {moved(begin), moved(end)}); };
    auto bits = [&](std::string_view bytes) {
      Bitmap rows{view_->rows};
      set_bits(rows, bytes);
      for_each_run(rows, run);
    };
    ByteReader set{cursor_.set()};
    [[maybe_unused]] const bool good = read_set(set, view_->rows, run, bits);
    assert(good);
  }

 private:
  template <class OnRun>
  static void for_each_run(const Bitmap& bitmap, const OnRun& on_run) {
    const std::span<const std::uint64_t> words = bitmap.words();
    for (std::size_t i = 0; i < words.size(); ++i) {
      for (std::uint64_t word = words[i]; word != 0;) {
        const auto begin = static_cast<unsigned>(std::countr_zero(word));
        const auto ones = static_cast<unsigned>(std::countr_one(word >> begin));
        const auto at = static_cast<Row>(i * 64 + begin);
        on_run(at, at + ones);
        if (begin + ones == 64) break;
        word &= ~std::uint64_t{0} << (begin + ones);
      }
    }
  }
  Row kept_before(Row row) const {
    if (keep_ == nullptr) return row;
    if (row % 64 == 0) return kept_[row / 64];
    const std::uint64_t below = keep_->words()[row / 64] & ((std::uint64_t{1} << (row % 64)) - 1);
    return kept_[row / 64] + static_cast<Row>(std::popcount(below));
  }
  Row moved(Row row) const { return static_cast<Row>(first_row_ + kept_before(row)); }

  const ColumnsView* view_;
  const Bitmap* keep_;
  std::vector<Row> kept_;  // rows that stay before each word of the bitmap, and behind the last
  TermCursor cursor_;
  std::uint64_t first_row_;
  bool done_ = false;
};

}  // namespace

std::string Columns::merge(std::span<const Source> sources) {
  std::vector<MergeSource> inputs;
  inputs.reserve(sources.size());
  std::uint64_t rows = 0;
  for (const Source& source : sources) {
    inputs.emplace_back(source.columns->impl_->view, source.keep, rows);
    rows = inputs.back().rows_end();
  }
  assert(rows <= std::numeric_limits<Row>::max());

  ColumnsWriter writer{static_cast<Row>(rows)};
  std::string key;
  std::vector<RowRun> runs;
  for (;;) {
    const MergeSource* least = nullptr;
    for (const MergeSource& input : inputs) {
      if (!input.done() && (least == nullptr || input.key() < least->key())) least = &input;
    }
    if (least == nullptr) return writer.finish();
    key = least->key();
    runs.clear();
    for (MergeSource& input : inputs) {
      if (input.done() || input.key() != key) continue;
      input.append(runs);
      input.advance();
    }
    if (!runs.empty()) writer.add(key, runs);
  }
}

}  // namespace millrace
