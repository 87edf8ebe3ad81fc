#include "common/log/kafka_session.h"

#include <algorithm>
#include <utility>

#include "common/log/kafka_offsets.h"
#include "common/logging.h"

namespace millrace {

namespace {

// How soon a session that has nothing to read looks for what is chosen.
constexpr std::chrono::milliseconds kChoicePause{20};

}  // namespace

KafkaSession::KafkaSession(const KafkaClient& client, const KafkaTopics& topics,
                           KafkaProducer& producer, const SessionOptions& options)
    : client_(client),
      all_topics_(topics),
      producer_(producer),
      group_(options.group),
      topics_(options.topics),
      choice_(options.choice),
      fence_(client, options.group),
      rebalances_(client.metrics().counter("log_rebalances_total",
                                           "Partitions given to or taken from a session",
                                           {{"group", options.group}})) {}

Result<std::unique_ptr<KafkaSession>> KafkaSession::open(const KafkaClient& client,
                                                         KafkaTopics& topics,
                                                         KafkaProducer& producer,
                                                         const SessionOptions& options) {
  if (options.group.empty() || options.topics.empty()) {
    return rejected("open a session: it needs the name of a group and at least one topic");
  }
  if (Status checked = topics.check_alike(producer.handle(), options.topics); !checked) {
    return checked.error();
  }
  std::unique_ptr<KafkaSession> session{new KafkaSession{client, topics, producer, options}};
  if (options.exactly_once) {
    auto transactions = KafkaTransactions::open(client, topics, options.group);
    if (!transactions) return transactions.error();
    session->transactions_ = std::move(*transactions);
  } else {
    session->at_least_once_.emplace(client, producer, options.group);
  }
  const Status joined = options.choice ? session->join() : session->join_group();
  if (!joined) return with_context("join the group " + options.group, joined.error());
  return session;
}

KafkaSession::~KafkaSession() { leave(); }

void KafkaSession::replace_cursor(std::unique_ptr<KafkaCursor> next) {
  const std::lock_guard lock{cursor_mutex_};
  cursor_ = std::move(next);
}

void KafkaSession::wake() {
  const std::lock_guard lock{cursor_mutex_};
  if (cursor_) cursor_->wake();
}

// Without a group's rebalances: what is chosen, and what it was, are compared.
void KafkaSession::follow_choice() {
  const std::set<std::int32_t> chosen = choice_->get();
  std::set<TopicPartition> gone;
  for (const auto& [partition, offset] : resume_) {
    if (!chosen.contains(partition.partition)) gone.insert(partition);
  }
  if (!gone.empty()) let_go(gone);
  pending_.clear();
  for (const std::string& topic : topics_) {
    for (const std::int32_t number : chosen) {
      if (!resume_.contains({topic, number})) pending_.insert({topic, number});
    }
  }
  answer_due_ = !pending_.empty();
}

Status KafkaSession::take_pending() {
  if (choice_) follow_choice();
  if (!answer_due_) return {};
  const auto starts = find_starts();
  if (!starts) return starts.error();
  Offsets from;
  for (const auto& [partition, start] : *starts) from.emplace(partition, start.begin);
  const KafkaPartitions list = to_kafka(client_, from);
  const KafkaError failed{rd_kafka_incremental_assign(consumer_.get(), list.get())};
  if (failed) {
    return kafka_error("take partitions", rd_kafka_error_code(failed.get()),
                       rd_kafka_error_string(failed.get()));
  }
  for (const auto& [partition, start] : *starts) {
    cursor_->add(partition, start.begin, start.end);
    resume_[partition] = start.begin;
  }
  log_event(LogLevel::info, "partitions_assigned",
            {{"group", group_}, {"added", pending_.size()}, {"all", resume_.size()}});
  pending_.clear();
  answer_due_ = false;
  joined_ = true;
  return {};
}

// Of each pending partition: where the group stands, within what the partition holds, and its end.
Result<std::map<TopicPartition, KafkaBounds>> KafkaSession::find_starts() {
  const std::vector<TopicPartition> pending{pending_.begin(), pending_.end()};
  auto starts = kafka_bounds(client_, producer_.handle(), pending);
  if (!starts) return starts;
  const auto offsets = committed(pending);
  if (!offsets) return offsets.error();
  for (const auto& [partition, offset] : *offsets) {
    KafkaBounds& start = starts->at(partition);
    start.begin = std::clamp(offset, start.begin, start.end);
  }
  return starts;
}

Result<Offsets> KafkaSession::committed(const std::vector<TopicPartition>& partitions) {
  const auto began = client_.clock().now();
  auto offsets = kafka_group_offsets(client_, consumer_.get(), group_, partitions);
  const bool had_time = client_.clock().now() - began >= client_.options().request_timeout;
  return !offsets && had_time && transactions_ ? settle_offsets(partitions) : offsets;
}

// The offsets of a transaction are not told before it has ended. A broker that is killed while it
// writes the end of one may never finish that (seen with Kafka 4.4). Then what the group had before
// counts and is committed anew: of the same producer nothing else is left, of another one what
// comes to an end after all is older. The records of that transaction are processed twice.
Result<Offsets> KafkaSession::settle_offsets(const std::vector<TopicPartition>& partitions) {
  if (client_.health().is_doubted()) return unavailable("Kafka does not answer");
  Status done = transactions_->clear_offsets(partitions.front(), consumer_.get());
  Offsets before;
  for (const TopicPartition& each : partitions) {
    const auto offset = kafka_committed(client_, group_, each, Pending::ignore);
    if (!offset) return offset.error();
    before[each] = offset->value_or(0);
  }
  if (done) done = transactions_->commit({}, before, consumer_.get());
  if (!done) return done.error();
  log_event(LogLevel::warning, "pending_offsets_settled", {{"group", group_}});
  return before;
}

Result<std::vector<Record>> KafkaSession::poll(std::size_t max_records, std::size_t max_bytes,
                                               std::chrono::milliseconds wait) {
  if (!cursor_) return unavailable("fenced in the group " + group_ + "; rewind first");
  if (Status taken = take_pending(); !taken) return taken.error();
  if (at_least_once_) {
    if (Status stored = at_least_once_->turn(consumer_.get()); !stored) return stored.error();
  }
  if (choice_ && resume_.empty()) wait = std::min(wait, kChoicePause);
  auto records = cursor_->poll(max_records, max_bytes, wait);
  if (!records) return records;
  if (Status taken = take_pending(); !taken) return taken.error();
  return records;
}

// A broken producer is replaced; what the group has then says how its last transaction ended.
Status KafkaSession::renew_transactions() {
  if (Status renewed = transactions_->renew(); !renewed) return renewed;
  if (doubtful_.empty()) return {};
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, offset] : doubtful_) partitions.push_back(partition);
  const auto offsets = committed(partitions);
  if (!offsets) return offsets.error();
  for (const auto& [partition, offset] : *offsets) {
    if (offset != doubtful_.at(partition)) continue;
    return fatal("a transaction of the group " + group_ +
                 " was stored although its end was not heard of; the next process goes on from it");
  }
  doubtful_.clear();
  return {};
}

