#include "workers/index/chunk_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/convenience.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>

#include <algorithm>
#include <cassert>

#include "common/clock.h"
#include "common/ids.h"
#include "workers/index/store_keys.h"
#include "workers/text/analyzer.h"

namespace millrace {
namespace {

constexpr std::string_view kVectorsFamily = "vectors";
constexpr std::size_t kWriteBufferBytes = 8U << 20U;  // per column family; two may exist at a time
constexpr std::size_t kCacheBytes = 8U << 20U;        // per partition; the page cache does the rest
constexpr std::size_t kLogBytesMax = 64U << 20U;  // of write-ahead log, so that opening stays short
constexpr int kOpenFilesMax = 256;
constexpr int kBloomBits = 10;  // 1% false positives
constexpr std::string_view kMetaFormat = "mformat";
constexpr std::string_view kMetaDimensions = "mdimensions";
constexpr std::string_view kMetaId = "mid";
constexpr std::string_view kMetaSlot = "mslot";
constexpr std::string_view kMetaRevision = "mrevision";
constexpr std::string_view kMetaPosition = "mposition";

// Languages are kept, and so of one version of the analysis, as are the terms of segments.
std::string format_name() { return "millrace-index 2." + std::to_string(kAnalysisVersion); }

// Of opening: also files that are missing, and column families that we did not make, are damage.
Error open_error(const std::filesystem::path& directory, const rocksdb::Status& status) {
  const std::string what = "open " + directory.string();
  if (status.IsPathNotFound() || status.IsInvalidArgument()) {
    return fatal(what + ": " + status.ToString());
  }
  return error_from(what, status);
}

rocksdb::ColumnFamilyOptions family_options(rocksdb::CompressionType compression,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = kWriteBufferBytes;
  options.compression = compression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBits));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

rocksdb::DBOptions database_options() {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_total_wal_size = kLogBytesMax;
  options.max_open_files = kOpenFilesMax;
  options.keep_log_file_num = 2;
  options.info_log_level = rocksdb::WARN_LEVEL;
  return options;
}

rocksdb::CompressionType text_compression() {
  const std::vector<rocksdb::CompressionType> known = rocksdb::GetSupportedCompressions();
  const bool lz4 = std::find(known.begin(), known.end(), rocksdb::kLZ4Compression) != known.end();
  return lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

}  // namespace

Result<std::unique_ptr<ChunkStore>> ChunkStore::open(const std::filesystem::path& directory,
                                                     std::int32_t dimensions) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return unavailable("create " + directory.string() + ": " + error.message());
  const std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(kCacheBytes);
  const std::vector<rocksdb::ColumnFamilyDescriptor> families{
      {rocksdb::kDefaultColumnFamilyName, family_options(text_compression(), cache)},
      // Vectors look random: compressing them costs time and saves nothing.
      {std::string{kVectorsFamily}, family_options(rocksdb::kNoCompression, cache)}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened =
      rocksdb::DB::Open(database_options(), directory.string(), families, &handles, &db);
  if (!opened.ok()) return open_error(directory, opened);
  std::unique_ptr<ChunkStore> store{new ChunkStore};
  store->db_.reset(db);
  store->rows_ = handles[0];
  store->vectors_ = handles[1];
  if (Status loaded = store->load(dimensions); !loaded) {
    return with_context("open " + directory.string(), loaded.error());
  }
  return store;
}

ChunkStore::~ChunkStore() {
  // Handles before the database; what fails here is found again, and reported, at the next opening.
  for (rocksdb::ColumnFamilyHandle* handle : {rows_, vectors_}) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
}

Status ChunkStore::create(std::int32_t dimensions) {
  rocksdb::WriteBatch batch;
  index_id_ = new_ulid(system_clock());
  batch.Put(rows_, slice(kMetaFormat), format_name());
  batch.Put(rows_, slice(kMetaDimensions), encoded(static_cast<std::uint64_t>(dimensions)));
  batch.Put(rows_, slice(kMetaId), index_id_);
  batch.Put(rows_, slice(kMetaSlot), encoded(0));
  batch.Put(rows_, slice(kMetaRevision), encoded(0));
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status written = db_->Write(options, &batch);
  if (!written.ok()) return error_from("create the index", written);
  return {};
}

Status ChunkStore::load(std::int32_t dimensions) {
  dimensions_ = static_cast<std::size_t>(dimensions);
  std::string format;
  const rocksdb::Status found = db_->Get({}, rows_, slice(kMetaFormat), &format);
  if (found.IsNotFound()) return create(dimensions);
  if (!found.ok()) return error_from("read the format", found);
  if (format != format_name()) {
    return fatal("the index has format \"" + format + "\"; this program knows \"" + format_name() +
                 "\"");
  }
  const auto number = [this](std::string_view name) -> std::optional<std::uint64_t> {
    std::string value;
    if (!db_->Get({}, rows_, slice(name), &value).ok()) return std::nullopt;
    return big_endian_from(value);
  };
  const auto stored = number(kMetaDimensions);
  const auto slot = number(kMetaSlot);
  const auto revision = number(kMetaRevision);
  const bool named = db_->Get({}, rows_, slice(kMetaId), &index_id_).ok();
  if (!stored || !slot || !revision || !named) return damaged("the index's own row");
  if (*stored != dimensions_) {
    return rejected("the index holds vectors of " + std::to_string(*stored) +
                    " dimensions, not of " + std::to_string(dimensions) +
                    ": a model that differs needs a generation of its own");
  }
  numbers_ = {*slot, *revision};
  if (const auto position = number(kMetaPosition)) position_ = static_cast<Offset>(*position);
  return {};
}

Status ChunkStore::write(StoreBatch& batch) {
  if (batch.numbers_.slot != numbers_.slot) {
    batch.batch_.Put(rows_, slice(kMetaSlot), encoded(batch.numbers_.slot));
  }
  if (batch.numbers_.revision != numbers_.revision) {
    batch.batch_.Put(rows_, slice(kMetaRevision), encoded(batch.numbers_.revision));
  }
  const rocksdb::Status written = db_->Write({}, &batch.batch_);
  if (!written.ok()) return error_from("write to the index", written);
  numbers_ = batch.numbers_;
  return {};
}

Status ChunkStore::write_position(Offset position) {
  rocksdb::WriteOptions options;
  options.sync = true;
  const rocksdb::Status written =
      db_->Put(options, rows_, slice(kMetaPosition), encoded(static_cast<std::uint64_t>(position)));
  if (!written.ok()) return error_from("write the index's position", written);
  position_ = position;
  return {};
}

Status ChunkStore::sync() {
  const rocksdb::Status synced = db_->FlushWAL(true);
  if (!synced.ok()) return error_from("sync the index", synced);
  return {};
}

Result<std::optional<DocumentRow>> ChunkStore::document(std::string_view key) const {
  rocksdb::PinnableSlice value;
  const rocksdb::Status found = db_->Get({}, rows_, text_key('d', key), &value);
  if (found.IsNotFound()) return std::optional<DocumentRow>{};
  if (!found.ok()) return error_from("read a document's row", found);
  std::optional<DocumentRow> row{std::in_place};
  if (!decode(view_of(value), *row)) return damaged("a document's row");
  return row;
}

namespace {

// Rows whose key has the prefix; `visit` gets the key without it.
Status each_row(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family, char prefix,
                const std::function<Status(std::string_view, std::string_view)>& visit) {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> row{db.NewIterator(options, family)};
  for (row->Seek(rocksdb::Slice{&prefix, 1}); row->Valid(); row->Next()) {
    std::string_view key = view_of(row->key());
    if (key.front() != prefix) break;
    key.remove_prefix(1);
    if (Status status = visit(key, view_of(row->value())); !status) return status;
  }
  if (!row->status().ok()) return error_from("read the index", row->status());
  return {};
}

}  // namespace

Status ChunkStore::each_document(
    const std::function<void(std::string_view, DocumentRow)>& visit) const {
  return each_row(*db_, rows_, 'd', [&](std::string_view key, std::string_view value) -> Status {
    DocumentRow row;
    if (!decode(value, row)) return damaged("a document's row");
    visit(key, std::move(row));
    return {};
  });
}

Status ChunkStore::each_staged(
    const std::function<Status(std::string_view, StagedRow)>& visit) const {
  return each_row(*db_, rows_, 's', [&](std::string_view key, std::string_view value) -> Status {
    StagedRow row;
    if (!decode(value, row)) return damaged("a staged batch's row");
    return visit(key, row);
  });
}

Result<std::vector<ChunkStore::Garbage>> ChunkStore::garbage(char prefix) const {
  std::vector<Garbage> found;
  const Status read =
      each_row(*db_, rows_, prefix, [&](std::string_view key, std::string_view value) -> Status {
        const std::optional<std::uint64_t> number = big_endian_from(key);
        Garbage& row = found.emplace_back();
        if (!number || !decode(value, row.ranges)) return damaged("a garbage row");
        row.revision_number = *number;
        return {};
      });
  if (!read) return read.error();
  return found;
}

Status ChunkStore::each_collection(
    const std::function<void(std::string_view, CollectionRow)>& visit) const {
  return each_row(*db_, rows_, 'n', [&](std::string_view key, std::string_view value) -> Status {
    CollectionRow row;
    if (!decode(value, row)) return damaged("a collection's row");
    visit(key, std::move(row));
    return {};
  });
}

Status ChunkStore::copy_to(const std::filesystem::path& directory) const {
  rocksdb::Checkpoint* made = nullptr;
  rocksdb::Status status = rocksdb::Checkpoint::Create(db_.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint{made};
  if (status.ok()) status = checkpoint->CreateCheckpoint(directory.string());
  if (!status.ok()) return error_from("copy the index to " + directory.string(), status);
  return {};
}

StoreView ChunkStore::view() const { return StoreView{*this}; }

}  // namespace millrace
