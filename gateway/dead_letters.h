#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/http_types.h"
#include "schemas/dead_letter.h"

namespace millrace {

// Which dead letters. Every member that is set must hold.
struct LetterFilter {
  std::string stage;
  std::string topic;  // of the source record
  std::optional<Error::Kind> kind;
  std::optional<bool> redriven;
  std::string collection;
  std::string document;  // what its id begins with
  std::optional<Clock::Wall> after;
  std::optional<Clock::Wall> before;

  bool matches(const DeadLetter& letter) const;
  bool empty() const;  // every letter matches
};
struct LetterPage {
  std::vector<DeadLetter> letters;  // without their values
  std::string next;                 // where to go on; empty: this was all
};
// The letters of the filter from `cursor` on, newest first.
struct LetterRange {
  LetterFilter filter;
  std::string cursor;  // LetterPage::next of before; empty: from the newest
  std::int64_t limit = 100;
};
struct LetterDetails {
  DeadLetter letter;
  std::vector<std::string> history;  // letters that it came of by redriving, the newest first
};
struct LettersChanged {
  struct Skipped {
    std::string id;
    std::string reason;
  };
  std::int64_t done = 0;
  std::int64_t skipped = 0;
  std::vector<Skipped> reasons;  // of some of those
  std::int64_t remaining = 0;    // that match and have not been looked at, as far as counted
  std::string next;              // where to go on; empty: there are no more
};

// The document that the record was about; empty for a record that is on no document's way.
struct LetterDocument {
  std::string collection;
  std::string document_id;
};
std::optional<LetterDocument> document_of(const DeadLetter& letter);

// Records that stages have given up. For callers who see every document of every collection: the
// handlers check that.
class DeadLetterService {
 public:
  virtual ~DeadLetterService() = default;
  virtual net::awaitable<Reply<LetterPage>> list(LetterRange wanted) = 0;
  virtual net::awaitable<Reply<LetterDetails>> get(Position source) = 0;
  // With its value.
  virtual net::awaitable<Reply<DeadLetter>> whole(Position source) = 0;
  // Sends the document on its way again; the letter as it is then.
  virtual net::awaitable<Reply<DeadLetter>> redrive(const Caller& caller, Position source) = 0;
  // As many as `limit` says.
  virtual net::awaitable<Reply<LettersChanged>> redrive_all(const Caller& caller,
                                                            LetterRange which) = 0;
  virtual net::awaitable<Reply<DeadLetter>> purge(const Caller& caller, Position source) = 0;
  virtual net::awaitable<Reply<LettersChanged>> purge_all(const Caller& caller,
                                                          LetterRange which) = 0;
};

}  // namespace millrace
