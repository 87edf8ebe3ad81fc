#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/object_store.h"
#include "gateway/backup/manifest.h"

namespace millrace {

// Backups in a place: a folder for each, by its name. Everything here waits for the place.
struct StoredBackup {
  std::string name;
  std::uint64_t bytes = 0;
  bool whole = false;  // has a manifest; else it is being written, or was cut off
};
Result<std::vector<StoredBackup>> list_backups(const ObjectStore& store);  // the newest first

// Checks the manifest against its checksum. `rejected` where there is no such backup, or it is cut
// off or damaged.
Result<Manifest> read_manifest(const ObjectStore& store, const std::string& name);

// The bytes of an object, as they were written; else `rejected`.
Result<std::string> read_object(const ObjectStore& store, const Manifest& manifest,
                                const BackupObject& object);

// Reads all of it: every object is there, has its bytes and holds the records that the manifest
// says. `seen` is told of each object.
Status verify_backup(const ObjectStore& store, const Manifest& manifest,
                     const std::function<void(const BackupObject&)>& seen = {});

// The manifest first, so that nothing is left that looks like a backup.
Status remove_backup(ObjectStore& store, const std::string& name);

// Removes whole backups older than `keep` (0: none), but never the newest whole one, and what was
// cut off a day ago or earlier. The names of what went.
Result<std::vector<std::string>> remove_old_backups(ObjectStore& store, Clock::Wall now,
                                                    std::chrono::days keep);

}  // namespace millrace
