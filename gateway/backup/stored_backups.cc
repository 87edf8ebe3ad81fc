#include "gateway/backup/stored_backups.h"

#include <algorithm>
#include <map>

#include "common/ids.h"
#include "gateway/backup/record_file.h"

namespace millrace {
namespace {

// Nobody is writing any more what began so long ago.
constexpr std::chrono::days kCutOffAge{1};

std::string path_of(const std::string& backup, std::string_view file) {
  return backup + "/" + std::string{file};
}

Error damaged(const ObjectStore& store, const std::string& path, const std::string& why) {
  return rejected(store.where(path) + " is damaged: " + why +
                  "; the backup cannot be restored, take another one");
}

// What a hash cannot say: that the records are those of the manifest.
Status check_records(const BackupObject& object, std::string_view bytes) {
  RecordFileReader reader{bytes, object.source};
  Record record;
  std::int64_t records = 0;
  for (;;) {
    const auto next = reader.next(record);
    if (!next) return next.error();
    if (!*next) break;
    if (records++ == 0 && record.offset != object.first) return rejected("another first record");
  }
  if (records != object.records || record.offset != object.last) {
    return rejected("it has " + std::to_string(records) + " records, the manifest says " +
                    std::to_string(object.records));
  }
  return {};
}

}  // namespace

Result<std::vector<StoredBackup>> list_backups(const ObjectStore& store) {
  const auto objects = store.list("");
  if (!objects) return objects.error();
  std::map<std::string, StoredBackup, std::greater<>> backups;
  for (const StoredObject& each : *objects) {
    const auto slash = each.name.find('/');
    const std::string name = each.name.substr(0, slash);
    if (slash == std::string::npos || !is_backup_name(name)) continue;
    StoredBackup& backup = backups[name];
    backup.name = name;
    backup.bytes += each.bytes;
    backup.whole = backup.whole || each.name == path_of(name, Manifest::kFile);
  }
  std::vector<StoredBackup> sorted;
  for (auto& [name, backup] : backups) sorted.push_back(std::move(backup));
  return sorted;
}

Result<Manifest> read_manifest(const ObjectStore& store, const std::string& name) {
  const std::string path = path_of(name, Manifest::kFile);
  const auto text = store.get(path);
  if (!text && text.error().kind != Error::Kind::rejected) return text.error();
  if (!text) {
    return rejected("there is no whole backup at " + store.where(name) + ": " +
                    text.error().message);
  }
  const auto checksum = store.get(path_of(name, Manifest::kChecksumFile));
  if (!checksum && checksum.error().kind != Error::Kind::rejected) return checksum.error();
  if (!checksum) return damaged(store, path, "its checksum is missing");
  if (*checksum != checksum_line(*text)) return damaged(store, path, "its SHA-256 is another one");
  auto manifest = manifest_from(*text);
  if (!manifest) return with_context(store.where(path), manifest.error());
  if (manifest->name != name) return damaged(store, path, "it is of backup " + manifest->name);
  return manifest;
}

Result<std::string> read_object(const ObjectStore& store, const Manifest& manifest,
                                const BackupObject& object) {
  const std::string path = path_of(manifest.name, object.name);
  auto bytes = store.get(path);
  if (!bytes && bytes.error().kind != Error::Kind::rejected) return bytes.error();
  if (!bytes) return damaged(store, path, bytes.error().message);
  if (static_cast<std::int64_t>(bytes->size()) != object.bytes) {
    return damaged(store, path,
                   "it has " + std::to_string(bytes->size()) + " bytes, the manifest says " +
                       std::to_string(object.bytes));
  }
  if (sha256_hex(*bytes) != object.sha256)
    return damaged(store, path, "its SHA-256 is another one");
  return bytes;
}

Status verify_backup(const ObjectStore& store, const Manifest& manifest,
                     const std::function<void(const BackupObject&)>& seen) {
  for (const BackupObject& each : manifest.objects) {
    const auto bytes = read_object(store, manifest, each);
    if (!bytes) return bytes.error();
    const Status records = check_records(each, *bytes);
    if (!records) {
      return damaged(store, path_of(manifest.name, each.name), records.error().message);
    }
    if (seen) seen(each);
  }
  return {};
}

Status remove_backup(ObjectStore& store, const std::string& name) {
  const auto objects = store.list(name + "/");
  if (!objects) return objects.error();
  if (Status removed = store.remove(path_of(name, Manifest::kFile)); !removed) return removed;
  for (const StoredObject& each : *objects) {
    if (Status removed = store.remove(each.name); !removed) return removed;
  }
  return {};
}

Result<std::vector<std::string>> remove_old_backups(ObjectStore& store, Clock::Wall now,
                                                    std::chrono::days keep) {
  const auto backups = list_backups(store);
  if (!backups) return backups.error();
  const auto newest = std::ranges::find(*backups, true, &StoredBackup::whole);
  std::vector<std::string> removed;
  for (const StoredBackup& each : *backups) {
    const auto age = now - backup_time(each.name);
    const bool is_newest = newest != backups->end() && each.name == newest->name;
    const bool is_over =
        each.whole ? keep.count() > 0 && age > keep && !is_newest : age > kCutOffAge;
    if (!is_over) continue;
    if (Status done = remove_backup(store, each.name); !done) return done.error();
    removed.push_back(each.name);
  }
  return removed;
}

}  // namespace millrace
