#include "workers/sweeper/sweep_state.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <system_error>
#include <utility>

// Rows. Numbers have eight bytes, big-endian, and are not negative. SOURCE: topic, NUL, partition.
//   p SOURCE         -> position, time
//   u SOURCE OFFSET  -> time, key of the segment         segments that no record lists yet
//   k SOURCE KEY     -> (offset, size, end of the key)*  segments of the newest record of KEY
//   m                -> kFormat
// Only the end of an owned segment's key is stored, SET NUL N: no row names another key's segments.
namespace millrace {
namespace {

constexpr char kStanding = 'p';
constexpr char kUnclaimed = 'u';
constexpr char kOwned = 'k';
constexpr const char* kFormatRow = "m";
constexpr const char* kFormat = "millrace-sweeper 1";

constexpr std::size_t kWriteBufferBytes = 4U << 20U;  // two may exist at a time
constexpr std::size_t kCacheBytes = 4U << 20U;
constexpr int kOpenFilesMax = 64;
constexpr int kBloomBits = 10;  // 1% false positives: most records have no row

rocksdb::Options database_options() {
  rocksdb::Options options;
  options.create_if_missing = true;
  options.max_open_files = kOpenFilesMax;
  options.write_buffer_size = kWriteBufferBytes;
  options.keep_log_file_num = 1;
  options.info_log_level = rocksdb::WARN_LEVEL;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBits));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

Error error_from(std::string_view what, const rocksdb::Status& status) {
  const std::string message = std::string{what} + ": " + status.ToString();
  if (!status.IsCorruption()) return unavailable(message);
  return fatal(message + "; remove the sweeper's directory, it is built again from the log");
}
Error read_failed(const rocksdb::Status& status) {
  return error_from("read the sweeper's state", status);
}
Error damaged(const char* what) {
  return read_failed(rocksdb::Status::Corruption(what, "is damaged"));
}

std::string_view view_of(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

std::string encoded(std::int64_t number) {
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>((number >> shift) & 0xff));
  }
  return bytes;
}
std::string encoded(Clock::Wall time) {
  return encoded(std::int64_t{time.time_since_epoch().count()});
}

// Take from the front; false when that is not there.
bool take(std::string_view& bytes, std::int64_t& number) {
  if (bytes.size() < 8 || static_cast<signed char>(bytes.front()) < 0) return false;
  number = 0;
  for (const char each : bytes.substr(0, 8)) {
    number = (number << 8) | static_cast<unsigned char>(each);
  }
  bytes.remove_prefix(8);
  return true;
}
bool take(std::string_view& bytes, Clock::Wall& time) {
  std::int64_t milliseconds = 0;
  if (!take(bytes, milliseconds)) return false;
  time = Clock::Wall{std::chrono::milliseconds{milliseconds}};
  return true;
}
bool take(std::string_view& bytes, std::string_view record_key, Segment& segment) {
  std::int64_t size = 0;
  if (!take(bytes, segment.offset) || !take(bytes, size)) return false;
  const std::string_view end = bytes.substr(0, static_cast<std::size_t>(size));
  segment.key.assign(record_key).append(1, '\0').append(end);
  bytes.remove_prefix(end.size());
  return static_cast<std::size_t>(size) == end.size() && record_key_of(segment.key) == record_key;
}

// Of an unclaimed segment.
bool decode(std::string_view bytes, Clock::Wall& time, Segment& segment) {
  if (!take(bytes, time)) return false;
  segment.key.assign(bytes);
  return record_key_of(segment.key).has_value();
}

}  // namespace

std::optional<std::string_view> record_key_of(std::string_view segment_key) {
  constexpr auto is_digit = [](char each) { return each >= '0' && each <= '9'; };
  const std::size_t number = segment_key.rfind('\0');
  if (number == std::string_view::npos || number == 0) return std::nullopt;
  const std::size_t set = segment_key.rfind('\0', number - 1);
  if (set == std::string_view::npos || set + 1 == number) return std::nullopt;
  const std::string_view digits = segment_key.substr(number + 1);
  if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
  return segment_key.substr(0, set);
}

PartitionState::PartitionState(rocksdb::DB& db, const TopicPartition& source,
                               const Standing& durable)
    : db_{db},
      source_{source.topic + '\0' + encoded(source.partition)},
      durable_{durable},
      standing_{durable} {}

Status PartitionState::begin(Offset first) {
  if (first < standing_.position) {
    changes_.clear();
    standing_ = durable_;
    orphans_from_ = {};
    return {};
  }
  if (standing_.position == durable_.position) return {};
  rocksdb::WriteBatch batch;
  for (const auto& [key, value] : changes_) {
    if (value) {
      batch.Put(key, *value);
    } else {
      batch.Delete(key);
    }
  }
  batch.Put(row(kStanding), encoded(standing_.position) + encoded(standing_.time));
  const rocksdb::Status written = db_.Write({}, &batch);
  if (!written.ok()) return error_from("write the sweeper's state", written);
  changes_.clear();
  durable_ = standing_;
  return {};
}

Result<std::optional<Segment>> PartitionState::unclaimed(Offset offset) const {
  const auto stored = get(row(kUnclaimed, offset));
  if (!stored) return stored.error();
  if (!*stored) return std::optional<Segment>{};
  Clock::Wall time;
  Segment segment{offset, {}};
  if (!decode(**stored, time, segment)) return damaged("an unclaimed segment");
  return std::optional{std::move(segment)};
}

