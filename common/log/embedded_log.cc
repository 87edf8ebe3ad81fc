#include "common/log/embedded_log.h"

#include <rocksdb/cache.h>

#include <algorithm>
#include <atomic>
#include <cassert>
#include <set>

#include "common/log/embedded_lane.h"
#include "common/log/embedded_route.h"
#include "common/log/embedded_session.h"

namespace millrace {

namespace {

// Blocks of both lanes; the newest records are in the memtables anyway.
constexpr std::size_t kBlockCacheBytes = 32U << 20U;
constexpr std::int32_t kPartitionsMax = 1024;
constexpr std::size_t kNameBytesMax = 249;  // of topics and groups; Kafka's bound for topics

bool is_topic_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= kNameBytesMax &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

class EmbeddedLog final : public Log {
 public:
  EmbeddedLog(EmbeddedLogOptions options, const Clock& clock, MetricsRegistry& metrics)
      : options_(std::move(options)),
        clock_(clock),
        metrics_(metrics),
        budget_(options_.queue_records_max, options_.queue_bytes_max, metrics) {}

  ~EmbeddedLog() override {
    assert(open_ == 0 && "sessions and readers must not outlive the log");
    // Both before either goes: the handlers of what is stored last may append again.
    if (volatile_) volatile_->stop();
    if (durable_) durable_->stop();
  }

  Status open();

  Status create_topics(std::span<const TopicSpec> topics) override;
  Result<std::vector<std::string>> topics() const override { return topics_.names(); }
  Status delete_topics(std::span<const std::string> names) override;
  Result<std::unique_ptr<LogSession>> open_session(SessionOptions options) override;
  Result<std::unique_ptr<LogReader>> open_reader(const Offsets& from) override;
  std::unique_ptr<LogWriter> open_writer() override;
  Result<std::int32_t> partitions(std::string_view topic) const override;
  Result<Offset> begin_offset(const TopicPartition& partition) const override;
  Result<Offset> end_offset(const TopicPartition& partition) const override;
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override;
  Result<std::optional<Record>> read_at(const Position& position) const override;
  Status trim(const Offsets& before) override { return route_trim(topics_, before); }
  // Every purge is of all that was removed before it.
  Result<Offsets> begin_purge(std::span<const std::string>) override { return Offsets{}; }
  Result<bool> purge(const Offsets& begun) override;

  void append_async(std::vector<Record> records, AppendHandler done) {
    route_append(topics_, std::move(records), std::move(done));
  }

 private:
  Status open_lane(const char* name, bool durable, const std::shared_ptr<rocksdb::Cache>& cache);
  Status create_topic(const TopicSpec& spec);
  Status delete_topic(const std::string& name);
  Status compact_from_now_on(TopicState& topic, const TopicSpec& spec);
  Status commit(bool durable_first, const std::string& group, std::span<const Record> outputs,
                const Offsets& consumed);
  Result<TopicState*> find(const TopicPartition& partition) const;
  Result<Offset> start_of(const std::string& group, TopicState& topic,
                          std::int32_t partition) const;
  Result<std::vector<EmbeddedCursor::Start>> starts_of(const std::string& group,
                                                       const std::set<std::string>& topics) const;
  Status claim(const std::string& group, const std::set<std::string>& topics);
  void release(const std::string& group, const std::set<std::string>& topics);
  Result<Offset> begin_of(TopicState& topic, std::int32_t partition) const;
  EmbeddedLane& lane(bool durable) const { return durable ? *durable_ : *volatile_; }

  const EmbeddedLogOptions options_;
  const Clock& clock_;
  MetricsRegistry& metrics_;
  QueueBudget budget_;
  TopicTable topics_;
  std::mutex mutex_;                                        // guards the making of topics and:
  std::set<std::pair<std::string, std::string>> sessions_;  // group, topic
  std::atomic<int> open_{0};                                // sessions and readers
  std::unique_ptr<EmbeddedLane> durable_;  // last: their threads use what stands above
  std::unique_ptr<EmbeddedLane> volatile_;
};

class EmbeddedWriter final : public LogWriter {
 public:
  explicit EmbeddedWriter(EmbeddedLog& log) : log_(log) {}
  void append_async(std::vector<Record> records, AppendHandler done) override {
    log_.append_async(std::move(records), std::move(done));
  }

