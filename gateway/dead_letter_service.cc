#include "gateway/dead_letter_service.h"

#include <algorithm>

#include "common/ids.h"
#include "gateway/mailbox.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kScanPage = 500;
constexpr std::size_t kScanRowsMax = 50'000;  // per request, about: then the client asks on
constexpr std::size_t kSiblingsMax = 10'000;  // letters of one document
constexpr std::size_t kHistoryMax = 32;       // letters that one came of
constexpr std::size_t kReasonsMax = 20;       // told of letters that were skipped
constexpr std::chrono::milliseconds kTableWait{2'000};

struct Found {
  std::vector<StoredLetter> letters;
  std::string next;
  std::int64_t remaining = 0;
};

// Blocks: what matches from the cursor on. `count_rest`: also how many follow.
Found scan_letters(const Table& table, const LetterRange& wanted, bool count_rest) {
  Found found;
  std::string at = std::max(letters_since(wanted.filter.before), wanted.cursor);
  for (std::size_t seen = 0;;) {
    const auto rows = table.scan(kLetterOrder, at, kScanPage);
    for (const Table::Row& row : rows) {
      at = row.key;
      const bool full = found.letters.size() == static_cast<std::size_t>(wanted.limit);
      auto letter = letter_from_row(row.key, row.value);
      const bool over = letter && wanted.filter.after && letter->letter.at < *wanted.filter.after;
      if (over) return found;
      if (letter && wanted.filter.matches(letter->letter)) {
        if (full && found.next.empty()) found.next = found.letters.back().order;
        if (full && !count_rest) return found;
        if (full) {
          ++found.remaining;
        } else {
          found.letters.push_back(std::move(*letter));
        }
      }
      if (++seen < kScanRowsMax) continue;
      if (found.next.empty()) found.next = at;
      return found;
    }
    if (rows.size() < kScanPage) return found;
  }
}

Problem unknown_letter(const Position& source) {
  return not_found("there is no dead letter \"" + letter_id(source) +
                   "\"; it was purged, or it is older than 30 days");
}

Problem no_document(const DeadLetter& letter) {
  const std::string& topic = letter.source.source.topic;
  if (topic == topics::kQueries || topic == topics::kPassages || topic == topics::kCancellations ||
      topic.starts_with("searches.g")) {
    return conflict(
        "the record is of a question, whose asker was told that it failed: ask again; "
        "the dead letter can only be purged");
  }
  return conflict("the record of topic \"" + topic +
                  "\" is of no document, so there is nothing to send on its way again; the dead "
                  "letter can only be purged");
}

// Blocks: the event of `documents` that the record came of.
Reply<DocumentEvent> document_behind(const Log& log, const StoredLetter& stored) {
  const DeadLetter& letter = stored.letter;
  if (!document_of(letter)) return no_document(letter);
  const auto kept = log.read_at(
      {{std::string{topics::kDeadLetters}, stored.position.partition}, stored.position.offset});
  if (!kept) return problem_from(kept.error());
  if (!*kept) return unknown_letter(letter.source);
  const auto whole = dead_letter_from(**kept);
  if (!whole) return problem_from(whole.error());
  Record record = whole->source_record();
  const auto document = document_ref_from(record);
  if (!document) {
    return conflict("the record cannot be read, so nobody knows which revision it is of: " +
                    document.error().message + "; add the document again");
  }
  if (record.topic != topics::kDocuments) {
    const auto partitions = log.partitions(topics::kDocuments);
    if (!partitions) return problem_from(partitions.error());
    const std::int32_t partition = partition_for(document_key(*document), *partitions);
    auto accepted = log.read_at({{std::string{topics::kDocuments}, partition}, document->sequence});
    if (!accepted) return problem_from(accepted.error());
    if (!*accepted) {
      return conflict("the document \"" + document->document_id +
                      "\" was replaced or deleted after this record, which must not come back; "
                      "purge the dead letter");
    }
    record = std::move(**accepted);
  }
  auto event = document_event_from(record);
  if (!event) return conflict("the document cannot be read: " + event.error().message);
  if (event->document.revision != document->revision) {
    return conflict("the log has another document where this record's was; add it again");
  }
  return std::move(*event);
}

Record marked(DeadLetter letter, DeadLetter::Redriven redriven) {
  redriven.value_bytes = letter.value_bytes;
  letter.redriven = std::move(redriven);
  letter.value.clear();
  return to_record(letter);
}

void skip(LettersChanged& changed, const StoredLetter& stored, std::string reason) {
  ++changed.skipped;
  if (changed.reasons.size() >= kReasonsMax) return;
  changed.reasons.push_back({letter_id(stored.letter.source), std::move(reason)});
}

}  // namespace

