// A topic of an embedded log, read from its beginning to its end by nobody who would do anything
// with it. Prints one JSON object.
//   bench_log DATA_DIR TOPIC
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#include "common/clock.h"
#include "common/log/embedded_log.h"
#include "common/log/segmented.h"
#include "common/metrics.h"

namespace millrace {
namespace {

constexpr std::size_t kRecordsMax = 256;  // of one poll, as a runner's
constexpr std::size_t kBytesMax = std::size_t{8} << 20U;

template <class T>
T good(Result<T> result) {
  if (result) return std::move(*result);
  std::cerr << "bench_log: " << result.error().message << '\n';
  std::exit(1);
}

int run(const std::filesystem::path& data_dir, const std::string& topic) {
  MetricsRegistry metrics;
  EmbeddedLogOptions options;
  options.directory = data_dir / "log";
  const auto base = good(open_embedded_log(options, system_clock(), metrics));
  const auto log = make_segmented_log(*base);
  const auto reader = good(log->open_reader(good(begin_offsets(*log, std::span{&topic, 1}))));
  std::size_t records = 0;
  std::size_t bytes = 0;
  const Clock::Steady began = system_clock().now();
  for (;;) {
    const auto batch = good(reader->poll(kRecordsMax, kBytesMax, std::chrono::milliseconds{0}));
    if (batch.empty()) break;
    records += batch.size();
    for (const Record& each : batch) bytes += each.bytes();
  }
  const std::chrono::duration<double> seconds = system_clock().now() - began;
  std::printf("{\"records\": %zu, \"bytes\": %zu, \"records_per_second\": %.3f}\n", records, bytes,
              static_cast<double>(records) / seconds.count());
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: bench_log DATA_DIR TOPIC\n";
    return 2;
  }
  return millrace::run(argv[1], argv[2]);
}
