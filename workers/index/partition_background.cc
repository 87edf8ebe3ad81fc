#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "workers/index/merge_policy.h"
#include "workers/index/partition_index.h"

// Segments that are full become files, and files that are neighbours one: on the index's own
// threads, beside searches and changes.
namespace millrace {
namespace {

// Segments that wait in memory to become files, 13 MB each at 384 dimensions and what their words
// take. Where there are more, changes wait; searches never do.
constexpr std::size_t kFrozenMax = 4;

// Of what a merge makes. Under the lock, noting what is alive and putting the result in its place
// take about a millisecond for each million rows.
constexpr std::uint64_t kMergedRowsMax = std::uint64_t{4} << 20U;
static_assert(kMergedRowsMax <= kSegmentRowsMax);

std::string folder_name(std::uint64_t number) {
  std::string name = std::to_string(number);
  return name.insert(0, 20 - name.size(), '0');
}

}  // namespace

Status StoredPartitionIndex::wait_for_room() {
  for (;;) {
    const std::uint64_t seen = sealer_.rounds();
    {
      const auto lock = lock_.read();
      if (segments_.frozen() < kFrozenMax) return {};
    }
    if (Status waited = sealer_.wait(seen); !waited) return waited;
  }
}

Status StoredPartitionIndex::settle() {
  const Status sealed = sealer_.settle();
  const Status merged = merger_.settle();
  return sealed ? merged : sealed;
}

Status StoredPartitionIndex::settle_quietly() {
  if (Status settled = settle(); !settled) return settled;
  merger_.rest();
  return merger_.settle();
}

StoredPartitionIndex::Choose StoredPartitionIndex::by_size(ChooseBySize choose) {
  return [choose](const Segments& segments) { return choose(segments.sizes(), kMergedRowsMax); };
}

Result<bool> StoredPartitionIndex::seal(const std::stop_token& stop) {
  const Clock::Steady started = system_clock().now();
  const Result<bool> made = make_segment(by_size(choose_seal), stop);
  if (!made || !*made) return made;
  const std::chrono::duration<double> seconds = system_clock().now() - started;
  probe_.seal_seconds.observe(seconds.count());
  merger_.wake();
  return made;
}

Result<bool> StoredPartitionIndex::merge(const Choose& choose, const std::stop_token& stop) {
  const Clock::Steady started = system_clock().now();
  const Result<bool> made = make_segment(choose, stop);
  if (!made || !*made) return made;
  const std::chrono::duration<double> seconds = system_clock().now() - started;
  probe_.merge_seconds.observe(seconds.count());
  ++merges_;
  probe_.merges_total.add();
  return made;
}

// Does one; false: nothing is to be done.
Result<bool> StoredPartitionIndex::make_segment(const Choose& choose, const std::stop_token& stop) {
  std::optional<MergeChoice> choice;
  std::vector<SegmentSource> sources;
  std::optional<StoreView> view;
  std::uint64_t name = 0;
  {
    const auto lock = lock_.read();
    choice = choose(segments_);
    if (!choice) return false;
    sources = segments_.sources(*choice);
    name = ++last_name_;           // here, so that a purge knows which rows may be dead in it
    view.emplace(store_->view());  // has all rows that are kept, whatever is removed from now on
  }
  // Files must not name slots that a power cut takes back: they would be given again.
  if (Status synced = store_->sync(); !synced) return synced.error();
  const SegmentPlan plan{segments_directory() / folder_name(name), store_->index_id(),
                         static_cast<std::size_t>(options_.dimensions), options_.vectors};
  Result<std::shared_ptr<const SealedSegment>> made = build_segment(plan, sources, *view, stop);
  if (!made) {
    if (stop.stop_requested()) return false;
    log_event(LogLevel::error, "index_segment_failed",
              {{"directory", plan.directory.string()}, {"error", made.error().message}});
    note_damage(made.error());
    // Not the fault of the record that has to wait for it.
    if (made.error().kind != Error::Kind::fatal) return unavailable(made.error().message);
    return made.error();
  }
  if (Status replaced = replace(sources, std::move(*made)); !replaced) return replaced.error();
  probe_.bytes.set(static_cast<double>(tree_bytes(options_.directory)));
  show_counts();
  return true;
}

Status StoredPartitionIndex::replace(std::span<const SegmentSource> sources,
                                     std::shared_ptr<const SealedSegment> made) {
  std::vector<SegmentSource> replaced;  // freed without the lock
  {
    const auto lock = lock_.write();
    replaced = segments_.replace(sources, std::move(made));
  }
  ++segments_made_;
  // Searches that look at these files still do: they are mapped.
  const std::lock_guard lock{files_mutex_};
  for (const SegmentSource& source : replaced) {
    if (source.sealed == nullptr) continue;
    if (Status removed = remove_tree(source.sealed->directory()); !removed) return removed;
  }
  return {};
}

}  // namespace millrace
