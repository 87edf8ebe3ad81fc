#include "common/log/kafka_session.h"

#include <algorithm>
#include <future>

#include "common/ids.h"
#include "common/log/kafka_admin.h"
#include "common/logging.h"

namespace millrace {

namespace {

constexpr std::chrono::milliseconds kTurn{100};
// A batch may take as long as its slowest record, tried in a row: an extraction of 30 s, or a model
// that does not answer. A member that polls less often than this loses its partitions.
constexpr std::chrono::minutes kPollIntervalMax{15};
// Members hear of a rebalance with the answer to a heartbeat; a cooperative one takes two.
constexpr std::chrono::milliseconds kHeartbeat{300};
// What librdkafka fetches ahead for one session.
constexpr const char* kFetchedAheadKiB = "32768";

std::string milliseconds(std::chrono::milliseconds time) { return std::to_string(time.count()); }

std::string transactional_id(const KafkaClient& client, const std::string& group) {
  const std::string& instance = client.options().instance;
  return client.outside(group) + "." + (instance.empty() ? new_ulid(client.clock()) : instance);
}

Status check_topics(KafkaTopics& topics, const KafkaProducer& producer,
                    const std::vector<std::string>& names) {
  std::optional<std::int32_t> first;
  for (const std::string& each : names) {
    const auto count = topics.partitions(producer.handle(), each);
    if (!count) return count.error();
    if (*count == first.value_or(*count)) {
      first = *count;
      continue;
    }
    return rejected("the topics " + names.front() + " and " + each + " of one session have " +
                    std::to_string(*first) + " and " + std::to_string(*count) +
                    " partitions; they must have the same number");
  }
  return {};
}

}  // namespace

KafkaSession::KafkaSession(const KafkaClient& client, KafkaProducer& producer,
                           const SessionOptions& options)
    : client_(client),
      producer_(producer),
      group_(options.group),
      topics_(options.topics),
      choice_(options.choice),
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
  if (Status checked = check_topics(topics, producer, options.topics); !checked) {
    return checked.error();
  }
  std::unique_ptr<KafkaSession> session{new KafkaSession{client, producer, options}};
  if (options.exactly_once) {
    auto transactions =
        KafkaTransactions::open(client, topics, transactional_id(client, options.group));
    if (!transactions) return transactions.error();
    session->transactions_ = std::move(*transactions);
  }
  if (Status joined = session->join(); !joined) {
    return with_context("join the group " + options.group, joined.error());
  }
  return session;
}

