#include <unistd.h>

#include <atomic>
#include <semaphore>
#include <string>
#include <thread>

#include "common/log/embedded_log.h"
#include "common/log/segmented.h"

// Appends numbered records to `events` and, in a session, copies them to `copies`, until it is
// killed. Writes the number of each record that the log has acknowledged to standard output.
// Arguments: the log's directory, the first number.

namespace {

using namespace millrace;

constexpr std::ptrdiff_t kOutstanding = 16;
constexpr int kLargeEvery = 40;  // one record in so many is segmented

[[noreturn]] void give_up(const Error& error) {
  const std::string line = "failed: " + error.message + "\n";
  static_cast<void>(::write(STDERR_FILENO, line.data(), line.size()));
  ::_exit(1);
}

Record numbered(int number) {
  Record record;
  record.topic = "events";
  record.key = "key" + std::to_string(number);
  record.value = std::to_string(number) + ".";
  record.value.append(number % kLargeEvery == 0 ? kSegmentBytes + 1 : 100, 'x');
  return record;
}

void append_forever(Log& log, int number) {
  static std::counting_semaphore<kOutstanding> outstanding{kOutstanding};
  const auto writer = log.open_writer();
  for (;; ++number) {
    outstanding.acquire();
    writer->append_async({numbered(number)}, [number](const Result<std::vector<Position>>& stored) {
      if (!stored) give_up(stored.error());
      const std::string line = std::to_string(number) + "\n";
      if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) ::_exit(1);
      outstanding.release();
    });
  }
}

void copy_forever(Log& log) {
  auto session = log.open_session({"copier", {"events"}, true});
  if (!session) give_up(session.error());
  for (;;) {
    auto records = (*session)->poll(50, 8U << 20U, std::chrono::seconds{10});
    if (!records) give_up(records.error());
    Offsets consumed;
    for (Record& each : *records) {
      consumed[each.position().source] = each.offset + 1;
      each.topic = "copies";
      each.partition = -1;
    }
    const Status stored = (*session)->commit(*records, consumed);
    if (!stored) give_up(stored.error());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  MetricsRegistry metrics;
  EmbeddedLogOptions options;
  options.directory = argv[1];
  auto base = open_embedded_log(options, system_clock(), metrics);
  if (!base) give_up(base.error());
  const auto log = make_segmented_log(**base);
  const std::vector<TopicSpec> topics{{.name = "events", .partitions = 2},
                                      {.name = "copies", .partitions = 2}};
  if (const Status made = log->create_topics(topics); !made) give_up(made.error());
  const std::jthread copier{[&] { copy_forever(*log); }};
  append_forever(*log, std::stoi(argv[2]));
}