Status KafkaSession::commit(std::span<const Record> outputs, const Offsets& consumed) {
  for (const auto& [partition, offset] : consumed) {
    if (resume_.contains(partition)) continue;
    return rejected("commit " + partition.topic + ":" + std::to_string(partition.partition) +
                    ": not assigned to this session of group " + group_);
  }
  Status stored;
  if (transactions_) {
    stored = transactions_->commit(outputs, consumed, consumer_.get());
    if (transactions_->is_broken()) {
      for (const auto& [partition, offset] : consumed) {
        if (offset != resume_.at(partition)) doubtful_[partition] = offset;
      }
    }
  } else {
    Offsets before;
    for (const auto& [partition, offset] : consumed) before[partition] = resume_.at(partition);
    stored = at_least_once_->commit(outputs, consumed, std::move(before), consumer_.get());
  }
  if (!stored) return stored;
  for (const auto& [partition, offset] : consumed) resume_[partition] = offset;
  return stored;
}

Result<Offsets> KafkaSession::rewind() {
  if (Status member = stay_member(); !member) return member.error();
  if (transactions_ && transactions_->is_broken()) {
    if (Status renewed = renew_transactions(); !renewed) return renewed.error();
  }
  if (at_least_once_) lost_.merge(at_least_once_->take_lost());
  std::erase_if(lost_, [&](const auto& each) { return !resume_.contains(each.first); });
  for (const auto& [partition, offset] : lost_) resume_[partition] = offset;
  if (Status moved = cursor_->move(resume_); !moved) return moved.error();
  return std::exchange(lost_, {});
}

Status KafkaSession::seek(const Offsets& offsets) {
  std::vector<TopicPartition> partitions;
  for (const auto& [partition, offset] : offsets) {
    if (resume_.contains(partition)) partitions.push_back(partition);
  }
  if (partitions.empty()) return {};
  const auto all = kafka_bounds(client_, producer_.handle(), partitions);
  if (!all) return all.error();
  Offsets mine;
  for (const auto& [partition, bounds] : *all) {
    const Offset offset = offsets.at(partition);
    if (offset < 0 || offset > bounds.end) {
      return rejected("seek " + partition.topic + ":" + std::to_string(partition.partition) +
                      " to " + std::to_string(offset) + ": the topic ends at " +
                      std::to_string(bounds.end) +
                      "; was it made anew, and what was made from it not?");
    }
    mine.emplace(partition, std::max(offset, bounds.begin));
  }
  if (Status moved = cursor_->move(mine); !moved) return moved;
  for (const auto& [partition, offset] : mine) resume_[partition] = offset;
  return {};
}

std::vector<TopicPartition> KafkaSession::assignment() const {
  std::vector<TopicPartition> all;
  all.reserve(resume_.size());
  for (const auto& [partition, offset] : resume_) all.push_back(partition);
  return all;
}

}  // namespace millrace
