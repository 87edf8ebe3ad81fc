#include "gateway/query_service.h"

#include <algorithm>

#include "gateway/query_ids.h"
#include "gateway/stored_event.h"

namespace millrace {
namespace {

// Beyond the answerer's own search_timeout: hops and a busy machine.
constexpr std::chrono::milliseconds kSearchSlack{3'000};
// After answer_timeout, the answerer's `failed` event has this long to arrive.
constexpr std::chrono::milliseconds kAnswerSlack{10'000};
constexpr std::chrono::milliseconds kHubLagMax{5'000};
constexpr std::chrono::milliseconds kGoneWait{100};

Problem unknown_query(const std::string& query_id) {
  return not_found("there is no query \"" + query_id + "\"");
}

Problem timed_out(std::string detail) {
  Problem problem = bad_request(std::move(detail));
  problem.status = 504;
  return problem;
}

// How a query that has failed is told: nobody's fault here is the client's.
Problem failed_search(const AnswerEvent& event) {
  if (event.reason == "timeout") return timed_out(event.message);
  return busy("the search failed (" + event.reason + "): " + event.message);
}

Problem cut_off(const std::string& reason) { return busy("the answer was cut off: " + reason); }

std::int64_t microseconds(Clock::Steady::duration duration) {
  return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
}

StreamEvent event_of(const PlacedAnswer& placed) {
  return {placed.position.text(), std::string{to_string(placed.event.type)},
          client_json(placed.event)};
}

// The end of a query whose events are not kept any more.
StreamEvent event_of(const Transcript& transcript) {
  AnswerEvent event;
  event.query_id = transcript.query.query_id;
  event.last = true;
  event.answer = transcript.answer;
  event.reason = transcript.outcome;
  event.message = transcript.message;
  const bool completed = transcript.outcome == "completed";
  event.type = completed ? AnswerEvent::Type::completed : AnswerEvent::Type::failed;
  return {"", std::string{to_string(event.type)}, client_json(event)};
}

}  // namespace

net::awaitable<EventSource::Batch> QueryEvents::next(std::chrono::milliseconds wait) {
  Batch batch;
  // Finished, so its events are there or gone; the hub may only be a little behind.
  if (transcript_) wait = std::min(wait, stream_->saw_any() ? kHubLagMax : kGoneWait);
  AnswerStream::Batch answers = co_await stream_->next(wait);
  for (const PlacedAnswerPtr& placed : answers.events) batch.events.push_back(event_of(*placed));
  batch.ended = answers.ended;
  if (!answers.reason.empty()) batch.events.push_back(closed_event(answers.reason));
  if (!batch.events.empty() || batch.ended) {
    silent_since_ = clock_.now();
  } else if (transcript_) {
    batch.events.push_back(event_of(*transcript_));
    batch.ended = true;
  } else if (clock_.now() - silent_since_ > silence_max_) {
    batch.events.push_back(closed_event("silent"));
    batch.ended = true;
  }
  co_return batch;
}

Reply<Query> LogQueryService::make_query(const Caller& caller, NewQuery query,
                                         Query::Kind kind) const {
  const auto collection = find_collection(backend_, query.collection);
  if (!collection) return unknown_collection(query.collection);
  Query made;
  made.kind = kind;
  made.collection = std::move(query.collection);
  made.question = std::move(query.question);
  made.top_k = query.top_k > 0 ? query.top_k : backend_.options.top_k_default;
  made.mode = query.mode;
  made.filter = std::move(query.filter);
  made.explain = query.explain;
  made.one_per_document = query.one_per_document;
  made.diversity = query.diversity;
  made.origin = query.origin;
  made.sees_everything =
      query.rights ? query.rights->sees_everything : caller.principal.sees_everything;
  made.groups = query.rights ? std::move(query.rights->groups) : caller.principal.groups;
  made.principal = caller.principal.name;
  made.asked_at = backend_.clock.wall_now();
  made.generation = query.generation.value_or(collection->generation);
  made.query_id = new_query_id(backend_.clock, backend_.answers, made.principal);
  return made;
}

net::awaitable<Status> LogQueryService::append(const Caller& caller, Record record) {
  record.set_header(headers::kTraceparent, caller.traceparent);
  std::vector<Record> records;
  records.push_back(std::move(record));
  const auto positions = co_await backend_.appender.append(std::move(records));
  if (!positions) co_return Status{positions.error()};
  co_return Status{};
}

net::awaitable<Reply<std::string>> LogQueryService::ask(const Caller& caller, NewQuery query) {
  Reply<Query> made = co_await accept(caller, std::move(query));
  if (!made) co_return Reply<std::string>{made.error()};
  co_return Reply<std::string>{std::move(made->query_id)};
}

net::awaitable<Reply<Query>> LogQueryService::accept(const Caller& caller, NewQuery query) {
  Reply<Query> made = make_query(caller, std::move(query), Query::Kind::answer);
  if (!made) co_return made;
  const Status stored = co_await append(caller, to_record(*made));
  if (!stored) co_return Reply<Query>{problem_from(stored.error())};
  if (made->origin == Query::Origin::person) ++accepted_;
  co_return made;
}

Reply<std::optional<Transcript>> LogQueryService::look_up(const Caller& caller,
                                                          const std::string& query_id) const {
  const Principal& principal = caller.principal;
  bool visible = is_query_id_of(query_id, principal.name);
  if (!visible && principal.role == Role::admin) {
    const auto& keys = backend_.options.api_keys;
    visible = is_query_id_of(query_id, "") ||
              std::any_of(keys.begin(), keys.end(), [&](const ApiKeySetting& key) {
                return is_query_id_of(query_id, key.name);
              });
  }
  std::optional<Transcript> transcript;
  if (const auto row = backend_.transcripts.get(query_id)) {
    transcript = transcript_from_row(query_id, *row);
  }
  // An admin also sees what a key asked that has gone since.
  visible = visible || (transcript && principal.role == Role::admin);
  if (!visible) return unknown_query(query_id);
  if (transcript && !principal.may_use(transcript->query.collection)) {
    return unknown_query(query_id);
  }
  return transcript;
}

net::awaitable<Reply<std::unique_ptr<EventSource>>> LogQueryService::events(
    const Caller& caller, std::string query_id, std::string last_event_id) {
  using Stream = Reply<std::unique_ptr<EventSource>>;
  auto known = look_up(caller, query_id);
  if (!known) co_return Stream{known.error()};
  const auto after = parse_stream_position(last_event_id);
  const std::int32_t partition = partition_for(query_id, backend_.answers.partitions());
  if (!last_event_id.empty() && (!after || after->partition != partition)) {
    co_return Stream{bad_field("Last-Event-ID", "must be the id of an event of this stream")};
  }
  auto stream = std::make_unique<AnswerStream>(backend_.answers, backend_.log, backend_.pool,
                                               std::move(query_id));
  const Status opened = co_await stream->open(after);
  if (!opened) co_return Stream{problem_from(opened.error())};
  std::unique_ptr<EventSource> source =
      std::make_unique<QueryEvents>(std::move(stream), std::move(*known), backend_.clock,
                                    backend_.options.answer_timeout + kAnswerSlack);
  co_return Stream{std::move(source)};
}

net::awaitable<Reply<FinishedQuery>> LogQueryService::wait_for_end(AnswerStream& stream,
                                                                   std::string query_id) {
  using Finished = Reply<FinishedQuery>;
  FinishedQuery finished;
  finished.query_id = std::move(query_id);
  const auto deadline = backend_.clock.now() + backend_.options.answer_timeout + kAnswerSlack;
  for (auto now = backend_.clock.now(); now < deadline; now = backend_.clock.now()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
    const AnswerStream::Batch batch = co_await stream.next(left);
    for (const PlacedAnswerPtr& placed : batch.events) {
      const AnswerEvent& event = placed->event;
      if (event.type == AnswerEvent::Type::passages) {
        finished.passages = event.passages;
        finished.provenance = event.provenance;
      }
      finished.completed = event.type == AnswerEvent::Type::completed;
      if (finished.completed) finished.answer = event.answer;
      finished.reason = event.reason;
      finished.message = event.message;
    }
    if (batch.ended && !batch.reason.empty()) co_return Finished{cut_off(batch.reason)};
    if (batch.ended) co_return Finished{std::move(finished)};
  }
  co_return Finished{timed_out("the answer did not come in time; it may still: GET /v1/queries/" +
                               finished.query_id)};
}

net::awaitable<Reply<FinishedQuery>> LogQueryService::answer(const Caller& caller, NewQuery query) {
  using Finished = Reply<FinishedQuery>;
  auto asked = co_await accept(caller, std::move(query));
  if (!asked) co_return Finished{asked.error()};
  AnswerStream stream{backend_.answers, backend_.log, backend_.pool, asked->query_id};
  const Status opened = co_await stream.open({});
  if (!opened) co_return Finished{problem_from(opened.error())};
  auto finished = co_await wait_for_end(stream, asked->query_id);
  if (finished && finished->completed) remember_model(finished->answer.model);
  if (finished) finished->query = std::move(*asked);
  co_return finished;
}

net::awaitable<Reply<SearchResult>> LogQueryService::search(const Caller& caller, NewQuery query) {
  using Found = Reply<SearchResult>;
  const auto began = backend_.clock.now();
  const Reply<Query> made = make_query(caller, std::move(query), Query::Kind::search);
  if (!made) co_return Found{made.error()};
  AnswerStream stream{backend_.answers, backend_.log, backend_.pool, made->query_id};
  const Status opened = co_await stream.open({});
  if (!opened) co_return Found{problem_from(opened.error())};
  const Status stored = co_await append(caller, to_record(*made));
  if (!stored) co_return Found{problem_from(stored.error())};
  const auto deadline = began + backend_.options.search_timeout + kSearchSlack;
  for (auto now = backend_.clock.now(); now < deadline; now = backend_.clock.now()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - now);
    const AnswerStream::Batch batch = co_await stream.next(left);
    for (const PlacedAnswerPtr& placed : batch.events) {
      const AnswerEvent& event = placed->event;
      if (event.type == AnswerEvent::Type::failed) co_return Found{failed_search(event)};
      if (event.type != AnswerEvent::Type::passages) continue;
      co_return Found{SearchResult{event.passages, event.partial, event.embedding_us,
                                   event.search_us, microseconds(backend_.clock.now() - began),
                                   *made, event.provenance}};
    }
    if (batch.ended) co_return Found{cut_off(batch.reason)};
  }
  co_return Found{timed_out("the search did not end in time")};
}

net::awaitable<Reply<QueryState>> LogQueryService::state(const Caller& caller,
                                                         std::string query_id) {
  auto known = look_up(caller, query_id);
  if (!known) co_return Reply<QueryState>{known.error()};
  if (*known) co_return Reply<QueryState>{QueryState{std::move(*known)}};
  // The tag proves that a gateway gave the id out, so it is running, or was never answered.
  const auto limit = backend_.options.answer_timeout + kAnswerSlack;
  if (backend_.clock.wall_now() - query_id_time(query_id) > 2 * limit) {
    co_return Reply<QueryState>{unknown_query(query_id)};
  }
  co_return Reply<QueryState>{QueryState{}};
}

net::awaitable<Reply<std::string>> LogQueryService::cancel(const Caller& caller,
                                                           std::string query_id) {
  auto known = look_up(caller, query_id);
  if (!known) co_return Reply<std::string>{known.error()};
  Cancellation cancellation;
  cancellation.query_id = query_id;
  cancellation.at = backend_.clock.wall_now();
  const Status stored = co_await append(caller, to_record(cancellation));
  if (!stored) co_return Reply<std::string>{problem_from(stored.error())};
  const std::string outcome = *known ? (*known)->outcome : "cancelling";
  co_return Reply<std::string>{outcome};
}

void LogQueryService::remember_model(const std::string& model) {
  const std::lock_guard lock{mutex_};
  model_ = model;
}

std::string LogQueryService::model() const {
  const std::lock_guard lock{mutex_};
  return model_;
}

}  // namespace millrace
