#include "common/log/embedded_state.h"

#include <algorithm>

#include "common/log/embedded_cursor.h"

namespace millrace {

TopicState::TopicState(StoredTopic topic, EmbeddedLane& lane, MetricsRegistry& metrics)
    : records(metrics.counter("log_append_records_total", "Records appended to the log",
                              {{"topic", topic.spec.name}})),
      bytes(metrics.counter("log_append_bytes_total", "Bytes of keys, values and headers appended",
                            {{"topic", topic.spec.name}})),
      trimmed_bytes(metrics.counter("log_trimmed_bytes_total",
                                    "Bytes on disk, about, of records that retention removed",
                                    {{"topic", topic.spec.name}})),
      id_(topic.id),
      spec_(std::move(topic.spec)),
      lane_(lane),
      retention_(spec_.retention),
      expires_(spec_.expires),
      compacted_(spec_.compacted),
      partitions_(static_cast<std::size_t>(spec_.partitions)) {}

void TopicState::subscribe(EmbeddedCursor& cursor) {
  const std::lock_guard lock{mutex_};
  cursors_.push_back(&cursor);
}

void TopicState::unsubscribe(EmbeddedCursor& cursor) {
  const std::lock_guard lock{mutex_};
  std::erase(cursors_, &cursor);
}

bool TopicState::has_cursors() {
  const std::lock_guard lock{mutex_};
  return !cursors_.empty();
}

void TopicState::notify() {
  const std::lock_guard lock{mutex_};
  for (EmbeddedCursor* each : cursors_) each->notify();
}

Offset TopicState::lowest_position(std::int32_t partition) {
  const std::lock_guard lock{mutex_};
  Offset lowest = at(partition).end;
  for (const EmbeddedCursor* each : cursors_) {
    lowest = std::min(lowest, each->position_in(*this, partition).value_or(lowest));
  }
  return lowest;
}

std::vector<std::string> TopicTable::names() const {
  const std::shared_lock lock{mutex_};
  std::vector<std::string> names;
  for (const auto& [name, topic] : topics_) names.push_back(name);
  return names;
}

TopicState* TopicTable::find(std::string_view name) const {
  const std::shared_lock lock{mutex_};
  const auto found = topics_.find(name);
  return found == topics_.end() ? nullptr : found->second.get();
}

TopicState* TopicTable::find(const EmbeddedLane& lane, std::uint32_t id) const {
  const std::shared_lock lock{mutex_};
  for (const auto& [name, topic] : topics_) {
    if (&topic->lane() == &lane && topic->id(0).topic == id) return topic.get();
  }
  return nullptr;
}

std::vector<TopicState*> TopicTable::of(const EmbeddedLane& lane) const {
  const std::shared_lock lock{mutex_};
  std::vector<TopicState*> topics;
  for (const auto& [name, topic] : topics_) {
    if (&topic->lane() == &lane) topics.push_back(topic.get());
  }
  return topics;
}

TopicState& TopicTable::add(StoredTopic topic, EmbeddedLane& lane, MetricsRegistry& metrics) {
  std::string name = topic.spec.name;
  auto state = std::make_unique<TopicState>(std::move(topic), lane, metrics);
  const std::unique_lock lock{mutex_};
  return *topics_.emplace(std::move(name), std::move(state)).first->second;
}

void TopicTable::remove(std::string_view name) {
  const std::unique_lock lock{mutex_};
  const auto found = topics_.find(name);
  if (found == topics_.end()) return;
  removed_.push_back(std::move(found->second));
  topics_.erase(found);
}

std::optional<Offset> GroupTable::find(std::string_view group,
                                       const TopicPartition& partition) const {
  const std::lock_guard lock{mutex_};
  const auto groups = offsets_.find(partition);
  if (groups == offsets_.end()) return std::nullopt;
  const auto found = groups->second.find(group);
  if (found == groups->second.end()) return std::nullopt;
  return found->second;
}

void GroupTable::store(const GroupOffset& committed) {
  const std::lock_guard lock{mutex_};
  offsets_[committed.partition].insert_or_assign(committed.group, committed.offset);
}

std::vector<GroupOffset> GroupTable::remove(const TopicPartition& partition) {
  const std::lock_guard lock{mutex_};
  std::vector<GroupOffset> removed;
  const auto groups = offsets_.find(partition);
  if (groups == offsets_.end()) return removed;
  for (const auto& [group, offset] : groups->second) removed.push_back({group, partition, offset});
  offsets_.erase(groups);
  return removed;
}

std::optional<Offset> GroupTable::lowest(const TopicPartition& partition) const {
  const std::lock_guard lock{mutex_};
  const auto groups = offsets_.find(partition);
  if (groups == offsets_.end() || groups->second.empty()) return std::nullopt;
  return std::ranges::min_element(groups->second, {}, [](const auto& each) { return each.second; })
      ->second;
}

QueueBudget::QueueBudget(std::size_t records_max, std::size_t bytes_max, MetricsRegistry& metrics)
    : records_max_(records_max),
      bytes_max_(bytes_max),
      records_gauge_(metrics.gauge("log_queue_records", "Unfinished appends held in memory")),
      bytes_gauge_(metrics.gauge("log_queue_bytes", "Bytes of unfinished appends")) {}

bool QueueBudget::take(std::size_t records, std::size_t bytes) {
  const std::lock_guard lock{mutex_};
  if (records > records_max_ - records_ || bytes > bytes_max_ - bytes_) return false;
  records_ += records;
  bytes_ += bytes;
  records_gauge_.set(static_cast<double>(records_));
  bytes_gauge_.set(static_cast<double>(bytes_));
  return true;
}

void QueueBudget::give_back(std::size_t records, std::size_t bytes) {
  const std::lock_guard lock{mutex_};
  records_ -= records;
  bytes_ -= bytes;
  records_gauge_.set(static_cast<double>(records_));
  bytes_gauge_.set(static_cast<double>(bytes_));
}

}  // namespace millrace
