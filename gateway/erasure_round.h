#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gateway/backend.h"
#include "schemas/document.h"

namespace millrace {

// A document that no search finds any more, and what has told of it.
struct RemovedDocument {
  std::string key;
  DocumentProgress progress;
  std::vector<int> generations;
};

// Whether a reader finds a record from `from` on that stands before `ends`. A partition may end in
// what nobody is given: marks of transactions and of purges. Blocks.
Result<bool> has_records(Log& log, const Offsets& from, const Offsets& ends);

// Takes documents out of everything that still has their bytes, in the order in which one place
// gets them from another:
//   1. searches that had begun when it began are over, and so are the answers made from them
//   2. transcripts that cite them and what was told of them are written anew
//   3. the indexes have purged their files (IndexState::purged)
//   4. topics kept by time are trimmed, dead letters removed, the log and this gateway's tables
//      purged
//   5. the documents are `erased`
// Of a round without documents, what replaced revisions have left goes in the same way. Every step
// is known by what the log says, and doing one twice is harmless: several gateways may. One thread;
// blocks.
class ErasureRound {
 public:
  ErasureRound(const Backend& backend, std::vector<RemovedDocument> documents);

  // Goes as far as it can now. True: it is done; false: it waits for others, ask again.
  Result<bool> advance();
  std::size_t erased() const { return erased_; }
  std::string_view waits_for() const;  // for people

 private:
  struct Step {
    std::string_view name;
    Result<bool> (ErasureRound::*take)();
  };
  static std::span<const Step> steps();

  Result<bool> note_searches();
  Result<bool> wait_for_searches();
  Result<bool> wait_for_answers();
  Result<bool> rewrite_mentions();
  Result<bool> wait_for_indexes();
  Result<bool> trim();
  Result<bool> purge_log();
  Result<bool> purge_tables();
  Result<bool> mark_erased();

  Result<bool> have_passed(std::string_view group, const Offsets& ends, int generation) const;
  Status rewrite_transcripts();
  Status remove_letters();
  Status remove_progress();
  bool is_still_removed(const RemovedDocument& document) const;
  bool has(std::string_view document_key) const;
  Status append(std::vector<Record> records) const;

  const Backend& backend_;
  std::vector<RemovedDocument> documents_;  // by key
  const Clock::Steady began_;
  const std::unique_ptr<LogWriter> writer_;
  std::size_t step_ = 0;
  std::size_t erased_ = 0;
  struct Ends {
    int generation = 1;
    Offsets searches;
    Offsets embeddings;
    Offsets consumed_chunks;
  };
  std::vector<Ends> ends_;  // of each generation
  Offsets passages_;
  Offsets answers_;
  std::vector<std::string> purging_topics_;
  Offsets purge_;
  bool purge_begun_ = false;
};

}  // namespace millrace
