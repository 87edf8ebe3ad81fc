#include "common/log/embedded_store.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <limits>

namespace millrace {

namespace {

// Two memtables of this per column family and lane are the most that a busy log holds; an idle one
// holds almost nothing. Large enough that a flushed file is worth deleting whole.
constexpr std::size_t kWriteBufferBytes = 16U << 20U;
constexpr std::size_t kSmallWriteBufferBytes = 4U
                                               << 20U;  // `keys` and `meta`: rows of tens of bytes
constexpr std::uint64_t kFileBytes = 16U << 20U;        // trimming drops whole files of this
constexpr std::uint64_t kWalBytesMax = 128U << 20U;     // replayed at start: under a second
constexpr int kOpenFilesMax = 256;                      // of the usual limit of 1,024
constexpr std::size_t kInfoLogBytes = 1U << 20U;

rocksdb::DBOptions database_options(rocksdb::Env* env) {
  rocksdb::DBOptions options;
  if (env != nullptr) options.env = env;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  // Keep every write up to the first damaged one, and open: what was synced comes before any write
  // that a power cut tore (README).
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.max_total_wal_size = kWalBytesMax;
  options.max_open_files = kOpenFilesMax;
  options.max_background_jobs = 2;
  options.allow_concurrent_memtable_write = false;  // one writer
  options.enable_write_thread_adaptive_yield = false;
  options.bytes_per_sync = 1U << 20U;
  options.keep_log_file_num = 2;
  options.max_log_file_size = kInfoLogBytes;
  options.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  return options;
}

rocksdb::ColumnFamilyOptions family_options(const std::shared_ptr<rocksdb::Cache>& cache,
                                            std::size_t write_buffer_bytes, bool point_reads) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;
  if (point_reads) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = write_buffer_bytes;
  options.target_file_size_base = kFileBytes;
  options.max_bytes_for_level_base = 4 * kFileBytes;
  options.level_compaction_dynamic_level_bytes = true;
  options.compression = rocksdb::kLZ4Compression;
  return options;
}

bool is_lock_failure(const rocksdb::Status& status) {
  if (!status.IsIOError()) return false;
  const std::string text = status.ToString();
  return text.find("lock") != std::string::npos && text.find("LOCK") != std::string::npos;
}

std::string upper_row(PartitionId id, Offset end) { return record_row(id, end); }

}  // namespace

void ReadBudget::spend(std::size_t bytes) {
  used_ = true;
  if (records_ > 0) --records_;
  bytes_ -= std::min(bytes, bytes_);
}

Error database_error(std::string_view what, const std::filesystem::path& directory,
                     const rocksdb::Status& status) {
  std::string message{what};
  message.append(" in ").append(directory.string()).append(": ");
  if (is_lock_failure(status)) {
    return rejected(message + "another millrace process has the directory open");
  }
  message += status.ToString();
  const bool passing = status.IsIOError() || status.IsBusy() || status.IsTryAgain() ||
                       status.IsTimedOut() || status.IsAborted() || status.IsIncomplete();
  return passing ? unavailable(std::move(message)) : fatal(std::move(message));
}

Status make_directories(const std::filesystem::path& directory, rocksdb::Env* env) {
  if (env == nullptr) {
    std::error_code failure;
    std::filesystem::create_directories(directory, failure);
    if (failure) {
      return rejected("make the directory " + directory.string() + ": " + failure.message());
    }
    return {};
  }
  std::filesystem::path made;
  for (const auto& part : directory) {
    made /= part;
    const rocksdb::Status status = env->CreateDirIfMissing(made.string());
    if (!status.ok()) return database_error("make a directory", made, status);
  }
  return {};
}

Result<std::unique_ptr<EmbeddedStore>> EmbeddedStore::open(const std::filesystem::path& directory,
                                                           rocksdb::Env* env,
                                                           std::shared_ptr<rocksdb::Cache> cache) {
  if (const Status made = make_directories(directory, env); !made) return made.error();
  std::unique_ptr<EmbeddedStore> store{new EmbeddedStore{directory}};
  const std::vector<rocksdb::ColumnFamilyDescriptor> families{
      {rocksdb::kDefaultColumnFamilyName, family_options(cache, kSmallWriteBufferBytes, true)},
      {"records", family_options(cache, kWriteBufferBytes, false)},
      {"keys", family_options(cache, kSmallWriteBufferBytes, true)}};
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(database_options(env), directory.string(),
                                                   families, &store->families_, &db);
  if (!status.ok()) return store->error("open the log", status);
  store->db_.reset(db);
  return store;
}

EmbeddedStore::~EmbeddedStore() {
  if (!db_) return;
  // A clean end need not lose what a power cut may. (RocksDB asserts that nobody touches a log file
  // again that could not be written.)
  if (!failed_) static_cast<void>(db_->FlushWAL(true));
  for (rocksdb::ColumnFamilyHandle* each : families_) {
    static_cast<void>(db_->DestroyColumnFamilyHandle(each));
  }
  static_cast<void>(db_->Close());
}