Status KafkaSession::join() {
  std::vector<KafkaClient::Setting> settings{
      {"partition.assignment.strategy", "cooperative-sticky"},
      {"session.timeout.ms", milliseconds(client_.options().session_timeout)},
      {"heartbeat.interval.ms", milliseconds(kHeartbeat)},
      {"max.poll.interval.ms", milliseconds(kPollIntervalMax)},
      {"queued.max.messages.kbytes", kFetchedAheadKiB},
  };
  if (!client_.options().instance.empty()) {
    settings.emplace_back("group.instance.id", client_.options().instance);
  }
  callbacks_.rebalanced = [this](rd_kafka_resp_err_t code,
                                 const rd_kafka_topic_partition_list_t& list) {
    rebalanced(code, list);
  };
  auto consumer = client_.make_consumer(group_, settings, callbacks_);
  if (!consumer) return consumer.error();
  consumer_ = std::move(*consumer);
  cursor_ = std::make_unique<KafkaCursor>(client_, consumer_.get());
  if (choice_) return {};
  const KafkaPartitions first{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(first.get(), client_.outside(topics_.front()).c_str(),
                                    RD_KAFKA_PARTITION_UA);
  if (const auto code = rd_kafka_subscribe(consumer_.get(), first.get())) {
    return kafka_error("subscribe", code);
  }
  return wait_until_joined();
}

Status KafkaSession::wait_until_joined() {
  const auto until = client_.clock().now() + client_.options().request_timeout;
  Error last = unavailable("the group has not settled");
  while (!joined_) {
    if (client_.clock().now() > until) return last;
    // Nothing can come before the group has settled.
    const auto none = cursor_->poll(1, 1, kTurn);
    Status taken = none ? take_pending() : none.error();
    if (taken) continue;
    if (taken.error().kind != Error::Kind::unavailable) return taken;
    last = taken.error();
  }
  return {};
}

KafkaSession::~KafkaSession() { leave(); }

// Closing alone would leave the group to notice by itself, after the session's timeout.
void KafkaSession::leave() {
  if (!consumer_) return;
  for (const auto& [partition, offset] : unsent_) sent_[partition] = offset;
  if (!sent_.empty()) {
    constexpr int kWait = 0;
    const KafkaPartitions offsets = to_kafka(client_, sent_);
    rd_kafka_commit(consumer_.get(), offsets.get(), kWait);  // else it is processed twice
  }
  rd_kafka_unsubscribe(consumer_.get());
  if (choice_) rd_kafka_assign(consumer_.get(), nullptr);
  const auto until = client_.clock().now() + client_.options().session_timeout;
  const auto is_left = [&] {
    rd_kafka_topic_partition_list_t* left = nullptr;
    if (rd_kafka_assignment(consumer_.get(), &left) != RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    const KafkaPartitions owned{left};
    return left->cnt == 0;
  };
  while ((answer_due_ || !is_left()) && client_.clock().now() < until) {
    if (answer_due_) refuse_pending();
    const KafkaMessage dropped{rd_kafka_consumer_poll(consumer_.get(), kTurn.count())};
  }
  cursor_.reset();
  rd_kafka_consumer_close(consumer_.get());
}

// The group waits for an answer to what it gave, also from a member that leaves.
void KafkaSession::refuse_pending() {
  const KafkaPartitions none{rd_kafka_topic_partition_list_new(0)};
  const KafkaError ignored{rd_kafka_incremental_assign(consumer_.get(), none.get())};
  pending_.clear();
  answer_due_ = false;
}

// The group shares out the partitions of the first topic; those of the others go with them.
std::set<TopicPartition> KafkaSession::of_all_topics(
    const rd_kafka_topic_partition_list_t& list) const {
  std::set<TopicPartition> all;
  for (int i = 0; i < list.cnt; ++i) {
    for (const std::string& topic : topics_) all.insert({topic, list.elems[i].partition});
  }
  return all;
}

// Called while polling. What is given is taken after the poll: that may have to wait and may fail.
void KafkaSession::rebalanced(rd_kafka_resp_err_t code,
                              const rd_kafka_topic_partition_list_t& list) {
  rebalances_.add();
  cursor_->interrupt();
  if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
    pending_.merge(of_all_topics(list));
    answer_due_ = true;
    return;
  }
  revoked(list);
}

void KafkaSession::revoked(const rd_kafka_topic_partition_list_t& list) {
  answer_due_ = false;
  let_go(of_all_topics(list));
}

void KafkaSession::let_go(const std::set<TopicPartition>& partitions) {
  offsets_sent_ = {};
  if (Status sent = send_offsets(); !sent) unsent_.clear();  // processed twice
  const KafkaPartitions held{rd_kafka_topic_partition_list_new(0)};
  for (const TopicPartition& each : partitions) {
    pending_.erase(each);
    if (resume_.erase(each) == 0) continue;
    cursor_->remove(each);
    rd_kafka_topic_partition_list_add(held.get(), client_.outside(each.topic).c_str(),
                                      each.partition);
  }
  const KafkaError failed{rd_kafka_incremental_unassign(consumer_.get(), held.get())};
  if (failed) {
    log_event(LogLevel::warning, "kafka_unassign_failed",
              {{"group", group_}, {"error", rd_kafka_error_string(failed.get())}});
  }
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
  Offsets asked;
  for (const TopicPartition& each : pending_) asked.emplace(each, RD_KAFKA_OFFSET_INVALID);
  const KafkaPartitions list = to_kafka(client_, asked);
  if (const auto code = rd_kafka_committed(consumer_.get(), list.get(), client_.timeout_ms())) {
    return kafka_error("committed offsets of the group " + group_, code);
  }
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = list->elems[i];
    const TopicPartition partition{client_.inside(each.topic), each.partition};
    if (each.err != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return kafka_error("committed offsets of the group " + group_, each.err);
    }
    if (each.offset < 0) continue;  // it has none: from the beginning
    KafkaBounds& start = starts->at(partition);
    start.begin = std::clamp(each.offset, start.begin, start.end);
  }
  return starts;
}

