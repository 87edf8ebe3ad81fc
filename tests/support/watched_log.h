#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "common/log/log.h"

namespace millrace {

// A log whose sessions can be made to fail, whose commits can be waited for, and where others can
// be made to write first. Thread-safe; owns `base`.
class WatchedLog : public Log {
 public:
  // What a session's call returns instead of being made; empty: it is made. Called on the session's
  // thread.
  using CommitFault =
      std::function<std::optional<Error>(std::span<const Record> outputs, const Offsets& consumed)>;
  using PollFault = std::function<std::optional<Error>()>;

  explicit WatchedLog(std::unique_ptr<Log> base);

  void set_commit_fault(CommitFault fault);
  void set_poll_fault(PollFault fault);
  // While it is so, no session has partitions, and none can rewind.
  void set_fenced(bool fenced);
  // What is stored before the records of an append, as if somebody had been faster.
  using Faster = std::function<std::vector<Record>(const std::vector<Record>& records)>;
  void set_faster(Faster faster);

  // Waits until `condition` holds, looking after every commit and notify(). False after a minute:
  // the test hangs, and should say so.
  bool wait_until(const std::function<bool()>& condition) const;
  void notify() const;

  // Of all sessions: polls that have ended, and calls of wake().
  std::int64_t polls() const;
  std::int64_t wakes() const;

  Status create_topics(std::span<const TopicSpec> topics) override;
  Result<std::vector<std::string>> topics() const override { return base_->topics(); }
  Status delete_topics(std::span<const std::string> names) override {
    return base_->delete_topics(names);
  }
  Result<std::unique_ptr<LogSession>> open_session(SessionOptions options) override;
  Result<std::unique_ptr<LogReader>> open_reader(const Offsets& from) override;
  std::unique_ptr<LogWriter> open_writer() override;
  Result<std::int32_t> partitions(std::string_view topic) const override;
  Result<Offset> begin_offset(const TopicPartition& partition) const override;
  Result<Offset> end_offset(const TopicPartition& partition) const override;
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override;
  Result<std::optional<Record>> read_at(const Position& position) const override;
  Status trim(const Offsets& before) override { return base_->trim(before); }
  Result<Offsets> begin_purge(std::span<const std::string> topics) override {
    return base_->begin_purge(topics);
  }
  Result<bool> purge(const Offsets& begun) override { return base_->purge(begun); }

 private:
  class Session;
  class Writer;
  bool is_fenced() const;

  std::unique_ptr<Log> base_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::uint64_t changes_ = 0;
  std::int64_t polls_ = 0;
  std::int64_t wakes_ = 0;
  CommitFault commit_fault_;
  PollFault poll_fault_;
  bool fenced_ = false;
  Faster faster_;
};

}  // namespace millrace
