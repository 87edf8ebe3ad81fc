#include "tests/support/stage_driver.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "schemas/topics.h"
#include "tests/support/memory_log.h"

namespace millrace {
namespace {

constexpr std::size_t kReadBytesMax = 64U << 20U;

std::vector<std::string> names_of(const std::vector<TopicSpec>& specs) {
  std::vector<std::string> names;
  for (const TopicSpec& spec : specs) names.push_back(spec.name);
  return names;
}

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error{"stage driver: " + result.error().message};
  return std::move(*result);
}

}  // namespace

StageDriver::StageDriver(std::unique_ptr<Stage> stage, StageDriverOptions options)
    : log_{make_memory_log(metrics_)}, options_{std::move(options)}, stage_{std::move(stage)} {
  const std::vector<TopicSpec> specs = topic_specs(options_.partitions, options_.generation);
  if (Status made = log_.create_topics(specs); !made) {
    throw std::runtime_error{"stage driver: " + made.error().message};
  }
  // Beside them the next generation's, for tests that need one more topic of a kind.
  const auto others = generation_topic_specs(options_.partitions, options_.generation + 1);
  if (Status made = log_.create_topics(others); !made) {
    throw std::runtime_error{"stage driver: " + made.error().message};
  }
  if (options_.outputs.empty()) options_.outputs = names_of(specs);
  writer_ = log_.open_writer();
}

StageDriver::StageDriver(const Factory& factory, StageDriverOptions options)
    : StageDriver{std::unique_ptr<Stage>{}, std::move(options)} {
  stage_ = factory(*this);
}

StageDriver::~StageDriver() { stop(); }

void StageDriver::pipe(Record record) {
  append({std::move(record)});
  drain();
}

void StageDriver::pipe(std::string_view topic, Record record) {
  record.topic = topic;
  pipe(std::move(record));
}

void StageDriver::pipe_all(std::vector<Record> records) {
  append(std::move(records));
  drain();
}

std::vector<Position> StageDriver::append(std::vector<Record> records) {
  for (const Record& record : records) {
    const bool listed = std::ranges::find(options_.inputs, record.topic) != options_.inputs.end();
    if (listed) continue;
    if (runner_) throw std::runtime_error{record.topic + " is no input: list it in the options"};
    options_.inputs.push_back(record.topic);
  }
  return must(writer_->append(std::move(records)));
}

void StageDriver::start() {
  if (runner_) return;
  RunnerOptions options;
  options.stage = options_.stage;
  options.inputs = options_.inputs;
  options.outputs = options_.outputs;
  options.exactly_once = options_.exactly_once;
  options.poll_records_max = options_.poll_records_max;
  options.poll_wait = std::chrono::milliseconds{20};
  options.settle_interval = std::chrono::milliseconds{1};
  options.retry = options_.retry;
  options.tracer = options_.tracer;
  runner_ = std::make_unique<Runner>(log_, clock_, metrics_, std::move(stage_), options);
  const Status started = runner_->start([this](const Error& error) {
    {
      const std::lock_guard lock{mutex_};
      fatal_error_ = error;
    }
    log_.notify();
  });
  if (started) return;
  const std::lock_guard lock{mutex_};
  fatal_error_ = started.error();
}

void StageDriver::drain() {
  start();
  EXPECT_TRUE(log_.wait_until([this] { return fatal_error().has_value() || drained(); }))
      << "the stage has not committed all of its inputs";
}

bool StageDriver::drained() const {
  for (const auto& [partition, end] : must(end_offsets(log_, options_.inputs))) {
    if (end > std::max<Offset>(committed(partition.topic, partition.partition), 0)) return false;
  }
  return true;
}

void StageDriver::stop() {
  if (runner_) runner_->stop();
}

void StageDriver::restart_with(std::unique_ptr<Stage> stage) {
  runner_.reset();
  stage_ = std::move(stage);
  {
    const std::lock_guard lock{mutex_};
    fatal_error_.reset();
  }
  start();
}

std::vector<Record> StageDriver::read(std::string_view topic) {
  const std::vector<std::string> topics{std::string{topic}};
  const Offsets ends = must(end_offsets(log_, topics));
  const std::unique_ptr<LogReader> reader =
      must(log_.open_reader(must(begin_offsets(log_, topics))));
  std::vector<Record> all;
  const auto at_end = [&] {
    return std::ranges::all_of(reader->positions(), [&](const auto& position) {
      return position.second >= ends.at(position.first);
    });
  };
  while (!at_end()) {
    std::vector<Record> some =
        must(reader->poll(1000, kReadBytesMax, std::chrono::milliseconds{20}));
    std::ranges::move(some, std::back_inserter(all));
  }
  std::ranges::stable_sort(all, {}, &Record::partition);
  return all;
}

Offset StageDriver::committed(std::string_view topic, std::int32_t partition) const {
  return must(log_.committed(options_.stage, {std::string{topic}, partition})).value_or(-1);
}

std::optional<Error> StageDriver::fatal_error() const {
  const std::lock_guard lock{mutex_};
  return fatal_error_;
}

}  // namespace millrace