Error EmbeddedStore::error(std::string_view what, const rocksdb::Status& status) const {
  return database_error(what, directory_, status);
}

Status EmbeddedStore::write(rocksdb::WriteBatch& batch, bool sync) {
  if (failed_) return fatal(*failed_);
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = db_->Write(options, &batch);
  if (status.ok()) return {};
  failed_ = "write to the log in " + where() + ": " + status.ToString() +
            "; see to the disk and start again, what was acknowledged is safe";
  return fatal(*failed_);
}

std::uint64_t EmbeddedStore::free_bytes() const {
  std::uint64_t left = 0;
  const rocksdb::Status known = db_->GetEnv()->GetFreeSpace(directory_.string(), &left);
  return known.ok() ? left : std::numeric_limits<std::uint64_t>::max();
}

Result<std::optional<std::string>> EmbeddedStore::get(rocksdb::ColumnFamilyHandle* family,
                                                      std::string_view row) const {
  std::string stored;
  const rocksdb::Status status = db_->Get({}, family, slice(row), &stored);
  if (status.IsNotFound()) return std::optional<std::string>{};
  if (!status.ok()) return error("read the log", status);
  return std::optional<std::string>{std::move(stored)};
}

Result<Record> EmbeddedStore::decode(PartitionId id, std::string_view topic, Offset offset,
                                     const rocksdb::Slice& stored) const {
  Record record;
  record.topic = topic;
  record.partition = id.partition;
  record.offset = offset;
  if (!decode_record(stored.ToStringView(), record)) {
    return fatal("read the log in " + where() + ": the record at " + record.topic + ":" +
                 std::to_string(id.partition) + ":" + std::to_string(offset) +
                 " is damaged or of a later version of millrace");
  }
  return record;
}

Result<Offset> EmbeddedStore::read(PartitionId id, std::string_view topic, Offset from, Offset end,
                                   ReadBudget& budget, std::vector<Record>& out) const {
  const std::string upper = upper_row(id, end);
  const rocksdb::Slice upper_slice{upper};
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper_slice;
  options.fill_cache =
      false;  // read once, in order; the cache is for keys and large files' indexes
  const std::unique_ptr<rocksdb::Iterator> rows{db_->NewIterator(options, records())};
  for (rows->Seek(record_row(id, from)); rows->Valid(); rows->Next()) {
    const auto row = parse_record_row(rows->key().ToStringView());
    if (!row) return fatal("read the log in " + where() + ": a row's key is damaged");
    if (!budget.admits(rows->value().size())) return row->offset;
    auto record = decode(id, topic, row->offset, rows->value());
    if (!record) return record.error();
    budget.spend(rows->value().size());
    out.push_back(std::move(*record));
  }
  if (!rows->status().ok()) return error("read the log", rows->status());
  return end;
}

Result<std::optional<Record>> EmbeddedStore::read_one(PartitionId id, std::string_view topic,
                                                      Offset offset) const {
  rocksdb::PinnableSlice stored;
  const rocksdb::Status status = db_->Get({}, records(), record_row(id, offset), &stored);
  if (status.IsNotFound()) return std::optional<Record>{};
  if (!status.ok()) return error("read the log", status);
  auto record = decode(id, topic, offset, stored);
  if (!record) return record.error();
  return std::optional<Record>{std::move(*record)};
}

Result<Offset> EmbeddedStore::first_offset(PartitionId id, Offset from, Offset end) const {
  const std::string upper = upper_row(id, end);
  const rocksdb::Slice upper_slice{upper};
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper_slice;
  const std::unique_ptr<rocksdb::Iterator> rows{db_->NewIterator(options, records())};
  rows->Seek(record_row(id, from));
  if (!rows->status().ok()) return error("read the log", rows->status());
  if (!rows->Valid()) return end;
  const auto row = parse_record_row(rows->key().ToStringView());
  if (!row) return fatal("read the log in " + where() + ": a row's key is damaged");
  return row->offset;
}

Result<std::optional<Record>> EmbeddedStore::last_record(PartitionId id,
                                                         std::string_view topic) const {
  const std::unique_ptr<rocksdb::Iterator> rows{db_->NewIterator({}, records())};
  rows->SeekForPrev(record_row(id, std::numeric_limits<Offset>::max()));
  if (!rows->status().ok()) return error("read the log", rows->status());
  if (!rows->Valid()) return std::optional<Record>{};
  const auto row = parse_record_row(rows->key().ToStringView());
  if (!row || row->id != id) return std::optional<Record>{};
  auto record = decode(id, topic, row->offset, rows->value());
  if (!record) return record.error();
  return std::optional<Record>{std::move(*record)};
}

}  // namespace millrace
