// A session as a member of its group.
#include <utility>

#include "common/log/kafka_group.h"
#include "common/log/kafka_session.h"
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

}  // namespace

Status KafkaSession::join() {
  joined_ = false;
  leaving_ = false;
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
  replace_cursor(std::make_unique<KafkaCursor>(client_, consumer_.get()));
  for (const std::string& each : topics_) {
    if (Status known = all_topics_.introduce(consumer_.get(), each); !known) return known;
  }
  if (choice_) return {};
  const KafkaPartitions first{rd_kafka_topic_partition_list_new(1)};
  rd_kafka_topic_partition_list_add(first.get(), client_.outside(topics_.front()).c_str(),
                                    RD_KAFKA_PARTITION_UA);
  if (const auto code = rd_kafka_subscribe(consumer_.get(), first.get())) {
    return kafka_error("subscribe", code);
  }
  return {};
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
    if (Status fit = kafka_fatal("read as a member of the group " + group_, consumer_.get()); !fit)
      return fit;
    last = taken.error();
  }
  return {};
}

// A member with an instance that is killed between the two generations of a cooperative rebalance
// (KIP-429) and started again gets back what the first one gave it (KIP-345). What it had to give
// up before the second one is nobody's then, for good: only a member that joins begins another. So
// who takes a place looks.
Status KafkaSession::join_group() {
  const std::string& instance = client_.options().instance;
  Result<KafkaGroup> group = KafkaGroup{};
  if (!instance.empty()) group = describe_kafka_group(client_, group_);
  if (!group) return group.error();
  const bool takes_place = group->instances.contains(instance);
  if (Status joined = join(); !joined) return joined;
  if (Status joined = wait_until_joined(); !joined || !takes_place) return joined;
  group = describe_kafka_group(client_, group_);
  if (!group) return group.error();
  const auto all = static_cast<std::size_t>(all_topics_.known(topics_.front()).value_or(0));
  if (!group->is_stable || group->assigned >= all) return {};
  log_event(LogLevel::info, "partitions_left_over",
            {{"group", group_}, {"count", all - group->assigned}});
  leave();
  if (Status joined = join(); !joined) return joined;
  return wait_until_joined();
}

// Closing alone would leave the group to notice by itself, after the session's timeout. The group
// may go on asking until the consumer is closed, and waits for each answer.
void KafkaSession::leave() {
  if (!consumer_) return;
  leaving_ = true;
  if (answer_due_) refuse_pending();
  if (at_least_once_) at_least_once_->leave(consumer_.get());
  rd_kafka_unsubscribe(consumer_.get());
  if (choice_) rd_kafka_assign(consumer_.get(), nullptr);
  const auto until = client_.clock().now() + client_.options().session_timeout;
  const auto is_left = [&] {
    rd_kafka_topic_partition_list_t* left = nullptr;
    if (rd_kafka_assignment(consumer_.get(), &left) != RD_KAFKA_RESP_ERR_NO_ERROR) return true;
    const KafkaPartitions owned{left};
    return left->cnt == 0;
  };
  while (!is_left() && client_.clock().now() < until) {
    const KafkaMessage dropped{rd_kafka_consumer_poll(consumer_.get(), kTurn.count())};
  }
  rd_kafka_consumer_close(consumer_.get());
  replace_cursor(nullptr);
  consumer_.reset();
  resume_.clear();
}

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
    if (leaving_) refuse_pending();
    return;
  }
  answer_due_ = false;
  let_go(of_all_topics(list));
}

void KafkaSession::let_go(const std::set<TopicPartition>& partitions) {
  if (at_least_once_) at_least_once_->let_go(partitions, consumer_.get());
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

// librdkafka's consumers do not come back from a fatal error. After a fence another one is made,
// when the group has room for it; then the session has no partitions before it polls.
Status KafkaSession::stay_member() {
  if (!fence_.is_up()) {
    const auto code = rd_kafka_fatal_error(consumer_.get(), nullptr, 0);
    if (code != RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID) {
      return kafka_fatal("read as a member of the group " + group_, consumer_.get());
    }
    be_fenced();
  }
  if (Status free = fence_.wait(); !free) return free;
  Status joined = join();
  if (!joined) be_fenced();
  return joined;
}

void KafkaSession::be_fenced() {
  fence_.raise();
  leave();
  doubtful_.clear();
}

}  // namespace millrace
