#include "gateway/backup/record_file.h"

#include <cstdint>
#include <utility>

#include "common/log/embedded_codec.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "millrace records 1\n";
constexpr std::size_t kSizeBytes = 4;
constexpr std::size_t kOffsetBytes = 8;

void put(std::string& out, std::uint64_t number, std::size_t bytes) {
  for (std::size_t i = bytes; i-- > 0;) out += static_cast<char>((number >> (8U * i)) & 0xffU);
}

std::uint64_t take(std::string_view& bytes, std::size_t count) {
  std::uint64_t number = 0;
  for (const char each : bytes.substr(0, count)) {
    number = number << 8U | static_cast<unsigned char>(each);
  }
  bytes.remove_prefix(count);
  return number;
}

}  // namespace

std::string new_record_file() { return std::string{kMagic}; }

void append_record(std::string& file, const Record& record) {
  const std::string head = encode_record_head(record, record.timestamp);
  put(file, kOffsetBytes + head.size() + record.value.size(), kSizeBytes);
  put(file, static_cast<std::uint64_t>(record.offset), kOffsetBytes);
  file.append(head).append(record.value);
}

std::size_t record_file_bytes(const Record& record) {
  constexpr std::size_t kFixed = 64;
  constexpr std::size_t kPerHeader = 8;
  return kFixed + kPerHeader * record.headers.size() + record.bytes();
}

RecordFileReader::RecordFileReader(std::string_view file, TopicPartition source)
    : source_{std::move(source)}, rest_{file}, is_file_{file.starts_with(kMagic)} {
  if (is_file_) rest_.remove_prefix(kMagic.size());
}

Result<bool> RecordFileReader::next(Record& record) {
  if (!is_file_) return rejected("these are not records of a backup");
  if (rest_.empty()) return false;
  if (rest_.size() < kSizeBytes) return rejected("a record is cut off");
  const std::uint64_t size = take(rest_, kSizeBytes);
  if (size < kOffsetBytes || size > rest_.size()) return rejected("a record is cut off");
  std::string_view stored = rest_.substr(0, size);
  rest_.remove_prefix(size);
  record.topic = source_.topic;
  record.partition = source_.partition;
  record.offset = static_cast<Offset>(take(stored, kOffsetBytes));
  if (record.offset < behind_ || !decode_record(stored, record)) {
    return rejected("a record behind offset " + std::to_string(behind_) + " is damaged");
  }
  behind_ = record.offset + 1;
  return true;
}

}  // namespace millrace
