#include "workers/index/segments.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t kKnownMax = 4;  // bitmaps per segment: a bit per row each
// Rows that are looked at again instead of all: as many as a copy of a large bitmap costs.
constexpr std::size_t kChangedMax = 4'096;

// Audiences that were given later see nothing here: a longer table is the same one.
std::span<const std::uint8_t> without_zeros(std::span<const std::uint8_t> table) {
  while (!table.empty() && table.back() == 0) table = table.first(table.size() - 1);
  return table;
}

}  // namespace

CollectionLength VisibleRows::length(const Segment& segment, std::uint32_t collection) const {
  std::call_once(walked_, [&] { length_ = segment.length(collection, &rows); });
  return length_;
}

Segments::VisibleCache::Known Segments::VisibleCache::find(std::span<const std::uint8_t> table) {
  const std::lock_guard lock{mutex_};
  for (auto known = known_.begin(); known != known_.end(); ++known) {
    if (!std::ranges::equal(known->table, table)) continue;
    std::rotate(known_.begin(), known, known + 1);
    return known_.front();
  }
  return {};
}

void Segments::VisibleCache::put(Known known) {
  const std::lock_guard lock{mutex_};
  std::erase_if(known_, [&known](const Known& other) { return other.table == known.table; });
  if (known_.size() == kKnownMax) known_.pop_back();
  known_.insert(known_.begin(), std::move(known));
}

void Segments::Entry::note_change(std::size_t row) {
  if (changed.size() == kChangedMax) changed.clear();
  changed.push_back(static_cast<Row>(row));
  ++changes;
}

const Segment& Segments::Entry::segment() const {
  if (growing != nullptr) return *growing;
  return *sealed;
}

GrowingSegment* Segments::growing() {
  if (entries_.empty() || entries_.back().growing == nullptr || entries_.back().frozen) {
    return nullptr;
  }
  return entries_.back().growing->room() > 0 ? entries_.back().growing.get() : nullptr;
}

void Segments::begin(std::shared_ptr<GrowingSegment> segment) {
  freeze();
  entries_.emplace_back().growing = std::move(segment);
}

void Segments::freeze() {
  if (entries_.empty() || entries_.back().growing == nullptr) return;
  if (entries_.back().audiences.empty()) {
    entries_.pop_back();
  } else {
    entries_.back().frozen = true;
  }
}

void Segments::count_row() {
  Entry& entry = entries_.back();
  entry.note_change(entry.audiences.size());
  entry.audiences.push_back(kStagedRow);
  assert(entry.audiences.size() <= entry.growing->rows());
}

void Segments::append(std::shared_ptr<const SealedSegment> segment) {
  freeze();
  Entry& entry = entries_.emplace_back();
  entry.audiences.assign(segment->rows(), kDeadRow);
  entry.dead = segment->rows();
  entry.sealed = std::move(segment);
}

void Segments::set_audience(SlotRange range, Audience audience) {
  const std::uint64_t end = range.first + range.count;
  auto entry = std::partition_point(entries_.begin(), entries_.end(), [&range](const Entry& each) {
    return !each.audiences.empty() && each.last_slot() < range.first;
  });
  for (; entry != entries_.end() && !entry->audiences.empty() && entry->first_slot() < end;
       ++entry) {
    const std::uint64_t* slots = entry->segment().slots();
    const std::size_t rows = entry->audiences.size();
    auto row = static_cast<std::size_t>(std::lower_bound(slots, slots + rows, range.first) - slots);
    for (; row < rows && slots[row] < end; ++row) {
      Audience& known = entry->audiences[row];
      entry->dead -= known == kDeadRow ? 1U : 0U;
      entry->dead += audience == kDeadRow ? 1U : 0U;
      known = audience;
      entry->note_change(row);
    }
  }
}

std::vector<SegmentView> Segments::views() const {
  std::vector<SegmentView> views;
  views.reserve(entries_.size());
  for (const Entry& entry : entries_) {
    SegmentView& view = views.emplace_back();
    view.grows = entry.growing != nullptr && !entry.frozen;
    view.rows = entry.audiences.size();
    if (entry.growing != nullptr) {
      view.segment = entry.growing;
    } else {
      view.segment = entry.sealed;
    }
  }
  return views;
}

std::vector<std::shared_ptr<const VisibleRows>> Segments::visible(
    std::span<const std::uint8_t> table) const {
  std::vector<std::shared_ptr<const VisibleRows>> found(entries_.size());
  table = without_zeros(table);
  if (table.empty()) return found;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].dead == entries_[i].audiences.size()) continue;
    found[i] = visible(entries_[i], table);
    if (found[i]->count == 0) found[i] = nullptr;
  }
  return found;
}