 private:
  EmbeddedLog& log_;
};

Status EmbeddedLog::open() {
  const auto cache = rocksdb::NewLRUCache(kBlockCacheBytes);
  if (Status opened = open_lane("durable", true, cache); !opened) return opened;
  return open_lane("volatile", false, cache);
}

Status EmbeddedLog::open_lane(const char* name, bool durable,
                              const std::shared_ptr<rocksdb::Cache>& cache) {
  auto store = EmbeddedStore::open(options_.directory / name, options_.env, cache);
  if (!store) return store.error();
  auto& lane = durable ? durable_ : volatile_;
  lane = std::make_unique<EmbeddedLane>(
      name, durable, std::move(*store),
      LaneParts{clock_, metrics_, topics_, budget_, options_.trim_interval});
  if (Status recovered = lane->recover(); !recovered) return recovered;
  lane->start();
  return {};
}

Status EmbeddedLog::create_topics(std::span<const TopicSpec> topics) {
  const std::lock_guard lock{mutex_};
  for (const TopicSpec& each : topics) {
    if (Status created = create_topic(each); !created) return created;
  }
  return {};
}

Status EmbeddedLog::create_topic(const TopicSpec& spec) {
  if (!is_topic_name(spec.name) || spec.partitions < 1 || spec.partitions > kPartitionsMax) {
    return rejected("make the topic \"" + spec.name + "\" with " + std::to_string(spec.partitions) +
                    " partitions: names are letters, digits, '.', '_' and '-', partitions 1 to " +
                    std::to_string(kPartitionsMax));
  }
  if (TopicState* existing = topics_.find(spec.name)) {
    const TopicSpec& old = existing->spec();
    const bool compacts = spec.compacted && !existing->compacted();
    if (old.partitions != spec.partitions || old.durable != spec.durable ||
        spec.compacted < existing->compacted() || (compacts && !spec.expires)) {
      return rejected("make the topic " + spec.name + " with " + std::to_string(spec.partitions) +
                      " partitions: it exists with " + std::to_string(old.partitions) +
                      (existing->compacted() ? ", compacted" : ", kept by time") +
                      (old.durable ? ", durable" : ", not durable"));
    }
    existing->set_retention(spec.retention);
    existing->set_expires(spec.expires);
    return compacts ? compact_from_now_on(*existing, spec) : Status{};
  }
  EmbeddedLane& home = lane(spec.durable);
  StoredTopic stored{home.give_topic_id(), spec};
  LaneRequest request;
  request.meta.emplace_back(topic_row(spec.name), encode_topic(stored));
  // No number comes twice: rows of a deleted topic may still be there.
  request.meta.emplace_back(last_topic_row(), encode_topic_number(stored.id));
  const auto made = home.submit_and_wait(std::move(request));
  if (!made) return made.error();
  topics_.add(std::move(stored), home, metrics_);
  return {};
}

Status EmbeddedLog::delete_topics(std::span<const std::string> names) {
  const std::lock_guard lock{mutex_};
  for (const std::string& each : names) {
    if (Status deleted = delete_topic(each); !deleted) return deleted;
  }
  return {};
}

Status EmbeddedLog::delete_topic(const std::string& name) {
  TopicState* topic = topics_.find(name);
  if (topic == nullptr) return {};
  const bool has_session = std::ranges::any_of(
      sessions_, [&name](const auto& session) { return session.second == name; });
  if (has_session || topic->has_cursors()) {
    return rejected("delete the topic " + name + ": it is being read");
  }
  topics_.remove(name);
  LaneRequest request;
  request.deleted = topic;
  const auto deleted = topic->lane().submit_and_wait(std::move(request));
  return deleted ? Status{} : Status{deleted.error()};
}

Status EmbeddedLog::compact_from_now_on(TopicState& topic, const TopicSpec& spec) {
  LaneRequest request;
  request.meta.emplace_back(topic_row(spec.name), encode_topic({topic.id(0).topic, spec}));
  const auto stored = topic.lane().submit_and_wait(std::move(request));
  if (!stored) return stored.error();
  topic.set_compacted();
  return {};
}

Result<TopicState*> EmbeddedLog::find(const TopicPartition& partition) const {
  TopicState* topic = topics_.find(partition.topic);
  if (topic == nullptr || !topic->has(partition.partition)) {
    return rejected("there is no partition " + partition.topic + ":" +
                    std::to_string(partition.partition));
  }
  return topic;
}

Result<Offset> EmbeddedLog::start_of(const std::string& group, TopicState& topic,
                                     std::int32_t partition) const {
  const auto begin = begin_of(topic, partition);
  if (!begin) return begin;
  const Offset end = topic.at(partition).end;
  const auto committed = topic.lane().groups().find(group, {topic.spec().name, partition});
  return std::clamp(committed.value_or(*begin), std::min(*begin, end), end);
}

Status EmbeddedLog::claim(const std::string& group, const std::set<std::string>& topics) {
  const std::lock_guard lock{mutex_};
  for (const std::string& each : topics) {
    if (sessions_.contains({group, each})) {
      return rejected("open a session of group " + group + " on " + each +
                      ": it has one already in this process");
    }
  }
  for (const std::string& each : topics) sessions_.emplace(group, each);
  ++open_;
  return {};
}

void EmbeddedLog::release(const std::string& group, const std::set<std::string>& topics) {
  const std::lock_guard lock{mutex_};
  for (const std::string& each : topics) sessions_.erase({group, each});
  --open_;
}

Result<std::unique_ptr<LogSession>> EmbeddedLog::open_session(SessionOptions options) {
  const std::string& group = options.group;
  if (group.empty() || group.size() > kNameBytesMax || group.find('\0') != std::string::npos ||
      options.topics.empty()) {
    return rejected("open a session: it needs the name of a group and at least one topic");
  }
  // Claimed before the offsets are read: a session that ends now must not commit after that.
  const std::set<std::string> topics(options.topics.begin(), options.topics.end());
  if (const Status claimed = claim(group, topics); !claimed) return claimed.error();
  const auto starts = starts_of(group, topics);
  if (!starts) {
    release(group, topics);
    return starts.error();
  }
  const bool durable =
      std::ranges::any_of(*starts, [](const auto& each) { return each.topic->spec().durable; });
  EmbeddedSessionHost host;
  host.commit = [this, durable](const std::string& committing, std::span<const Record> outputs,
                                const Offsets& consumed) {
    return commit(durable, committing, outputs, consumed);
  };
  host.closed = [this, group, topics] { release(group, topics); };
  return std::make_unique<EmbeddedSession>(group, *starts, std::move(host));
}

Result<std::vector<EmbeddedCursor::Start>> EmbeddedLog::starts_of(
    const std::string& group, const std::set<std::string>& topics) const {
  std::vector<EmbeddedCursor::Start> starts;
  for (const std::string& name : topics) {
    const auto topic = find({name, 0});
    if (!topic) return topic.error();
    for (std::int32_t partition = 0; partition < (*topic)->spec().partitions; ++partition) {
      const auto start = start_of(group, **topic, partition);
      if (!start) return start.error();
      starts.push_back({*topic, partition, *start});
    }
  }
  return starts;
}

// One batch of the session's lane holds its outputs and offsets. Outputs to topics of the other
// lane are stored before it: a crash between the two repeats them, and never loses any. (A session
// on topics of both lanes is the durable one's; its volatile offsets follow last, for the same
// reason.)
Status EmbeddedLog::commit(bool durable, const std::string& group, std::span<const Record> outputs,
                           const Offsets& consumed) {
  LaneRequest own;
  LaneRequest before;
  LaneRequest after;
  if (Status routed = route(topics_, outputs, lane(durable), own, before); !routed) return routed;
  for (const auto& [partition, offset] : consumed) {
    const bool here = &topics_.find(partition.topic)->lane() == &lane(durable);
    (here ? own : after).offsets.push_back({group, partition, offset});
  }
  if (!before.records.empty()) {
    const auto stored = lane(!durable).submit_and_wait(std::move(before));
    if (!stored) return stored.error();
  }
  if (!own.records.empty() || !own.offsets.empty()) {
    const auto stored = lane(durable).submit_and_wait(std::move(own));
    if (!stored) return stored.error();
  }
  if (!after.offsets.empty()) {
    const auto stored = lane(!durable).submit_and_wait(std::move(after));
    if (!stored) return stored.error();
  }
  return {};
}

Result<std::unique_ptr<LogReader>> EmbeddedLog::open_reader(const Offsets& from) {
  std::vector<EmbeddedCursor::Start> starts;
  for (const auto& [partition, offset] : from) {
    const auto topic = find(partition);
    if (!topic) return topic.error();
    const PartitionState& state = (*topic)->at(partition.partition);
    const Offset begin = state.begin;
    const Offset end = state.end;
    starts.push_back({*topic, partition.partition, std::clamp(offset, std::min(begin, end), end)});
  }
  if (starts.empty()) return rejected("open a reader: it needs at least one partition");
  ++open_;
  return std::make_unique<EmbeddedReader>(starts, [this] { --open_; });
}

std::unique_ptr<LogWriter> EmbeddedLog::open_writer() {
  return std::make_unique<EmbeddedWriter>(*this);
}

Result<std::int32_t> EmbeddedLog::partitions(std::string_view name) const {
  const TopicState* topic = topics_.find(name);
  if (topic == nullptr) return rejected("there is no topic " + std::string{name});
  return topic->spec().partitions;
}

// Supersession moves the beginning of a compacted topic: looked for from where it was last.
Result<Offset> EmbeddedLog::begin_of(TopicState& topic, std::int32_t partition) const {
  PartitionState& state = topic.at(partition);
  const Offset known = state.begin;
  const Offset end = state.end;
  if (!topic.compacted() || known >= end) return known;
  const auto first = topic.lane().store().first_offset(topic.id(partition), known, end);
  if (!first) return first;
  Offset seen = known;
  while (seen < *first && !state.begin.compare_exchange_weak(seen, *first)) {
  }
  return std::max(seen, *first);
}

Result<Offset> EmbeddedLog::begin_offset(const TopicPartition& partition) const {
  const auto topic = find(partition);
  if (!topic) return topic.error();
  return begin_of(**topic, partition.partition);
}

// A batch that is being written counts: what it supersedes may be gone already. So whoever has read
// to the end has seen of each key the record that was there or the one that took its place.
Result<Offset> EmbeddedLog::end_offset(const TopicPartition& partition) const {
  const auto topic = find(partition);
  if (!topic) return topic.error();
  return (*topic)->at(partition.partition).next.load();
}

Result<std::optional<Offset>> EmbeddedLog::committed(std::string_view group,
                                                     const TopicPartition& partition) const {
  const auto topic = find(partition);
  if (!topic) return topic.error();
  return (*topic)->lane().groups().find(group, partition);
}

Result<std::optional<Record>> EmbeddedLog::read_at(const Position& position) const {
  const auto topic = find(position.source);
  if (!topic) return topic.error();
  const PartitionState& state = (*topic)->at(position.source.partition);
  if (position.offset < state.begin || position.offset >= state.end) {
    return std::optional<Record>{};
  }
  return (*topic)->lane().store().read_one((*topic)->id(position.source.partition),
                                           position.source.topic, position.offset);
}

Result<bool> EmbeddedLog::purge(const Offsets&) {
  for (const bool durable : {true, false}) {
    if (Status purged = lane(durable).purge(); !purged) return purged.error();
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Log>> open_embedded_log(EmbeddedLogOptions options, const Clock& clock,
                                               MetricsRegistry& metrics) {
  auto log = std::make_unique<EmbeddedLog>(std::move(options), clock, metrics);
  if (const Status opened = log->open(); !opened) return opened.error();
  return std::unique_ptr<Log>{std::move(log)};
}

}  // namespace millrace
