#include "gateway/progress_hub.h"

#include <algorithm>

#include "common/logging.h"
#include "schemas/topics.h"

namespace millrace {

Result<std::unique_ptr<ProgressHub>> ProgressHub::start(Log& log, const Clock& clock,
                                                        ProgressHubOptions options,
                                                        MetricsRegistry& metrics) {
  const std::string topic{topics::kDocumentEvents};
  auto ends = end_offsets(log, std::span{&topic, 1});
  if (!ends) return ends.error();
  std::unique_ptr<ProgressHub> hub{new ProgressHub{options}};
  for (const auto& [partition, end] : *ends) hub->next_.push_back(end);
  hub->slow_clients_ = metrics.counter("stream_slow_clients_total",
                                       "Clients cut off because they fell behind their stream.",
                                       {{"stream", "progress"}});
  auto tail = LogTail::start(log, clock, *ends,
                             [raw = hub.get()](const Record& record) { raw->take(record); });
  if (!tail) return tail.error();
  hub->tail_ = std::move(*tail);
  return hub;
}

bool ProgressHub::Topic::matches(const DocumentRef& document) const {
  return document.collection == collection &&
         (document_id.empty() || document.document_id == document_id);
}

void ProgressHub::take(const Record& record) {
  if (record.tombstone) return;
  auto progress = document_progress_from(record);
  if (!progress) {
    log_event(LogLevel::error, "document_progress_unreadable",
              {{"partition", record.partition},
               {"offset", record.offset},
               {"error", progress.error().message}});
    return;
  }
  auto placed = std::make_shared<PlacedProgress>();
  placed->bytes = record.bytes();
  placed->position = {record.partition, record.offset};
  placed->progress = std::move(*progress);
  const std::lock_guard lock{mutex_};
  next_[static_cast<std::size_t>(record.partition)] = record.offset + 1;
  for (const Client& client : clients_) {
    if (!client.topic.matches(placed->progress.document)) continue;
    const auto live = client.live.lock();
    if (!live) continue;
    if (live->push(placed) == ProgressMailbox::Pushed::overflowed) slow_clients_.add();
  }
  ring_bytes_ += placed->bytes;
  ring_.push_back(std::move(placed));
  while (ring_bytes_ > options_.replay_bytes_max && !ring_.empty()) {
    ring_bytes_ -= ring_.front()->bytes;
    ring_.pop_front();
  }
}

ProgressHub::Subscription ProgressHub::subscribe(Topic topic, std::optional<StreamPosition> after,
                                                 boost::asio::any_io_executor executor) {
  Subscription subscription;
  subscription.live =
      std::make_shared<ProgressMailbox>(std::move(executor), options_.stream_backlog_max);
  const std::lock_guard lock{mutex_};
  if (!closed_.empty()) subscription.live->close(closed_);
  if (after) {
    const auto known = std::find_if(ring_.begin(), ring_.end(),
                                    [&](const auto& placed) { return placed->position == *after; });
    subscription.resumed = known != ring_.end();
    for (auto it = known; it != ring_.end(); ++it) {
      if (it != known && topic.matches((*it)->progress.document)) {
        subscription.missed.push_back(*it);
      }
    }
  }
  clients_.push_back({std::move(topic), subscription.live});
  return subscription;
}

void ProgressHub::unsubscribe(const std::shared_ptr<ProgressMailbox>& live) {
  const std::lock_guard lock{mutex_};
  clients_.remove_if([&](const Client& client) { return client.live.lock() == live; });
}

Offsets ProgressHub::positions() const {
  const std::lock_guard lock{mutex_};
  Offsets offsets;
  for (std::size_t partition = 0; partition < next_.size(); ++partition) {
    offsets[{std::string{topics::kDocumentEvents}, static_cast<std::int32_t>(partition)}] =
        next_[partition];
  }
  return offsets;
}

bool ProgressHub::is_behind(const StreamPosition& position) const {
  const auto partition = static_cast<std::size_t>(position.partition);
  const std::lock_guard lock{mutex_};
  return partition < next_.size() && position.offset >= next_[partition];
}

void ProgressHub::close_all(const std::string& reason) {
  const std::lock_guard lock{mutex_};
  closed_ = reason;
  for (const Client& client : clients_) {
    if (const auto live = client.live.lock()) live->close(reason);
  }
}

}  // namespace millrace
