// What millrace is compared with over Kafka, on one broker and in one run. Prints JSON objects.
//   bench_kafka BROKERS chains ROUNDS                        a copying stage and the bare loop
//   bench_kafka BROKERS hops                                 a question's way without its work
//   bench_kafka BROKERS embeddings PREFIX PARTITIONS CHUNKS  fills embeddings.gN
//   bench_kafka BROKERS read PREFIX PARTITIONS               reads embeddings.gN to its end
//   bench_kafka BROKERS member GROUP TOPIC INSTANCE SESSION_MS   a member of a group, until killed:
//                                                 a line for each change says what it has now
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "common/json.h"
#include "common/logging.h"
#include "schemas/topics.h"
#include "tests/bench/bench_kafka_chains.h"
#include "tests/bench/bench_kafka_embeddings.h"
#include "tests/bench/bench_kafka_raw.h"

namespace millrace {
namespace {

using Arguments = std::vector<std::string>;

int number(const std::string& text) {
  char* end = nullptr;
  errno = 0;
  const long value = std::strtol(text.c_str(), &end, 10);
  if (errno != 0 || text.empty() || *end != '\0' || value < 1 || value > 1'000'000'000) {
    fail("not a number above 0: \"" + text + "\"");
  }
  return static_cast<int>(value);
}

std::string read(const Arguments& with) {
  const auto topic =
      RawKafka{with[0]}.read_all(with[1] + topics::embeddings(kGeneration), number(with[2]));
  json::Writer out;
  out.begin_object()
      .field("records", static_cast<std::int64_t>(topic.records))
      .field("bytes", static_cast<std::int64_t>(topic.bytes))
      .field("seconds", topic.seconds)
      .end_object();
  return out.take();
}

// Assigns and unassigns as librdkafka would by itself, and says so.
void rebalanced(rd_kafka_t* consumer, rd_kafka_resp_err_t code,
                rd_kafka_topic_partition_list_t* partitions, void*) {
  rd_kafka_error_t* error = code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS
                                ? rd_kafka_incremental_assign(consumer, partitions)
                                : rd_kafka_incremental_unassign(consumer, partitions);
  if (error != nullptr) fail(rd_kafka_error_string(error));
  rd_kafka_topic_partition_list_t* now = nullptr;
  rd_kafka_assignment(consumer, &now);
  std::cout << "{\"partitions\": " << now->cnt << "}" << std::endl;  // read line by line
  rd_kafka_topic_partition_list_destroy(now);
}

std::string member(const Arguments& with) {
  const RawHandle consumer =
      RawKafka{with[0]}.make_consumer(with[1],
                                      {{"partition.assignment.strategy", "cooperative-sticky"},
                                       {"group.instance.id", with[3]},
                                       {"session.timeout.ms", with[4]},
                                       {"heartbeat.interval.ms", "300"}},
                                      rebalanced);
  subscribe(consumer.get(), with[2]);
  for (;;) const Raw<rd_kafka_message_t> dropped{rd_kafka_consumer_poll(consumer.get(), 1000)};
}

struct Command {
  const char* name;
  std::size_t arguments;  // with the brokers
  std::string (*run)(const Arguments& with);
};
constexpr Command kCommands[] = {
    {"chains", 2,
     [](const Arguments& with) {
       return bench_chains(with[0], static_cast<std::size_t>(number(with[1])));
     }},
    {"hops", 1, [](const Arguments& with) { return bench_hops(with[0]); }},
    {"embeddings", 4,
     [](const Arguments& with) {
       return write_embeddings(with[0], with[1], number(with[2]),
                               static_cast<std::size_t>(number(with[3])));
     }},
    {"read", 3, read},
    {"member", 5, member},
};

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  std::vector<std::string> with{argv + 1, argv + argc};
  millrace::set_log_level("warning");
  if (with.size() >= 2) {
    const std::string name = with[1];
    with.erase(with.begin() + 1);
    for (const millrace::Command& each : millrace::kCommands) {
      if (name != each.name || with.size() != each.arguments) continue;
      std::cout << each.run(with) << '\n';
      return 0;
    }
  }
  std::cerr << "usage: see the head of bench_kafka.cc\n";
  return 2;
}