Result<std::vector<Record>> KafkaSession::poll(std::size_t max_records, std::size_t max_bytes,
                                               std::chrono::milliseconds wait) {
  if (Status taken = take_pending(); !taken) return taken.error();
  if (Status sent = send_offsets(); !sent) return sent.error();
  auto records = cursor_->poll(max_records, max_bytes, wait);
  if (!records) return records;
  if (Status taken = take_pending(); !taken) return taken.error();
  return records;
}

// A broken producer is replaced; what the group has then says how its last transaction ended.
Status KafkaSession::renew_transactions() {
  if (Status renewed = transactions_->renew(); !renewed) return renewed;
  const KafkaPartitions list = to_kafka(client_, doubtful_);
  if (const auto code = rd_kafka_committed(consumer_.get(), list.get(), client_.timeout_ms())) {
    return kafka_error("committed offsets of the group " + group_, code);
  }
  for (int i = 0; i < list->cnt; ++i) {
    const rd_kafka_topic_partition_t& each = list->elems[i];
    const TopicPartition partition{client_.inside(each.topic), each.partition};
    if (each.offset != doubtful_.at(partition)) continue;
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
  Status stored = transactions_ ? transactions_->commit(outputs, consumed, consumer_.get())
                                : commit_at_least_once(outputs, consumed);
  if (!stored && transactions_ && transactions_->is_broken()) {
    for (const auto& [partition, offset] : consumed) {
      if (offset != resume_.at(partition)) doubtful_[partition] = offset;
    }
  }
  if (!stored) return stored;
  for (const auto& [partition, offset] : consumed) resume_[partition] = offset;
  return stored;
}

Status KafkaSession::commit_at_least_once(std::span<const Record> outputs,
                                          const Offsets& consumed) {
  if (!outputs.empty()) {
    std::promise<Result<std::vector<Position>>> outcome;
    auto stored = outcome.get_future();
    producer_.append_async({outputs.begin(), outputs.end()},
                           [&outcome](Result<std::vector<Position>> positions) {
                             outcome.set_value(std::move(positions));
                           });
    const auto positions = stored.get();
    if (!positions) return positions.error();
  }
  if (consumed.empty()) return {};
  for (const auto& [partition, offset] : consumed) unsent_[partition] = offset;
  return send_offsets();
}

// Now and then, since each costs the broker as much as a question. Nobody waits for it: what it
// says too late is processed twice.
Status KafkaSession::send_offsets() {
  constexpr std::chrono::milliseconds kPause{250};
  const auto now = client_.clock().now();
  if (unsent_.empty() || now - offsets_sent_ < kPause) return {};
  offsets_sent_ = now;
  constexpr int kAsync = 1;
  const KafkaPartitions offsets = to_kafka(client_, unsent_);
  const auto code = rd_kafka_commit(consumer_.get(), offsets.get(), kAsync);
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_error("commit offsets of the group " + group_, code);
  }
  for (const auto& [partition, offset] : unsent_) sent_[partition] = offset;
  unsent_.clear();
  return {};
}

Status KafkaSession::rewind() {
  char reason[256];
  if (const auto code = rd_kafka_fatal_error(consumer_.get(), reason, sizeof reason)) {
    return kafka_error("read as a member of the group " + group_, code, reason);
  }
  if (transactions_ && transactions_->is_broken()) {
    if (Status renewed = renew_transactions(); !renewed) return renewed;
  }
  return cursor_->move(resume_);
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