LogDeadLetterService::LogDeadLetterService(const Backend& backend, LogDocumentService& documents,
                                           MetricsRegistry& metrics)
    : backend_{backend},
      documents_{documents},
      redriven_{metrics.counter("dead_letters_redriven_total",
                                "Dead letters whose documents were sent on their way again.")},
      purged_{metrics.counter("dead_letters_purged_total", "Dead letters purged by operators.")} {}

net::awaitable<void> LogDeadLetterService::read_writes() {
  // Late or unknown is no failure: what is seen is then as old as the table.
  static_cast<void>(
      co_await applied_all(backend_, backend_.letters, topics::kDeadLetters, kTableWait));
}

net::awaitable<Reply<StoredLetter>> LogDeadLetterService::find(Position source) {
  co_await read_writes();
  auto found = co_await run_blocking(
      backend_.pool, [&table = backend_.letters, &source] { return find_letter(table, source); });
  if (!found) co_return Reply<StoredLetter>{unknown_letter(source)};
  co_return Reply<StoredLetter>{std::move(*found)};
}

net::awaitable<Reply<LetterPage>> LogDeadLetterService::list(LetterRange wanted) {
  co_await read_writes();
  auto found = co_await run_blocking(backend_.pool, [&table = backend_.letters, &wanted] {
    return scan_letters(table, wanted, false);
  });
  LetterPage page;
  page.next = std::move(found.next);
  for (StoredLetter& each : found.letters) page.letters.push_back(std::move(each.letter));
  co_return Reply<LetterPage>{std::move(page)};
}

net::awaitable<Reply<LetterDetails>> LogDeadLetterService::get(Position source) {
  auto found = co_await find(std::move(source));
  if (!found) co_return Reply<LetterDetails>{found.error()};
  auto history = [&table = backend_.letters, &letter = found->letter] {
    std::vector<std::string> ids;
    std::string id{letter.source_header(headers::kRedrivenFrom)};
    while (!id.empty() && ids.size() < kHistoryMax) {
      const auto before = parse_letter_id(id);
      if (!before) break;
      ids.push_back(std::move(id));
      const auto known = find_letter(table, *before);
      id = known ? known->letter.source_header(headers::kRedrivenFrom) : std::string_view{};
    }
    return ids;
  };
  LetterDetails details;
  details.history = co_await run_blocking(backend_.pool, std::move(history));
  details.letter = std::move(found->letter);
  co_return Reply<LetterDetails>{std::move(details)};
}

net::awaitable<Reply<DeadLetter>> LogDeadLetterService::whole(Position source) {
  const auto found = co_await find(source);
  if (!found) co_return Reply<DeadLetter>{found.error()};
  if (found->letter.redriven) {
    co_return Reply<DeadLetter>{
        conflict("the bytes are not kept once a letter was redriven: they are revision " +
                 found->letter.redriven->revision + " of its document")};
  }
  auto read = [&log = backend_.log, &at = found->position] {
    return log.read_at({{std::string{topics::kDeadLetters}, at.partition}, at.offset});
  };
  const auto record = co_await run_blocking(backend_.pool, std::move(read));
  if (!record) co_return Reply<DeadLetter>{problem_from(record.error())};
  if (!*record) co_return Reply<DeadLetter>{unknown_letter(source)};
  auto letter = dead_letter_from(**record);
  if (!letter) co_return Reply<DeadLetter>{problem_from(letter.error())};
  co_return Reply<DeadLetter>{std::move(*letter)};
}

net::awaitable<Status> LogDeadLetterService::write(const Caller& caller,
                                                   std::vector<Record> records) {
  for (Record& each : records) each.set_header(headers::kTraceparent, caller.traceparent);
  const auto positions = co_await backend_.appender.append(std::move(records));
  if (!positions) co_return Status{positions.error()};
  Offsets target;
  for (const auto& [source, offset] : *positions) {
    Offset& end = target[source];
    end = std::max(end, offset + 1);
  }
  co_await applied(backend_.letters, std::move(target), kTableWait);
  co_return Status{};
}

net::awaitable<Reply<DeadLetter>> LogDeadLetterService::redrive(const Caller& caller,
                                                                Position source) {
  auto found = co_await find(std::move(source));
  if (!found) co_return Reply<DeadLetter>{found.error()};
  co_return co_await redrive(caller, std::move(*found));
}

