#include "gateway/answer_stream.h"

#include <chrono>

#include "schemas/query.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kReplayRecordsPerPoll = 1'000;
constexpr std::size_t kReplayBytesPerPoll = 4U << 20U;
constexpr std::chrono::milliseconds kReplayPollWait{200};
// A day of answers of a busy partition is read in less; more would hold a thread of the pool.
constexpr std::chrono::seconds kReplayTimeout{20};
constexpr std::size_t kReplayBytesMax = 32U << 20U;  // one query's own events

}  // namespace

bool AnswerFilter::pass(const AnswerEvent& event) {
  if (ended_ || event.attempt < attempt_) return false;
  if (event.attempt > attempt_) {
    attempt_ = event.attempt;
    next_index_ = 0;
  }
  if (event.index < next_index_) return false;
  next_index_ = event.index + 1;
  ended_ = event.last;
  return true;
}

AnswerStream::~AnswerStream() {
  if (live_) hub_.unsubscribe(query_id_, live_);
}

boost::asio::awaitable<Status> AnswerStream::open(std::optional<StreamPosition> after) {
  const auto executor = co_await boost::asio::this_coro::executor;
  const Offset from = answers_from(query_id_);
  after_ = after;
  AnswerHub::Subscription start = hub_.subscribe(query_id_, from, executor);
  live_ = start.live;
  if (start.reaches_back) {
    replay_ = std::move(start.recent);
    co_return Status{};
  }
  auto work = [&log = log_, id = query_id_, partition = start.partition, from, until = start.next] {
    return read_answers(log, id, partition, from, until);
  };
  auto past = co_await run_blocking(pool_, std::move(work));
  if (!past) co_return Status{past.error()};
  replay_ = std::move(*past);
  co_return Status{};
}

void AnswerStream::feed(const std::vector<PlacedAnswerPtr>& events,
                        std::vector<PlacedAnswerPtr>& out) {
  for (const PlacedAnswerPtr& placed : events) {
    saw_any_ = true;
    if (!filter_.pass(placed->event)) continue;
    if (after_ && placed->position.offset <= after_->offset) continue;
    out.push_back(placed);
  }
}

boost::asio::awaitable<AnswerStream::Batch> AnswerStream::next(std::chrono::milliseconds wait) {
  Batch batch;
  feed(std::exchange(replay_, {}), batch.events);
  batch.ended = filter_.ended();
  if (batch.ended || !batch.events.empty()) co_return batch;
  AnswerMailbox::Batch live = co_await live_->receive(wait);
  feed(live.items, batch.events);
  batch.ended = filter_.ended() || live.closed;
  if (live.closed && !filter_.ended()) batch.reason = live.reason;
  co_return batch;
}

void AnswerStream::cancel() {
  if (live_) live_->close("client_gone");
}

Result<std::vector<PlacedAnswerPtr>> read_answers(Log& log, const std::string& query_id,
                                                  std::int32_t partition, Offset from,
                                                  Offset until) {
  std::vector<PlacedAnswerPtr> events;
  const TopicPartition source{std::string{topics::kAnswers}, partition};
  const auto begin = log.begin_offset(source);
  if (!begin) return begin.error();
  from = std::max(from, *begin);
  if (from >= until) return events;
  auto reader = log.open_reader({{source, from}});
  if (!reader) return reader.error();
  std::size_t bytes = 0;
  const auto deadline = std::chrono::steady_clock::now() + kReplayTimeout;
  while ((*reader)->positions().at(source) < until) {
    if (std::chrono::steady_clock::now() > deadline || bytes > kReplayBytesMax) {
      return unavailable("reading the answer again from the log takes too long");
    }
    auto records = (*reader)->poll(kReplayRecordsPerPoll, kReplayBytesPerPoll, kReplayPollWait);
    if (!records) return records.error();
    for (const Record& record : *records) {
      if (record.offset >= until || record.key != query_id) continue;
      auto event = answer_event_from(record);
      if (!event) continue;  // logged by the hub when it came
      bytes += record.bytes();
      auto placed = std::make_shared<PlacedAnswer>();
      placed->position = {record.partition, record.offset};
      placed->bytes = record.bytes();
      placed->event = std::move(*event);
      events.push_back(std::move(placed));
    }
  }
  return events;
}

}  // namespace millrace
