#pragma once

#include <functional>
#include <span>
#include <vector>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/object_store.h"
#include "gateway/backup/manifest.h"

namespace millrace {

// The topics that the log must have for the backup: of each of its generations. `rejected` where it
// has topics that this program does not know.
Result<std::vector<TopicSpec>> topics_for(const Manifest& manifest);

// Fills a log that has these topics, and nothing in them, with a verified backup. Its records get
// other offsets, and what names offsets gets those (moved_record.h); groups go on at the records at
// which they stood. Until all of it is there the log's topic `restores` says so, and nobody works
// on it. Blocks; one thread. `rejected`, with nothing written, where the log is not empty or stages
// are running on it. `restored` is told of each object.
Status restore_backup(const ObjectStore& store, const Manifest& manifest, Log& log,
                      const Clock& clock,
                      const std::function<void(const BackupObject&)>& restored = {});

}  // namespace millrace
