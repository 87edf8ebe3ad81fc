#pragma once

#include <vector>

#include "common/metrics.h"
#include "gateway/backend.h"
#include "gateway/dead_letters.h"
#include "gateway/document_service.h"
#include "gateway/stored_letter.h"

namespace millrace {

// Dead letters as the log and the gateway's table of them know them. Thread-safe.
//
// To redrive is to accept the letter's document again, with the bytes that are in `documents`, and
// then to mark the letter and every other one of that document. A crash between the two leaves
// letters that wait, whose document has moved on: they are refused as replaced.
class LogDeadLetterService final : public DeadLetterService {
 public:
  LogDeadLetterService(const Backend& backend, LogDocumentService& documents,
                       MetricsRegistry& metrics);

  net::awaitable<Reply<LetterPage>> list(LetterRange wanted) override;
  net::awaitable<Reply<LetterDetails>> get(Position source) override;
  net::awaitable<Reply<DeadLetter>> whole(Position source) override;
  net::awaitable<Reply<DeadLetter>> redrive(const Caller& caller, Position source) override;
  net::awaitable<Reply<LettersChanged>> redrive_all(const Caller& caller,
                                                    LetterRange which) override;
  net::awaitable<Reply<DeadLetter>> purge(const Caller& caller, Position source) override;
  net::awaitable<Reply<LettersChanged>> purge_all(const Caller& caller, LetterRange which) override;

 private:
  // With what was in the log when the call began, or a moment behind it.
  net::awaitable<Reply<StoredLetter>> find(Position source);
  net::awaitable<void> read_writes();
  net::awaitable<Reply<DeadLetter>> redrive(const Caller& caller, StoredLetter stored);
  // Appends, and comes back when the table has them, or soon.
  net::awaitable<Status> write(const Caller& caller, std::vector<Record> records);

  const Backend backend_;
  LogDocumentService& documents_;
  const Counter redriven_;
  const Counter purged_;
};

}  // namespace millrace
