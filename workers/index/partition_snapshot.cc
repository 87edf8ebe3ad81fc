#include <utility>

#include "common/clock.h"
#include "common/ids.h"
#include "common/json.h"
#include "workers/index/partition_index.h"

// DIRECTORY/snapshots/NAME is an index as it was, with the folders `store` and `segments` and a
// manifest that says which position it stands at: what can be copied while the index goes on. Rows
// that are in no file yet are in the store.
namespace millrace {
namespace {

Status link_files(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (Status made = make_directory(to); !made) return made;
  const Result<std::vector<std::string>> names = names_in(from);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    std::error_code error;
    std::filesystem::create_hard_link(from / name, to / name, error);
    if (error) return unavailable("link " + (from / name).string() + ": " + error.message());
  }
  return sync_path(to);
}

std::string manifest_of(std::string_view index_id, Offset position, std::int32_t dimensions) {
  json::Writer out;
  out.begin_object();
  out.field("index", index_id);
  out.field("dimensions", dimensions);
  out.field("position", position);
  out.field("made_at", format_time(system_clock().wall_now()));
  out.end_object();
  return out.take();
}

}  // namespace

Status StoredPartitionIndex::snapshot() {
  const std::uint64_t made = segments_made_;
  if (made == segments_copied_ || !store_->position()) return {};
  if (Status replaced = replace_snapshot(); !replaced) return replaced;
  segments_copied_ = made;
  return {};
}

Status StoredPartitionIndex::replace_snapshot() {
  const Clock::Steady started = system_clock().now();
  const std::filesystem::path directory = options_.directory / "snapshots";
  const std::string name = new_ulid(system_clock());
  const std::filesystem::path temporary = directory / (name + ".tmp");
  if (Status copied = copy_to(temporary); !copied) return copied;
  if (Status renamed = rename_path(temporary, directory / name); !renamed) return renamed;
  const Result<std::vector<std::string>> names = names_in(directory);
  if (!names) return names.error();
  for (const std::string& other : *names) {
    if (other == name) continue;
    if (Status removed = remove_tree(directory / other); !removed) return removed;
  }
  const std::chrono::duration<double> seconds = system_clock().now() - started;
  probe_.snapshot_seconds.observe(seconds.count());
  return {};
}

Status StoredPartitionIndex::copy_to(const std::filesystem::path& directory) {
  if (Status made = make_directory(directory / "segments"); !made) return made;
  {
    const std::lock_guard files{files_mutex_};
    SealedSegments segments;
    {
      const auto lock = lock_.read();
      segments = segments_.sealed();
    }
    for (const std::shared_ptr<const SealedSegment>& segment : segments) {
      const std::filesystem::path& from = segment->directory();
      Status linked = link_files(from, directory / "segments" / from.filename());
      if (!linked) return linked;
    }
  }
  // The store after the segments: it has all that they name.
  if (Status copied = store_->copy_to(directory / "store"); !copied) return copied;
  if (Status synced = sync_path(directory / "segments"); !synced) return synced;
  const Offset position = store_->position().value_or(0);
  Status written = write_file(directory / "manifest.json",
                              manifest_of(store_->index_id(), position, options_.dimensions));
  if (!written) return written;
  return sync_path(directory);
}

}  // namespace millrace
