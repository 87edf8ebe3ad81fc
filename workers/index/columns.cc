#include "workers/index/columns.h"

#include <cassert>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "schemas/filter_value.h"
#include "workers/index/columns_format.h"
#include "workers/index/filter_rows.h"

namespace millrace {
namespace {

// What a key costs beside its own bytes and its runs: a node of the tree, a string, a vector.
constexpr std::size_t kKeyBytes = 128;

template <class Find>
Bitmap select_from(const Filter& filter, std::size_t rows, const Find& find) {
  if (filter.empty()) return Bitmap{rows, true};
  return select_rows(*filter.root(), false, rows, find);
}

}  // namespace

struct GrowingColumns::Impl {
  using Sets = std::map<std::string, std::vector<RowRun>, std::less<>>;
  Sets sets;
  Row rows = 0;
  std::size_t bytes = 0;

  void add(std::string key, RowRun run) {
    const auto [set, fresh] = sets.try_emplace(std::move(key));
    if (fresh) bytes += kKeyBytes + set->first.capacity();
    const std::size_t before = set->second.capacity();
    append_run(set->second, run);
    bytes += (set->second.capacity() - before) * sizeof(RowRun);
  }
};

GrowingColumns::GrowingColumns() : impl_{std::make_unique<Impl>()} {}
GrowingColumns::GrowingColumns(GrowingColumns&&) noexcept = default;
GrowingColumns::~GrowingColumns() = default;

void GrowingColumns::add(std::string_view metadata, std::size_t count) {
  assert(count <= std::numeric_limits<Row>::max() - impl_->rows);
  if (count == 0) return;
  const RowRun run{impl_->rows, static_cast<Row>(impl_->rows + count)};
  MetadataKeys document = metadata_keys(metadata);
  for (std::string& key : document.keys) impl_->add(std::move(key), run);
  if (!document.complete) impl_->add(incomplete_range().low, run);
  impl_->rows = run.end;
}

std::size_t GrowingColumns::rows() const { return impl_->rows; }
std::size_t GrowingColumns::bytes() const { return impl_->bytes; }

Bitmap GrowingColumns::select(const Filter& filter) const {
  auto find = [this](const KeyRange& range, Bitmap& out) {
    for (auto set = impl_->sets.lower_bound(range.low);
         set != impl_->sets.end() && set->first < range.high; ++set) {
      for (const RowRun& run : set->second) set_rows(out, run);
    }
  };
  return select_from(filter, impl_->rows, find);
}

std::string GrowingColumns::serialize() const {
  ColumnsWriter writer{impl_->rows};
  for (const auto& [key, runs] : impl_->sets) writer.add(key, runs);
  return writer.finish();
}

Columns::Columns(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Columns::~Columns() = default;

Result<std::unique_ptr<Columns>> Columns::open(std::string_view bytes) {
  Result<ColumnsView> view = ColumnsView::open(bytes);
  if (!view) return view.error();
  return std::unique_ptr<Columns>{new Columns{std::make_unique<Impl>(Impl{*view})}};
}

std::size_t Columns::rows() const { return impl_->view.rows; }

Bitmap Columns::select(const Filter& filter) const {
  const ColumnsView& view = impl_->view;
  auto find = [&view](const KeyRange& range, Bitmap& out) {
    ByteReader sets{view.find(range.low, range.high)};
    bool good = true;
    while (good && !sets.rest().empty()) {
      good = read_set(
          sets, view.rows,
          [&out](Row first, Row last) {
            set_rows(out, {first, last});
          },
          [&out](std::string_view bits) { set_bits(out, bits); });
    }
    assert(good);  // open() has read them all
  };
  return select_from(filter, view.rows, find);
}

}  // namespace millrace