Result<std::vector<Segment>> PartitionState::owned(std::string_view record_key) const {
  const auto stored = get(row(kOwned, record_key));
  if (!stored) return stored.error();
  std::vector<Segment> segments;
  if (!*stored) return segments;
  for (std::string_view rest{**stored}; !rest.empty();) {
    if (!take(rest, record_key, segments.emplace_back())) return damaged("a record's segments");
  }
  return segments;
}

// The changes' segments stand behind all durable ones, so that these, less what is removed, are the
// oldest.
Result<std::vector<Segment>> PartitionState::orphans(Clock::Wall until, std::size_t count_max) {
  std::vector<Segment> found;
  if (orphans_from_.time > until) return found;
  Standing oldest = durable_;
  const std::string prefix = row(kUnclaimed);
  const std::unique_ptr<rocksdb::Iterator> each{db_.NewIterator({})};
  each->Seek(row(kUnclaimed, orphans_from_.position));
  for (; each->Valid() && each->key().starts_with(prefix); each->Next()) {
    if (changes_.contains(each->key().ToString())) continue;  // removed
    std::string_view offset = view_of(each->key()).substr(prefix.size());
    Clock::Wall time;
    Segment segment;
    if (!take(offset, segment.offset) || !offset.empty() ||
        !decode(view_of(each->value()), time, segment)) {
      return damaged("an unclaimed segment");
    }
    if (found.empty()) oldest = {segment.offset, time};
    if (time > until || found.size() == count_max) break;
    found.push_back(std::move(segment));
  }
  if (!each->status().ok()) return read_failed(each->status());
  orphans_from_ = oldest;
  return found;
}

void PartitionState::add_unclaimed(Clock::Wall time, const Segment& segment) {
  changes_[row(kUnclaimed, segment.offset)] = encoded(time) + segment.key;
}

void PartitionState::remove_unclaimed(Offset offset) {
  changes_[row(kUnclaimed, offset)] = std::nullopt;
}

void PartitionState::own(std::string_view record_key, const std::vector<Segment>& segments) {
  std::optional<std::string>& value = changes_[row(kOwned, record_key)];
  value.reset();
  for (const Segment& each : segments) {
    const std::string_view end = std::string_view{each.key}.substr(record_key.size() + 1);
    if (!value) value.emplace();
    *value += encoded(each.offset) + encoded(static_cast<std::int64_t>(end.size()));
    *value += end;
  }
}

std::string PartitionState::row(char kind, Offset offset) const {
  return row(kind) += encoded(offset);
}

std::string PartitionState::row(char kind, std::string_view record_key) const {
  return row(kind) += record_key;
}

Result<std::optional<std::string>> PartitionState::get(const std::string& row) const {
  if (const auto found = changes_.find(row); found != changes_.end()) return found->second;
  std::string value;
  const rocksdb::Status found = db_.Get({}, row, &value);
  if (found.IsNotFound()) return std::optional<std::string>{};
  if (!found.ok()) return read_failed(found);
  return std::optional{std::move(value)};
}

Result<std::unique_ptr<SweepState>> SweepState::open(const std::filesystem::path& directory) {
  const std::string what = "open " + directory.string();
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return unavailable(what + ": " + error.message());
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(database_options(), directory.string(), &db);
  if (opened.IsInvalidArgument()) {
    return rejected(what + ": not a sweeper's state: " + opened.ToString());
  }
  if (!opened.ok()) return error_from(what, opened);
  std::unique_ptr<SweepState> state{new SweepState};
  state->db_.reset(db);
  if (Status loaded = state->load(); !loaded) return with_context(what, loaded.error());
  return state;
}

SweepState::SweepState() = default;
SweepState::~SweepState() = default;

Status SweepState::load() {
  const std::unique_ptr<rocksdb::Iterator> each{db_->NewIterator({})};
  std::string format;
  rocksdb::Status found = db_->Get({}, kFormatRow, &format);
  each->SeekToFirst();
  if (found.IsNotFound() && !each->Valid() && each->status().ok()) {
    format = kFormat;
    found = db_->Put({}, kFormatRow, format);
  }
  if (!found.ok() && !found.IsNotFound()) return error_from("the sweeper's state", found);
  if (format != kFormat) {
    return rejected("not a sweeper's state: its format is \"" + format +
                    "\", this program knows \"" + kFormat + '"');
  }
  const std::string prefix(1, kStanding);
  for (each->Seek(prefix); each->Valid() && each->key().starts_with(prefix); each->Next()) {
    const std::string_view key = view_of(each->key());
    const std::size_t end = std::min(key.find('\0'), key.size() - 1);
    std::string_view number = key.substr(end + 1);
    std::string_view value = view_of(each->value());
    std::int64_t partition = 0;
    Standing standing;
    if (!take(number, partition) || !std::in_range<std::int32_t>(partition) || !number.empty() ||
        !take(value, standing.position) || !take(value, standing.time) || !value.empty()) {
      return damaged("a position");
    }
    const TopicPartition source{std::string{key.substr(1, end - 1)},
                                static_cast<std::int32_t>(partition)};
    partitions_.try_emplace(source, *db_, source, standing);
  }
  if (!each->status().ok()) return read_failed(each->status());
  return {};
}

PartitionState& SweepState::partition(const TopicPartition& source) {
  return partitions_.try_emplace(source, *db_, source, Standing{}).first->second;
}

Offsets SweepState::durable() const {
  Offsets offsets;
  for (const auto& [source, state] : partitions_) offsets[source] = state.durable().position;
  return offsets;
}

}  // namespace millrace
