// The progress streams of LogDocumentService.
#include "gateway/document_json.h"
#include "gateway/document_service.h"
#include "gateway/mailbox.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

StreamEvent event_of(const DocumentStatus& status) {
  return {status.position, std::string{to_string(status.progress.state)}, to_json(status)};
}

// Everything that happens in a collection, as the caller may see it.
class CollectionEvents final : public EventSource {
 public:
  // `after_is_ahead`: of what the hub has read, so nothing was missed.
  CollectionEvents(const Backend& backend, std::string collection, Principal principal,
                   ProgressHub::Subscription subscription, std::optional<StreamPosition> after,
                   bool after_is_ahead)
      : backend_{backend},
        collection_{std::move(collection)},
        principal_{std::move(principal)},
        live_{std::move(subscription.live)},
        missed_{std::move(subscription.missed)},
        after_{after},
        lost_place_{after && !after_is_ahead && !subscription.resumed} {}
  ~CollectionEvents() override { backend_.progress.unsubscribe(live_); }

  net::awaitable<Batch> next(std::chrono::milliseconds wait) override {
    Batch batch;
    if (std::exchange(lost_place_, false)) {
      batch.events.push_back({"", "reset", R"({"reason":"position_not_kept"})"});
    }
    add(std::exchange(missed_, {}), batch);
    if (!batch.events.empty()) co_return batch;
    ProgressMailbox::Batch live = co_await live_->receive(wait);
    add(live.items, batch);
    batch.ended = live.closed;
    if (live.closed) batch.events.push_back(closed_event(live.reason));
    co_return batch;
  }
  void cancel() override { live_->close("client_gone"); }

 private:
  void add(const std::vector<PlacedProgressPtr>& placed, Batch& batch) const {
    const int generation = generation_of(backend_, collection_);
    for (const PlacedProgressPtr& each : placed) {
      if (!is_shared(each->progress) && each->progress.generation != generation) continue;
      if (!principal_.may_read(each->progress.document.allow)) continue;
      const bool seen = after_ && each->position.partition == after_->partition &&
                        each->position.offset <= after_->offset;
      if (seen) continue;
      batch.events.push_back(event_of({each->progress, each->position.text()}));
    }
  }

  const Backend& backend_;
  const std::string collection_;
  const Principal principal_;
  std::shared_ptr<ProgressMailbox> live_;
  std::vector<PlacedProgressPtr> missed_;
  const std::optional<StreamPosition> after_;
  bool lost_place_;
};

// One document: its status as it is, then what changes it, until nothing more will or a revision
// comes that the caller may not see.
class DocumentEvents final : public EventSource {
 public:
  DocumentEvents(const Backend& backend, Principal principal, std::shared_ptr<ProgressMailbox> live,
                 DocumentStatus status, const std::string& last_event_id)
      : backend_{backend},
        principal_{std::move(principal)},
        live_{std::move(live)},
        status_{std::move(status)},
        greeted_{status_.position == last_event_id} {}
  ~DocumentEvents() override { backend_.progress.unsubscribe(live_); }

  net::awaitable<Batch> next(std::chrono::milliseconds wait) override {
    Batch batch;
    if (!std::exchange(greeted_, true)) batch.events.push_back(event_of(status_));
    batch.ended = is_final(status_.progress.state);
    if (batch.ended || !batch.events.empty()) co_return batch;
    ProgressMailbox::Batch live = co_await live_->receive(wait);
    const int generation = generation_of(backend_, status_.progress.document.collection);
    for (const PlacedProgressPtr& each : live.items) {
      if (!is_shared(each->progress) && each->progress.generation != generation) continue;
      if (batch.ended || !advances(status_.progress, each->progress)) continue;
      if (!principal_.may_read(each->progress.document.allow)) {
        batch.events.push_back(closed_event("not_found"));  // as it is for this caller now
        batch.ended = true;
        continue;
      }
      status_ = {each->progress, each->position.text()};
      batch.events.push_back(event_of(status_));
      batch.ended = is_final(status_.progress.state);
    }
    if (live.closed && !batch.ended) batch.events.push_back(closed_event(live.reason));
    batch.ended = batch.ended || live.closed;
    co_return batch;
  }
  void cancel() override { live_->close("client_gone"); }

 private:
  const Backend& backend_;
  const Principal principal_;
  std::shared_ptr<ProgressMailbox> live_;
  DocumentStatus status_;
  bool greeted_;
};

using Stream = Reply<std::unique_ptr<EventSource>>;

// Table and hub read the same topic and are milliseconds apart, unless one of them is in trouble.
constexpr std::chrono::milliseconds kTableWaitMax{5'000};

Problem bad_last_event_id() {
  return bad_field("Last-Event-ID", "must be the id of an event of this stream: PARTITION:OFFSET");
}

}  // namespace

net::awaitable<Stream> LogDocumentService::collection_events(const Caller& caller,
                                                             std::string collection,
                                                             std::string last_event_id) {
  const auto executor = co_await net::this_coro::executor;
  const auto after = parse_stream_position(last_event_id);
  if (!after && !last_event_id.empty()) co_return Stream{bad_last_event_id()};
  bool ahead = false;
  if (after && backend_.progress.is_behind(*after)) {
    auto work = [&log = backend_.log, partition = after->partition] {
      return log.end_offset({std::string{topics::kDocumentEvents}, partition});
    };
    const auto end = co_await run_blocking(backend_.pool, std::move(work));
    ahead = end && after->offset < *end;  // else nobody ever sent it
  }
  ProgressHub::Topic topic{collection, {}};
  auto subscription = backend_.progress.subscribe(std::move(topic), after, executor);
  std::unique_ptr<EventSource> source = std::make_unique<CollectionEvents>(
      backend_, std::move(collection), caller.principal, std::move(subscription), after, ahead);
  co_return Stream{std::move(source)};
}

net::awaitable<Stream> LogDocumentService::document_events(const Caller& caller,
                                                           std::string collection,
                                                           std::string document_id,
                                                           std::string last_event_id) {
  const auto executor = co_await net::this_coro::executor;
  if (!last_event_id.empty() && !parse_stream_position(last_event_id)) {
    co_return Stream{bad_last_event_id()};
  }
  // First the subscription, then the status, of a table that has what the hub had read by then:
  // nothing falls between the two.
  ProgressHub::Topic topic{collection, document_id};
  const auto live = backend_.progress.subscribe(std::move(topic), {}, executor).live;
  co_await applied(backend_.documents, backend_.progress.positions(), kTableWaitMax);
  auto current = co_await status(caller, collection, document_id);
  if (!current) {
    backend_.progress.unsubscribe(live);
    co_return Stream{current.error()};
  }
  std::unique_ptr<EventSource> source = std::make_unique<DocumentEvents>(
      backend_, caller.principal, live, std::move(*current), last_event_id);
  co_return Stream{std::move(source)};
}

}  // namespace millrace
