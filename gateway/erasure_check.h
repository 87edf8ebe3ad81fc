#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gateway/backend.h"
#include "gateway/erasures.h"

namespace millrace {

// One look for what is left of documents, piece by piece. Blocks; one thread at a time.
class ErasureCheck {
 public:
  ErasureCheck(const Backend& backend, ErasureQuestion question);
  // The next piece. True: that was the last one.
  Result<bool> look();
  ErasureAnswer answer() const;

 private:
  Status begin_topic();
  Result<bool> look_at_records();
  void look_at(const Record& record);
  std::string owner_of(const Record& record) const;
  bool is_of_document(const Record& record) const;
  bool cites_document(const Record& record) const;
  bool is_asked(std::string_view document_key) const { return keys_.contains(document_key); }
  void add(std::string place, std::string at, std::string what, std::optional<std::size_t> text);
  Result<bool> look_at_file();

  const Backend& backend_;
  const ErasureQuestion question_;
  std::set<std::string, std::less<>> keys_;  // of the documents
  std::vector<std::string> topics_;          // still to be read
  bool begun_ = false;
  std::unique_ptr<LogReader> reader_;
  Offsets ends_;
  std::vector<std::filesystem::path> files_;  // still to be read
  struct Trace {
    ErasureTrace trace;
    std::optional<std::size_t> text;
  };
  std::vector<Trace> traces_;
  std::set<std::size_t> shared_;
  std::vector<std::int64_t> hits_;  // of each text, those that are not in traces_ included
  std::int64_t document_hits_ = 0;
  ErasureAnswer seen_;
};

class LogErasureService final : public ErasureService {
 public:
  explicit LogErasureService(const Backend& backend) : backend_{backend} {}
  net::awaitable<Reply<ErasureAnswer>> check(ErasureQuestion question) override;

 private:
  const Backend backend_;
  std::atomic<bool> busy_{false};
};

}  // namespace millrace
