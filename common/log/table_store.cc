#include "common/log/table_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "common/log/embedded_codec.h"
#include "common/log/embedded_store.h"
#include "common/log/purge_database.h"
#include "common/logging.h"

namespace millrace {

namespace {

constexpr std::size_t kWriteBufferBytes = 4U << 20U;
constexpr std::size_t kBlockCacheBytes = 4U << 20U;  // a process has several tables
constexpr int kOpenFilesMax = 64;

constexpr std::string_view kTopicRow = "topic";  // which topic the rows come from
constexpr char kPositionKind = 'P';              // then topic and partition, as a group's offset

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.atomic_flush = true;
  options.max_open_files = kOpenFilesMax;
  options.keep_log_file_num = 1;
  options.max_log_file_size = 1U << 20U;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  return options;
}

rocksdb::ColumnFamilyOptions family_options() {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = kWriteBufferBytes;
  options.compression = rocksdb::kLZ4Compression;
  return options;
}

// Damage, or something else than a table: as opposed to a directory that cannot be used at all.
bool can_be_rebuilt(const rocksdb::Status& status) {
  return status.IsCorruption() || status.IsInvalidArgument() || status.IsNotSupported() ||
         status.IsNotFound();
}

std::string position_row(const TopicPartition& partition) {
  return group_row({&kPositionKind, 1}, partition);
}

}  // namespace

Result<std::unique_ptr<TableStore>> TableStore::open(std::filesystem::path directory,
                                                     std::string topic) {
  if (const Status made = make_directories(directory, nullptr); !made) return made.error();
  std::unique_ptr<TableStore> store{new TableStore{std::move(directory), std::move(topic)}};
  const rocksdb::Status status = store->open_database();
  if (status.ok() && store->read_positions()) return store;
  if (!status.ok() && !can_be_rebuilt(status)) {
    return database_error("open a table", store->directory_, status);
  }
  log_event(LogLevel::warning, "table_damaged",
            {{"directory", store->directory_.string()}, {"error", status.ToString()}});
  if (const Status cleared = store->clear(); !cleared) return cleared.error();
  return store;
}

TableStore::~TableStore() { close(); }

rocksdb::Status TableStore::open_database() {
  const std::vector<rocksdb::ColumnFamilyDescriptor> families{
      {rocksdb::kDefaultColumnFamilyName, family_options()}, {"rows", family_options()}};
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(database_options(), directory_.string(), families, &families_, &db);
  db_.reset(db);
  return status;
}

void TableStore::close() {
  if (!db_) return;
  for (rocksdb::ColumnFamilyHandle* each : families_) {
    static_cast<void>(db_->DestroyColumnFamilyHandle(each));
  }
  families_.clear();
  static_cast<void>(db_->Close());
  db_.reset();
}

// False: the rows are not this topic's, or do not say what they stand for.
bool TableStore::read_positions() {
  std::string topic;
  const rocksdb::Status named = db_->Get({}, meta(), slice(kTopicRow), &topic);
  if (named.IsNotFound()) return true;  // new
  if (!named.ok() || topic != topic_) return false;
  const std::unique_ptr<rocksdb::Iterator> all{db_->NewIterator({}, meta())};
  for (all->SeekToFirst(); all->Valid(); all->Next()) {
    if (all->key() == slice(kTopicRow)) continue;
    const auto position =
        decode_group_offset(all->key().ToStringView(), all->value().ToStringView());
    if (!position || position->partition.topic != topic_) return false;
    positions_[position->partition] = position->offset;
  }
  return all->status().ok();
}

Status TableStore::clear() {
  close();
  positions_.clear();
  rocksdb::Status status = rocksdb::DestroyDB(
      directory_.string(), rocksdb::Options{database_options(), family_options()},
      {{rocksdb::kDefaultColumnFamilyName, {}}, {"rows", {}}});
  if (status.ok()) status = open_database();
  if (!status.ok()) return database_error("rebuild a table", directory_, status);
  return {};
}

Status TableStore::write(const Changes& changes, const Offsets& positions) {
  rocksdb::WriteBatch batch;
  for (const auto& [key, value] : changes) {
    if (value) {
      batch.Put(rows(), key, *value);
    } else {
      batch.Delete(rows(), key);
    }
  }
  batch.Put(meta(), slice(kTopicRow), topic_);
  for (const auto& [partition, offset] : positions) {
    batch.Put(meta(), position_row(partition), encode_offset(offset));
  }
  const rocksdb::Status status = db_->Write({}, &batch);
  if (!status.ok()) {
    static_cast<void>(db_->Resume());  // for the next try
    return database_error("write to a table", directory_, status);
  }
  positions_ = positions;
  return {};
}

Status TableStore::purge() {
  const rocksdb::Status status = purge_all(*db_, families_);
  if (!status.ok()) return database_error("purge a table", directory_, status);
  return {};
}

Result<std::optional<std::string>> TableStore::get(std::string_view key) const {
  std::string value;
  const rocksdb::Status status = db_->Get({}, rows(), slice(key), &value);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return database_error("read a table", directory_, status);
  return std::optional<std::string>{std::move(value)};
}

Result<std::vector<Table::Row>> TableStore::scan(std::string_view prefix, std::string_view after,
                                                 std::size_t limit) const {
  std::vector<Table::Row> found;
  const std::unique_ptr<rocksdb::Iterator> all{db_->NewIterator({}, rows())};
  all->Seek(slice(std::max(prefix, after)));
  if (all->Valid() && all->key() == slice(after)) all->Next();
  for (; all->Valid() && found.size() < limit && all->key().starts_with(slice(prefix));
       all->Next()) {
    found.push_back({all->key().ToString(), all->value().ToString()});
  }
  if (!all->status().ok()) return database_error("read a table", directory_, all->status());
  return found;
}

}  // namespace millrace
