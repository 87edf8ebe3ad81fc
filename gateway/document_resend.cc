// LogDocumentService: a failed document is accepted again.
#include "common/ids.h"
#include "gateway/document_json.h"
#include "gateway/document_service.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

// Of the table, to have what was written before the question, whoever wrote it.
constexpr std::chrono::milliseconds kTableWaitMax{5'000};

std::string named(const DocumentRef& document) {
  return "document \"" + document.document_id + "\" of collection \"" + document.collection + "\"";
}

}  // namespace

net::awaitable<std::optional<Problem>> LogDocumentService::check_resend(const DocumentRef& failed) {
  using Refusal = std::optional<Problem>;
  const auto whole =
      co_await applied_all(backend_, backend_.documents, topics::kDocumentEvents, kTableWaitMax);
  if (!whole) co_return Refusal{problem_from(whole.error())};
  if (!*whole) {
    co_return Refusal{busy("the list of documents is still being read from the log", 5)};
  }
  const auto now = find(failed.collection, failed.document_id);
  if (!now) {
    co_return Refusal{
        conflict("there is no " + named(failed) + " any more; purge the dead letter")};
  }
  const DocumentProgress& progress = now->progress;
  if (progress.document.revision != failed.revision) {
    const bool gone = progress.removal || is_gone(progress.state);
    co_return Refusal{
        conflict("the " + named(failed) + " was " + (gone ? "deleted" : "replaced by revision ") +
                 (gone ? "" : progress.document.revision) +
                 " after this record, which must not come back; purge the dead letter")};
  }
  if (is_final(progress.state) && progress.state != DocumentProgress::State::failed) {
    co_return Refusal{conflict("the " + named(failed) + " is " +
                               std::string{to_string(progress.state)} +
                               ": there is nothing to mend; purge the dead letter")};
  }
  co_return std::nullopt;
}

// A new revision, not the old one once more: what of the old one got as far as the index may come
// of other settings than what comes now, and the two must not be mixed.
net::awaitable<Reply<LogDocumentService::Resent>> LogDocumentService::resend(const Caller& caller,
                                                                             DocumentEvent failed,
                                                                             std::string letter) {
  const auto turn = turns_.to_send_again(document_key(failed.document));
  if (!turn) {
    co_return Reply<Resent>{conflict("the " + named(failed.document) +
                                     " is being written by another request; look again shortly")};
  }
  auto refused = co_await check_resend(failed.document);
  if (refused) co_return Reply<Resent>{std::move(*refused)};
  Resent resent;
  resent.revision = new_ulid(backend_.clock);
  failed.document.revision = resent.revision;
  failed.document.sequence = -1;
  DocumentRecords built;
  DocumentProgress& accepted = built.progress.emplace_back();
  accepted.document = failed.document;
  accepted.at = backend_.clock.wall_now();
  accepted.removal = failed.operation == DocumentEvent::Operation::remove;
  built.records.push_back(to_record(failed));
  built.records.back().set_header(headers::kTraceparent, caller.traceparent);
  built.records.back().set_header(headers::kRedrivenFrom, std::move(letter));
  const Stored stored = co_await store_in_turn(caller, std::move(built));
  if (!stored) co_return Reply<Resent>{problem_from(stored.error())};
  resent.position = stored->front();
  co_return Reply<Resent>{std::move(resent)};
}

}  // namespace millrace
