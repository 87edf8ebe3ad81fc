#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/clock.h"
#include "common/log/embedded_log.h"
#include "common/log/segmented.h"

namespace millrace {

// A folder of its own, gone afterwards.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// How long a test waits for something that must come, before it says that it did not.
inline constexpr std::chrono::milliseconds kPatience{60'000};

// True as soon as `condition` holds; false when it does not within kPatience.
bool eventually(const std::function<bool()>& condition);

Record make_record(std::string topic, std::string key, std::string value);
Record make_tombstone(std::string topic, std::string key);

// Appends and expects success.
std::vector<Position> append(Log& log, std::vector<Record> records);

// Polls (a session or a reader) until `count` records came, or kPatience is over.
template <class Source>
std::vector<Record> take(Source& source, std::size_t count, std::size_t max_bytes = 1U << 30U) {
  std::vector<Record> all;
  while (all.size() < count) {
    auto polled = source.poll(count - all.size(), max_bytes, kPatience);
    if (!polled) {
      ADD_FAILURE() << polled.error().message;
      break;
    }
    if (polled->empty()) break;
    for (Record& each : *polled) all.push_back(std::move(each));
  }
  EXPECT_EQ(all.size(), count);
  return all;
}

// Everything in the topic, by a reader from its beginning to its present end.
std::vector<Record> read_topic(Log& log, const std::string& topic);

Offsets consumed(const std::vector<Record>& records);
std::vector<std::string> values(const std::vector<Record>& records);
std::string printable_text(std::size_t bytes, unsigned seed);

std::unique_ptr<LogSession> open_session(Log& log, const std::string& group,
                                         std::vector<std::string> topics);
std::unique_ptr<LogReader> read_from_beginning(Log& log, const std::string& topic);

template <class T>
bool failed_as(const Result<T>& result, Error::Kind kind) {
  return !result && result.error().kind == kind;
}

}  // namespace millrace