net::awaitable<Reply<DeadLetter>> LogDeadLetterService::redrive(const Caller& caller,
                                                                StoredLetter stored) {
  using Redriven = Reply<DeadLetter>;
  if (const auto& before = stored.letter.redriven) {
    co_return Redriven{conflict("the letter was redriven at " + format_time(before->at) +
                                " already, as revision " + before->revision +
                                "; if that died too, it has a letter of its own")};
  }
  auto event = co_await run_blocking(
      backend_.pool, [&log = backend_.log, &stored] { return document_behind(log, stored); });
  if (!event) co_return Redriven{event.error()};
  // Looked up before the document is accepted: all of them are of what it was until then.
  auto look_up = [&table = backend_.letters, key = document_key(event->document)] {
    return letters_of_document(table, key, kSiblingsMax);
  };
  auto letters = co_await run_blocking(backend_.pool, std::move(look_up));
  auto resent =
      co_await documents_.resend(caller, std::move(*event), letter_id(stored.letter.source));
  if (!resent) co_return Redriven{resent.error()};
  DeadLetter::Redriven mark{backend_.clock.wall_now(), caller.principal.name,
                            std::move(resent->revision), std::move(resent->position), 0};
  std::vector<Record> records{marked(stored.letter, mark)};
  for (StoredLetter& each : letters) {
    if (each.letter.redriven || each.order == stored.order) continue;
    records.push_back(marked(std::move(each.letter), mark));
  }
  const auto count = static_cast<double>(records.size());
  const Status kept = co_await write(caller, std::move(records));
  redriven_.add(count);
  if (!kept) {
    co_return Redriven{busy("the document was sent again as revision " + mark.revision +
                            ", but the letter still says that it waits: " + kept.error().message)};
  }
  mark.value_bytes = stored.letter.value_bytes;
  stored.letter.redriven = std::move(mark);
  co_return Redriven{std::move(stored.letter)};
}

net::awaitable<Reply<LettersChanged>> LogDeadLetterService::redrive_all(const Caller& caller,
                                                                        LetterRange which) {
  using Changed = Reply<LettersChanged>;
  co_await read_writes();
  const auto began = backend_.clock.wall_now();
  auto found = co_await run_blocking(backend_.pool, [&table = backend_.letters, &which] {
    return scan_letters(table, which, true);
  });
  LettersChanged changed;
  changed.remaining = found.remaining;
  changed.next = std::move(found.next);
  for (StoredLetter& each : found.letters) {
    // It may have gone with another letter of its document, or been purged.
    auto now = co_await run_blocking(backend_.pool, [&table = backend_.letters, &each] {
      return find_letter(table, each.letter.source);
    });
    if (!now) continue;
    if (now->letter.redriven && now->letter.redriven->at >= began) {
      ++changed.done;
      continue;
    }
    const auto redriven = co_await redrive(caller, std::move(*now));
    if (redriven) {
      ++changed.done;
    } else if (redriven.error().status == conflict("").status) {
      skip(changed, each, redriven.error().detail);
    } else {
      Problem problem = redriven.error();
      problem.detail += " (after " + std::to_string(changed.done) + " letters; ask again)";
      co_return Changed{std::move(problem)};
    }
  }
  co_return Changed{std::move(changed)};
}

net::awaitable<Reply<DeadLetter>> LogDeadLetterService::purge(const Caller& caller,
                                                              Position source) {
  auto found = co_await find(std::move(source));
  if (!found) co_return Reply<DeadLetter>{found.error()};
  std::vector<Record> records{dead_letter_tombstone(found->letter)};
  const Status purged = co_await write(caller, std::move(records));
  if (!purged) co_return Reply<DeadLetter>{problem_from(purged.error())};
  purged_.add();
  co_return Reply<DeadLetter>{std::move(found->letter)};
}

net::awaitable<Reply<LettersChanged>> LogDeadLetterService::purge_all(const Caller& caller,
                                                                      LetterRange which) {
  co_await read_writes();
  const auto found = co_await run_blocking(backend_.pool, [&table = backend_.letters, &which] {
    return scan_letters(table, which, true);
  });
  LettersChanged changed;
  changed.remaining = found.remaining;
  changed.next = found.next;
  changed.done = static_cast<std::int64_t>(found.letters.size());
  std::vector<Record> records;
  for (const StoredLetter& each : found.letters) {
    records.push_back(dead_letter_tombstone(each.letter));
  }
  if (records.empty()) co_return Reply<LettersChanged>{std::move(changed)};
  const Status purged = co_await write(caller, std::move(records));
  if (!purged) co_return Reply<LettersChanged>{problem_from(purged.error())};
  purged_.add(static_cast<double>(changed.done));
  co_return Reply<LettersChanged>{std::move(changed)};
}

}  // namespace millrace
