#include "gateway/progress_hub.h"

#include <algorithm>

#include "common/logging.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

std::string newest_key(std::string document_key, int generation) {
  if (generation != 1) document_key.append(1, '\0').append(std::to_string(generation));
  return document_key;
}
std::string newest_key(const DocumentProgress& progress) {
  return newest_key(document_key(progress.document), progress.generation);
}

}  // namespace

Result<std::unique_ptr<ProgressHub>> ProgressHub::start(Log& log, const Clock& clock,
                                                        ProgressHubOptions options,
                                                        MetricsRegistry& metrics) {
  const auto ends = end_offsets(log, topics::kDocumentEvents);
  if (!ends) return ends.error();
  std::unique_ptr<ProgressHub> hub{new ProgressHub{options}};
  for (const auto& [partition, end] : *ends) hub->next_.push_back(end);
  hub->begins_ = hub->next_;
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
  if (record.tombstone) return forget(record.key);
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
  PlacedProgressPtr& newest = newest_[newest_key(placed->progress)];
  if (newest && !advances(newest->progress, placed->progress)) return;
  newest = placed;
  if (placed->progress.state == DocumentProgress::State::erased) forget_before(placed->progress);
  for (const Client& client : clients_) {
    if (!client.topic.matches(placed->progress.document)) continue;
    const auto live = client.live.lock();
    if (!live) continue;
    if (live->push(placed) == ProgressMailbox::Pushed::overflowed) slow_clients_.add();
  }
  ring_bytes_ += placed->bytes;
  ring_.push_back(std::move(placed));
  while (ring_bytes_ > options_.replay_bytes_max && !ring_.empty()) forget_oldest();
}

// A document is gone with its acceptance.
void ProgressHub::forget(const std::string& key) {
  if (!is_acceptance_key(key)) return;
  const std::lock_guard lock{mutex_};
  newest_.erase(std::string{partition_key(key)});  // the ring lets the others go
}

void ProgressHub::forget_oldest() {
  ring_bytes_ -= ring_.front()->bytes;
  const auto newest = newest_.find(newest_key(ring_.front()->progress));
  if (newest != newest_.end() && newest->second == ring_.front()) newest_.erase(newest);
  ring_.pop_front();
  begins_.clear();
}

std::optional<std::size_t> ProgressHub::place_after(const StreamPosition& position) const {
  const auto partition = static_cast<std::size_t>(position.partition);
  if (partition >= next_.size() || position.offset >= next_[partition]) return std::nullopt;
  const auto known = std::find_if(ring_.rbegin(), ring_.rend(), [&](const auto& placed) {
    return placed->position.partition == position.partition &&
           placed->position.offset <= position.offset;
  });
  if (known != ring_.rend()) return static_cast<std::size_t>(ring_.rend() - known);
  const bool since_the_start = !begins_.empty() && position.offset >= begins_[partition];
  return since_the_start ? std::optional<std::size_t>{0} : std::nullopt;
}

// What was said of the document before it was erased.
void ProgressHub::forget_before(const DocumentProgress& erased) {
  std::erase_if(ring_, [&](const PlacedProgressPtr& each) {
    const DocumentRef& document = each->progress.document;
    const bool is_old = document.sequence < erased.document.sequence &&
                        document.document_id == erased.document.document_id &&
                        document.collection == erased.document.collection;
    if (is_old) ring_bytes_ -= each->bytes;
    return is_old;
  });
}

ProgressHub::Subscription ProgressHub::subscribe(Topic topic, std::optional<StreamPosition> after,
                                                 boost::asio::any_io_executor executor) {
  Subscription subscription;
  subscription.live =
      std::make_shared<ProgressMailbox>(std::move(executor), options_.stream_backlog_max);
  const std::lock_guard lock{mutex_};
  if (!closed_.empty()) subscription.live->close(closed_);
  if (after) {
    const auto place = place_after(*after);
    subscription.resumed = place.has_value();
    for (std::size_t i = place.value_or(ring_.size()); i < ring_.size(); ++i) {
      if (topic.matches(ring_[i]->progress.document)) subscription.missed.push_back(ring_[i]);
    }
  }
  clients_.push_back({std::move(topic), subscription.live});
  return subscription;
}

void ProgressHub::unsubscribe(const std::shared_ptr<ProgressMailbox>& live) {
  const std::lock_guard lock{mutex_};
  clients_.remove_if([&](const Client& client) { return client.live.lock() == live; });
}

PlacedProgressPtr ProgressHub::newest(const std::string& document_key, int generation) const {
  const std::lock_guard lock{mutex_};
  const auto found = newest_.find(newest_key(document_key, generation));
  return found == newest_.end() ? nullptr : found->second;
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
