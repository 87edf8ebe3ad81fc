#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/http_types.h"

namespace millrace {

// Whether documents are erased, by looking: at every record of every topic and every byte of every
// file of this gateway's data folder.
struct ErasureQuestion {
  std::string collection;
  std::vector<std::string> document_ids;
  // Pieces of what the documents said, which nothing else should say.
  std::vector<std::string> texts;
  static constexpr std::size_t kDocumentsMax = 1'000;
  static constexpr std::size_t kTextsMax = 256;
  static constexpr std::size_t kTextBytesMin = 12;  // shorter ones stand everywhere
  static constexpr std::size_t kTextBytesMax = 512;
};

struct ErasureTrace {
  std::string place;  // "topic texts", "file log/durable/000012.sst"
  std::string at;     // PARTITION:OFFSET, or the byte in the file
  std::string what;   // "a document", or "text N"
};

struct ErasureAnswer {
  std::int64_t records = 0;  // that were looked at
  std::int64_t record_bytes = 0;
  std::int64_t files = 0;
  std::int64_t file_bytes = 0;
  std::vector<ErasureTrace> traces;  // the first ones
  std::int64_t traces_total = 0;
  std::vector<std::size_t> said_by_others;  // texts that another document has: they prove nothing
  static constexpr std::size_t kTracesMax = 100;
  bool clean() const { return traces_total == 0; }
};

class ErasureService {
 public:
  virtual ~ErasureService() = default;
  // Takes as long as reading all of it does; one at a time, else 503.
  virtual net::awaitable<Reply<ErasureAnswer>> check(ErasureQuestion question) = 0;
};

}  // namespace millrace
