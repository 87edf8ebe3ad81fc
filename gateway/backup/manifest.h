#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

// Some records of one partition, in a file of their own.
struct BackupObject {
  std::string name;  // within the backup
  TopicPartition source;
  Offset first = 0;  // of its records, in the log that they come from
  Offset last = 0;
  std::int64_t records = 0;
  std::int64_t bytes = 0;
  std::string sha256;  // of all its bytes, hex
  bool operator==(const BackupObject&) const = default;
};

// What a group had committed.
struct GroupPosition {
  std::string group;
  TopicPartition source;
  Offset offset = 0;
  bool operator==(const GroupPosition&) const = default;
};

// What a backup consists of. It is written last: a folder without one is no backup.
struct Manifest {
  static constexpr int kFormat = 1;
  static constexpr std::string_view kFile = "manifest.json";
  // The line `sha256sum -c` reads; stored before the manifest itself.
  static constexpr std::string_view kChecksumFile = "manifest.json.sha256";

  std::string name;
  std::string millrace;  // the version that wrote it
  std::string log;       // embedded or kafka
  Clock::Wall began_at{};
  Clock::Wall ended_at{};
  std::int32_t partitions = 1;
  std::vector<int> generations;     // whose topics are in it
  std::vector<std::string> topics;  // also those without a record
  std::vector<GroupPosition> groups;
  std::vector<BackupObject> objects;  // of a partition in the order of its records

  std::int64_t records() const;
  std::int64_t bytes() const;
  bool operator==(const Manifest&) const = default;
};

std::string to_json(const Manifest& manifest);
std::string checksum_line(std::string_view manifest_json);
// `rejected` for what is no manifest, of another format, or contradicts itself.
Result<Manifest> manifest_from(std::string_view text);

// YYYYMMDDTHHMMSS.mmmZ, in UTC: by name is by time.
std::string backup_name(Clock::Wall time);
bool is_backup_name(std::string_view name);
// Of a backup's name. 0 for what is none.
Clock::Wall backup_time(std::string_view name);

}  // namespace millrace
