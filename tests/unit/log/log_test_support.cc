#include "log_test_support.h"

#include <unistd.h>

#include <random>
#include <stdexcept>
#include <thread>

namespace millrace {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "millrace_log_XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool eventually(const std::function<bool()>& condition) {
  const auto until = system_clock().now() + kPatience;
  while (!condition()) {
    if (system_clock().now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

Record make_record(std::string topic, std::string key, std::string value) {
  Record record;
  record.topic = std::move(topic);
  record.key = std::move(key);
  record.value = std::move(value);
  return record;
}

Record make_tombstone(std::string topic, std::string key) {
  Record record = make_record(std::move(topic), std::move(key), "");
  record.tombstone = true;
  return record;
}

std::vector<Position> append(Log& log, std::vector<Record> records) {
  auto positions = log.open_writer()->append(std::move(records));
  if (positions) return std::move(*positions);
  ADD_FAILURE() << positions.error().message;
  return {};
}

std::vector<Record> read_topic(Log& log, const std::string& topic) {
  const auto ends = end_offsets(log, topic);
  EXPECT_TRUE(ends);
  const auto reader = read_from_beginning(log, topic);
  std::vector<Record> all;
  while (reader->positions() != *ends) {
    auto polled = reader->poll(1'000, 1U << 30U, std::chrono::milliseconds{100});
    EXPECT_TRUE(polled) << polled.error().message;
    if (!polled) break;
    for (Record& each : *polled) all.push_back(std::move(each));
  }
  return all;
}

Offsets consumed(const std::vector<Record>& records) {
  Offsets offsets;
  for (const Record& each : records) offsets[{each.topic, each.partition}] = each.offset + 1;
  return offsets;
}

std::vector<std::string> values(const std::vector<Record>& records) {
  std::vector<std::string> all;
  for (const Record& each : records) all.push_back(each.value);
  return all;
}

std::string printable_text(std::size_t bytes, unsigned seed) {
  std::minstd_rand random{seed};
  std::string text(bytes, ' ');
  for (char& each : text) each = static_cast<char>('a' + random() % 26);
  return text;
}

std::unique_ptr<LogSession> open_session(Log& log, const std::string& group,
                                         std::vector<std::string> topics) {
  auto session = log.open_session({group, std::move(topics), true});
  if (!session) throw std::runtime_error(session.error().message);
  return std::move(*session);
}

std::unique_ptr<LogReader> read_from_beginning(Log& log, const std::string& topic) {
  const auto begins = begin_offsets(log, std::span{&topic, 1});
  if (!begins) throw std::runtime_error(begins.error().message);
  auto reader = log.open_reader(*begins);
  if (!reader) throw std::runtime_error(reader.error().message);
  return std::move(*reader);
}

}  // namespace millrace
