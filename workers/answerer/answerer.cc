#include "workers/answerer/answerer.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "common/ids.h"
#include "schemas/topics.h"
#include "workers/answerer/answer_records.h"
#include "workers/answerer/gather.h"
#include "workers/answerer/probe.h"
#include "workers/answerer/recent.h"
#include "workers/answerer/unfinished.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

// As long as the topic `cancellations` keeps its records: whoever cancels a question that has not
// come here yet is not forgotten before the question would be.
constexpr std::chrono::minutes kCancellationKept{10};

// The deadline timer sleeps by the machine's clock; never so short that it would spin.
constexpr std::chrono::milliseconds kTimerMin{1};

// Of a digest: two prompts that differ have different ones for all purposes.
constexpr std::size_t kPromptDigits = 16;

// A query that has ended here.
struct Finished {
  bool by_outputs = false;  // stored only when the runner commits: redelivery means answering again
  Offset last_offset = -1;  // of its records
};

// Which records of one partition an earlier run may have seen.
struct Seen {
  Offset next = 0;       // that comes if nobody else has read on in between
  Offset uncertain = 0;  // records before it
};

Offset last_offset(const GatheredQuery& gathered) {
  Offset last = -1;
  for (const Position& position : gathered.positions) last = std::max(last, position.offset);
  return last;
}

}  // namespace

struct Answerer::Impl {
  Impl(Log& log_, LanguageModel& model, const Clock& clock_, MetricsRegistry& metrics,
       const AnswererOptions& options_);

  // Of the runner's thread, with the mutex held.
  Result<Outputs> passages(const Record& record);
  Result<Outputs> cancellation(const Record& record);
  bool maybe_seen(const Position& position);
  bool is_cancelled(const std::string& query_id) const;
  void stamp(GatheredQuery& gathered) const;
  bool is_over(const std::string& query_id, Offset offset) const;

  // With the mutex held. Empty: it is being answered.
  std::optional<Outputs> conclude(GatheredQuery& gathered);
  std::optional<Outputs> fail(GatheredQuery& gathered, const AnswerFailure& failure);
  std::optional<Outputs> finish_search(const GatheredQuery& gathered);
  // What became of a query, as outputs of the record in hand.
  void take_over(GatheredQuery gathered, Outputs& outputs);

  // Of the pool's thread.
  void finished(const GatheredQuery& gathered);
  void watch_deadlines();
  void deadline();

  void forget_positions(const GatheredQuery& gathered) {
    for (const Position& position : gathered.positions) unfinished.remove(position);
  }
  double age(const Query& query) const { return seconds_since(query.asked_at, clock.wall_now()); }

  Log& log;
  const Clock& clock;
  const AnswererOptions options;
  const AnswerProbe probe;
  const std::string prompt;  // as provenance has it

  std::mutex mutex;  // of everything down to the pool
  Gather gather;
  UnfinishedRecords unfinished;
  Recent<Finished> over;
  Recent<Clock::Steady> cancelled;  // and when that came
  std::map<TopicPartition, Seen> seen;
  bool watching = false;  // the timer runs, or is about to

  AnswerPool pool;
  asio::steady_timer timer;  // of the pool's thread
};

Answerer::Impl::Impl(Log& log_, LanguageModel& model, const Clock& clock_, MetricsRegistry& metrics,
                     const AnswererOptions& options_)
    : log{log_},
      clock{clock_},
      options{options_},
      probe{metrics},
      prompt{sha256_hex(model.recipe()).substr(0, kPromptDigits)},
      gather{options_.search_timeout, options_.gathering_max, options_.rerank.reranker != nullptr},
      over{options_.remembered_max},
      cancelled{options_.remembered_max},
      pool{log_,
           model,
           clock_,
           probe,
           {options_.in_flight_max, options_.waiting_max, options_.answer_timeout,
            AnswerPoolOptions{}.write_timeout, options_.rerank, options_.tracer},
           [this](const GatheredQuery& gathered) { finished(gathered); }},
      timer{pool.executor()} {
  const std::vector<std::string> inputs{std::string{topics::kPassages}};
  const auto ends = end_offsets(log, inputs);
  if (!ends) return;  // each partition is then asked for when its first record comes
  for (const auto& [partition, end] : *ends) seen.emplace(partition, Seen{end, end});
}

