#include "common/logging.h"
#include "workers/index/partition_index.h"

// What died leaves the files: segments without their dead rows, the store without removed rows, a
// snapshot without either. The runner's thread begins and ends it; the index's own threads do it,
// and make no other merges meanwhile, which are of no use to whoever waits.
namespace millrace {
namespace {

std::uint64_t number_of(const SealedSegment& segment) {
  return std::stoull(segment.directory().filename().string());
}

}  // namespace

// What an earlier process left. Where there is nothing, all that was superseded so far is gone.
Status StoredPartitionIndex::note_removed() {
  const Result<bool> removed = store_->has_removed();
  if (!removed) return removed.error();
  if (*removed || !garbage_.empty() || segments_.dead() > 0) {
    died_at_ = system_clock().now() - options_.purge_after;  // nobody knows since when: due at once
  } else {
    purged_ = store_->position().value_or(0);
  }
  return {};
}

Status StoredPartitionIndex::purge_when_due() {
  switch (purge_.load()) {
    case Purge::none:
      break;
    case Purge::running:
      merger_.wake();  // it may wait for a search, or have failed
      return {};
    case Purge::done:
      return end_purge();
  }
  const bool is_clean = !died_at_ && garbage_.empty();
  if (is_clean) purged_ = std::max(purged_, store_->position().value_or(0));
  const bool is_due = died_at_ && system_clock().now() - *died_at_ >= options_.purge_after;
  return is_due ? begin_purge() : Status{};
}

Status StoredPartitionIndex::begin_purge() {
  if (!garbage_.empty()) {
    StoreBatch batch{*store_};
    if (Status written = write(batch); !written) return written;
  }
  died_at_.reset();
  purging_ = store_->position().value_or(0);
  {
    const auto lock = lock_.write();
    segments_.freeze_dead();
    purge_names_ = last_name_.load();
  }
  purge_ = Purge::running;
  sealer_.wake();
  merger_.wake();
  return {};
}

// One segment, or the store when no segment is left. Segments that are made meanwhile are of rows
// that were alive when it began.
Result<bool> StoredPartitionIndex::purge_some(const std::stop_token& stop) {
  const auto is_old = [this](const SealedSegment& each) { return number_of(each) <= purge_names_; };
  const Result<bool> made =
      merge([&is_old](const Segments& segments) { return segments.dead_among(is_old); }, stop);
  if (!made || *made) return made;
  {
    const auto lock = lock_.read();
    if (segments_.frozen() > 0) return false;  // whoever seals them wakes us
  }
  const Result<bool> purged = store_->purge();
  if (!purged) return purged.error();
  if (*purged) purge_ = Purge::done;
  return false;
}

Status StoredPartitionIndex::end_purge() {
  if (store_->position()) {
    if (Status replaced = replace_snapshot(); !replaced) return replaced;
  }
  segments_copied_ = segments_made_;
  purged_ = purging_;
  purge_ = Purge::none;
  probe_.purges_total.add();
  return {};
}

}  // namespace millrace
