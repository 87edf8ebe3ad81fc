#include "gateway/answer_hub.h"

#include <algorithm>

#include "common/logging.h"
#include "schemas/topics.h"

namespace millrace {

Result<std::unique_ptr<AnswerHub>> AnswerHub::start(Log& log, const Clock& clock,
                                                    AnswerHubOptions options,
                                                    MetricsRegistry& metrics) {
  const auto ends = end_offsets(log, topics::kAnswers);
  if (!ends) return ends.error();
  std::unique_ptr<AnswerHub> hub{new AnswerHub{options}};
  for (const auto& [partition, end] : *ends) hub->next_.push_back(end);
  hub->covered_from_ = hub->next_;
  hub->slow_clients_ = metrics.counter("stream_slow_clients_total",
                                       "Clients cut off because they fell behind their stream.",
                                       {{"stream", "answers"}});
  auto tail = LogTail::start(log, clock, *ends,
                             [raw = hub.get()](const Record& record) { raw->take(record); });
  if (!tail) return tail.error();
  hub->tail_ = std::move(*tail);
  return hub;
}

void AnswerHub::take(const Record& record) {
  auto event = answer_event_from(record);
  const auto partition = static_cast<std::size_t>(record.partition);
  if (!event) {
    log_event(LogLevel::error, "answer_event_unreadable",
              {{"partition", record.partition},
               {"offset", record.offset},
               {"error", event.error().message}});
    const std::lock_guard lock{mutex_};
    next_[partition] = record.offset + 1;
    return;
  }
  auto placed = std::make_shared<PlacedAnswer>();
  placed->bytes = record.bytes();
  placed->position = {record.partition, record.offset};
  placed->event = std::move(*event);
  const std::lock_guard lock{mutex_};
  next_[partition] = record.offset + 1;
  const auto clients = clients_.find(placed->event.query_id);
  if (clients != clients_.end()) {
    for (const auto& client : clients->second) {
      const auto live = client.lock();
      if (!live) continue;
      if (live->push(placed) == AnswerMailbox::Pushed::overflowed) slow_clients_.add();
    }
  }
  keep_locked(std::move(placed));
}

void AnswerHub::keep_locked(PlacedAnswerPtr placed) {
  ring_bytes_ += placed->bytes;
  by_query_[placed->event.query_id].push_back(placed);
  ring_.push_back(std::move(placed));
  while (ring_bytes_ > options_.replay_bytes_max && !ring_.empty()) {
    const PlacedAnswerPtr oldest = std::move(ring_.front());
    ring_.pop_front();
    forget_locked(*oldest);
  }
}

// What the ring has let go of, the oldest of its query.
void AnswerHub::forget_locked(const PlacedAnswer& oldest) {
  ring_bytes_ -= oldest.bytes;
  covered_from_[static_cast<std::size_t>(oldest.position.partition)] = oldest.position.offset + 1;
  const auto found = by_query_.find(oldest.event.query_id);
  found->second.pop_front();
  if (found->second.empty()) by_query_.erase(found);
}

void AnswerHub::forget_before(const Offsets& positions) {
  const std::lock_guard lock{mutex_};
  std::erase_if(ring_, [&](const PlacedAnswerPtr& each) {
    const auto before = positions.find({std::string{topics::kAnswers}, each->position.partition});
    if (before == positions.end() || each->position.offset >= before->second) return false;
    forget_locked(*PlacedAnswerPtr{each});
    return true;
  });
}

AnswerHub::Subscription AnswerHub::subscribe(const std::string& query_id, Offset from,
                                             boost::asio::any_io_executor executor) {
  Subscription subscription;
  subscription.live =
      std::make_shared<AnswerMailbox>(std::move(executor), options_.stream_backlog_max);
  subscription.partition = partition_for(query_id, partitions());
  const auto index = static_cast<std::size_t>(subscription.partition);
  const std::lock_guard lock{mutex_};
  if (!closed_.empty()) subscription.live->close(closed_);
  clients_[query_id].push_back(subscription.live);
  const auto found = by_query_.find(query_id);
  if (found != by_query_.end()) {
    subscription.recent.assign(found->second.begin(), found->second.end());
  }
  subscription.next = next_[index];
  subscription.reaches_back = covered_from_[index] <= from;
  return subscription;
}

void AnswerHub::unsubscribe(const std::string& query_id,
                            const std::shared_ptr<AnswerMailbox>& live) {
  const std::lock_guard lock{mutex_};
  const auto found = clients_.find(query_id);
  if (found == clients_.end()) return;
  std::erase_if(found->second, [&](const std::weak_ptr<AnswerMailbox>& client) {
    const auto known = client.lock();
    return !known || known == live;
  });
  if (found->second.empty()) clients_.erase(found);
}

Offset AnswerHub::position(std::int32_t partition) const {
  const std::lock_guard lock{mutex_};
  return next_[static_cast<std::size_t>(partition)];
}

void AnswerHub::close_all(const std::string& reason) {
  const std::lock_guard lock{mutex_};
  closed_ = reason;
  for (const auto& [query_id, clients] : clients_) {
    for (const auto& client : clients) {
      if (const auto live = client.lock()) live->close(reason);
    }
  }
}

}  // namespace millrace
