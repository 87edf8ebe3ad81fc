#pragma once

#include <string>
#include <string_view>

#include "common/error.h"
#include "common/log/record.h"

namespace millrace {

// Records of one partition as bytes:
//   file   = "millrace records 1" LF record*
//   record = size:u32 offset:u64 head value      size: of what follows it; numbers big-endian
// Head and value are a record as common/log/embedded_codec.h stores it, with its own version.
std::string new_record_file();
void append_record(std::string& file, const Record& record);
std::size_t record_file_bytes(const Record& record);  // what append_record() adds, at most

// Reads the records of a file in their order; the bytes must outlive it.
class RecordFileReader {
 public:
  // Topic and partition are what the records get.
  RecordFileReader(std::string_view file, TopicPartition source);
  // False at the end. `rejected` where the bytes are no records, or the offsets do not rise.
  Result<bool> next(Record& record);

 private:
  const TopicPartition source_;
  std::string_view rest_;
  Offset behind_ = 0;
  bool is_file_ = false;
};

}  // namespace millrace