std::shared_ptr<const VisibleRows> Segments::visible(const Entry& entry,
                                                     std::span<const std::uint8_t> table) const {
  const auto sees = [&](Row row) -> std::uint64_t {
    const Audience audience = entry.audiences[row];
    return audience < table.size() ? table[audience] : 0;
  };
  VisibleCache::Known known = entry.cache->find(table);
  if (known.rows != nullptr && known.changes == entry.changes) return known.rows;
  const auto made = std::make_shared<VisibleRows>();
  const std::uint64_t missed = entry.changes - known.changes;
  if (known.rows != nullptr && missed <= entry.changed.size()) {
    made->rows = resized(known.rows->rows, entry.audiences.size());
    for (const Row row : std::span{entry.changed}.last(missed)) {
      sees(row) != 0 ? made->rows.set(row) : made->rows.reset(row);
    }
  } else {
    made->rows = Bitmap{entry.audiences.size()};
    const std::span<std::uint64_t> words = made->rows.words();
    for (Row row = 0; row < entry.audiences.size(); ++row) words[row / 64] |= sees(row) << row % 64;
  }
  made->count = made->rows.count();
  entry.cache->put({{table.begin(), table.end()}, entry.changes, made});
  return made;
}

std::vector<SegmentSize> Segments::sizes() const {
  std::vector<SegmentSize> sizes;
  for (const Entry& entry : entries_) {
    if (entry.growing != nullptr && !entry.frozen) break;
    sizes.push_back({entry.audiences.size(), entry.dead, entry.frozen});
  }
  return sizes;
}

std::vector<SegmentSource> Segments::sources(MergeChoice choice) const {
  std::vector<SegmentSource> sources;
  for (std::size_t i = choice.at; i < choice.at + choice.count; ++i) {
    const Entry& entry = entries_[i];
    SegmentSource& source = sources.emplace_back();
    source.growing = entry.growing;
    source.sealed = entry.sealed;
    source.keep = Bitmap{entry.audiences.size()};
    for (std::size_t row = 0; row < entry.audiences.size(); ++row) {
      if (entry.audiences[row] != kDeadRow) source.keep.set(static_cast<Row>(row));
    }
  }
  return sources;
}

std::vector<SegmentSource> Segments::replace(std::span<const SegmentSource> sources,
                                             std::shared_ptr<const SealedSegment> merged) {
  Entry next;
  std::vector<SegmentSource> replaced;
  const auto begin = std::ranges::find_if(entries_, [&sources](const Entry& entry) {
    return entry.growing == sources.front().growing && entry.sealed == sources.front().sealed;
  });
  const auto end = begin + static_cast<std::ptrdiff_t>(sources.size());
  if (merged != nullptr) next.audiences.reserve(merged->rows());
  for (auto entry = begin; entry != end; ++entry) {
    const Bitmap& keep = sources[static_cast<std::size_t>(entry - begin)].keep;
    for (Row row = keep.next(0); row < keep.rows(); row = keep.next(row + 1)) {
      next.audiences.push_back(entry->audiences[row]);
      next.dead += entry->audiences[row] == kDeadRow ? 1U : 0U;
    }
    replaced.push_back({std::move(entry->growing), std::move(entry->sealed), {}});
  }
  auto place = entries_.erase(begin, end);
  assert((merged == nullptr ? 0 : merged->rows()) == next.audiences.size());
  if (merged == nullptr) return replaced;
  next.sealed = std::move(merged);
  entries_.insert(place, std::move(next));
  return replaced;
}

std::vector<std::shared_ptr<const SealedSegment>> Segments::sealed() const {
  std::vector<std::shared_ptr<const SealedSegment>> found;
  for (const Entry& entry : entries_) {
    if (entry.sealed != nullptr) found.push_back(entry.sealed);
  }
  return found;
}

std::size_t Segments::frozen() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(entries_, [](const Entry& entry) { return entry.frozen; }));
}

void Segments::freeze_dead() {
  if (!entries_.empty() && entries_.back().dead > 0) freeze();
}

std::optional<MergeChoice> Segments::dead_among(const IsOld& is_old) const {
  for (std::size_t at = 0; at < entries_.size(); ++at) {
    const Entry& entry = entries_[at];
    if (entry.sealed != nullptr && entry.dead > 0 && is_old(*entry.sealed)) {
      return MergeChoice{at, 1};
    }
  }
  return std::nullopt;
}

std::uint64_t Segments::dead() const {
  std::uint64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.dead;
  return sum;
}

std::uint64_t Segments::memory_bytes() const {
  std::uint64_t sum = 0;
  for (const Entry& entry : entries_) {
    sum += entry.audiences.capacity() * sizeof(Audience);
    sum += entry.sealed != nullptr ? entry.sealed->memory_bytes() : entry.growing->memory_bytes();
  }
  return sum;
}

}  // namespace millrace