// True where another run may have begun to answer the record: it lies before the topic's end as it
// was when this stage began to read here. A jump means that somebody else read in between.
bool Answerer::Impl::maybe_seen(const Position& position) {
  const auto known = seen.find(position.source);
  if (known == seen.end() || known->second.next != position.offset) {
    const auto end = log.end_offset(position.source);
    const Offset uncertain = end ? *end : position.offset + 1;
    Seen& entry = seen[position.source];
    entry.uncertain = std::max(entry.uncertain, uncertain);
  }
  Seen& entry = seen[position.source];
  entry.next = position.offset + 1;
  return position.offset < entry.uncertain;
}

bool Answerer::Impl::is_cancelled(const std::string& query_id) const {
  const Clock::Steady* at = cancelled.find(query_id);
  return at != nullptr && clock.now() - *at < kCancellationKept;
}

bool Answerer::Impl::is_over(const std::string& query_id, Offset offset) const {
  const Finished* finished_query = over.find(query_id);
  if (finished_query == nullptr) return false;
  return !finished_query->by_outputs || offset > finished_query->last_offset;
}

std::optional<Outputs> Answerer::Impl::finish_search(const GatheredQuery& gathered) {
  probe.query_finished(Query::Kind::search, Outcome::completed, age(gathered.query));
  Outputs outputs;
  outputs.push_back(search_result(gathered));
  return outputs;
}

// Where an earlier run may have spoken, the pool finds out as which attempt to say it.
std::optional<Outputs> Answerer::Impl::fail(GatheredQuery& gathered, const AnswerFailure& failure) {
  if (gathered.maybe_seen && gathered.query.kind == Query::Kind::answer &&
      pool.start(gathered, failure)) {
    return std::nullopt;
  }
  probe.query_finished(gathered.query.kind, outcome_of(failure), age(gathered.query));
  return failed_at_once(gathered, failure, clock.wall_now());
}

// What is known of how the query is answered before it is.
void Answerer::Impl::stamp(GatheredQuery& gathered) const {
  if (!gathered.provenance) return;
  if (options.rerank.reranker != nullptr)
    gathered.provenance->reranker = options.rerank.reranker->name();
  if (gathered.query.kind == Query::Kind::answer) gathered.provenance->prompt = prompt;
}

std::optional<Outputs> Answerer::Impl::conclude(GatheredQuery& gathered) {
  stamp(gathered);
  if (is_cancelled(gathered.query.query_id)) {
    return fail(gathered, {std::string{kCancelled}, "the question was cancelled"});
  }
  if (gathered.failed) {
    return fail(gathered, {std::string{kSearchFailed},
                           "no part of the index could be searched: " + gathered.error});
  }
  const bool search = gathered.query.kind == Query::Kind::search;
  if (search && !pool.reranks(gathered)) return finish_search(gathered);
  if (pool.start(gathered)) return std::nullopt;
  if (search) return finish_search(gathered);  // as it is: that is better than nothing
  return fail(gathered,
              {std::string{kOverloaded}, "too many questions are being answered; ask again"});
}

void Answerer::Impl::take_over(GatheredQuery gathered, Outputs& outputs) {
  auto concluded = conclude(gathered);
  if (!concluded) return;
  forget_positions(gathered);
  over.note(gathered.query.query_id, {true, last_offset(gathered)});
  std::move(concluded->begin(), concluded->end(), std::back_inserter(outputs));
}

Result<Outputs> Answerer::Impl::passages(const Record& record) {
  const bool again = maybe_seen(record.position());
  auto event = passages_event_from(record);
  if (!event) return event.error();
  if (event->query.query_id.empty()) return rejected("passages without a query id");
  const std::string& query_id = event->query.query_id;
  Outputs outputs;
  if (unfinished.contains(record.position()) || is_over(query_id, record.offset) ||
      pool.contains(query_id)) {
    return outputs;
  }
  unfinished.add(record.position());
  Arrival arrival{record.position(), std::string{record.header(headers::kTraceparent)}, again,
                  clock.now()};
  const std::string id = query_id;
  for (GatheredQuery& done : gather.add(std::move(*event), std::move(arrival))) {
    take_over(std::move(done), outputs);
  }
  if (is_cancelled(id)) {  // before anything of it was here: there is nothing to wait for
    if (auto waiting = gather.take(id)) take_over(std::move(*waiting), outputs);
  }
  if (gather.open() > 0 && !watching) {
    watching = true;
    asio::post(pool.executor(), [this] { watch_deadlines(); });
  }
  return outputs;
}

Result<Outputs> Answerer::Impl::cancellation(const Record& record) {
  const auto event = cancellation_from(record);
  if (!event) return event.error();
  Outputs outputs;
  cancelled.note(event->query_id, clock.now());
  if (auto gathered = gather.take(event->query_id)) {
    take_over(std::move(*gathered), outputs);
  } else {
    pool.cancel(event->query_id);
  }
  return outputs;
}

void Answerer::Impl::finished(const GatheredQuery& gathered) {
  const std::lock_guard lock{mutex};
  forget_positions(gathered);
  over.note(gathered.query.query_id, {false, last_offset(gathered)});
}

void Answerer::Impl::watch_deadlines() {
  std::optional<Clock::Steady> next;
  {
    const std::lock_guard lock{mutex};
    next = gather.next_deadline();
    watching = next.has_value();
  }
  if (!next) return;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock.now());
  timer.expires_after(std::max(left, kTimerMin));
  timer.async_wait([this](const boost::system::error_code& code) {
    if (!code) deadline();
  });
}

void Answerer::Impl::deadline() {
  {
    const std::lock_guard lock{mutex};
    for (GatheredQuery& gathered : gather.expire(clock.now())) {
      auto concluded = conclude(gathered);
      if (!concluded) continue;
      // No record is in hand whose outputs these could be. Where even that is too much, it stays
      // unfinished, and another run will answer it.
      pool.write(std::move(gathered), std::move(*concluded));
    }
  }
  watch_deadlines();
}

Answerer::Answerer(Log& log, LanguageModel& model, const Clock& clock, MetricsRegistry& metrics,
                   AnswererOptions options)
    : impl_{std::make_unique<Impl>(log, model, clock, metrics, options)} {}

Answerer::~Answerer() { impl_->pool.stop(std::chrono::milliseconds{0}); }

std::vector<Result<Outputs>> Answerer::process(std::span<const Record> batch) {
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  const Status health = impl_->pool.health();
  for (const Record& record : batch) {
    if (!health) {
      results.emplace_back(health.error());
      continue;
    }
    const std::lock_guard lock{impl_->mutex};
    results.push_back(record.topic == topics::kCancellations ? impl_->cancellation(record)
                                                             : impl_->passages(record));
  }
  return results;
}

Outputs Answerer::given_up(const Record& record, const Error& error) {
  Outputs outputs;
  if (record.topic != topics::kPassages || record.key.empty()) return outputs;
  AnswerEvent event =
      failed_event({"rejected", "the search result cannot be read: " + error.message});
  event.query_id = record.key;
  outputs.push_back(to_record(event));
  return outputs;
}

Offsets Answerer::settled(const Offsets& consumed) {
  const std::lock_guard lock{impl_->mutex};
  return impl_->unfinished.settled(consumed);
}

void Answerer::stop() { impl_->pool.stop(impl_->options.stop_grace); }

}  // namespace millrace
