#include "common/log/segmented.h"

#include <algorithm>
#include <deque>
#include <future>
#include <utility>

#include "common/clock.h"
#include "common/log/segments.h"

namespace millrace {

namespace {

// Records of the base on their way out: earlier segments are dropped, last ones joined when their
// turn comes, so that joined values never take more memory than one poll asks for.
class SegmentJoiner {
 public:
  explicit SegmentJoiner(const Log& base) : base_(base) {}

  // `poll` reads the base. The rest is LogSession::poll.
  template <class Poll>
  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait, Poll poll) {
    constexpr std::chrono::milliseconds kWaitMax{std::chrono::hours{24}};
    const auto until = system_clock().now() + std::min(wait, kWaitMax);
    for (;;) {
      auto joined = join(max_records, max_bytes);
      if (!joined || !joined->empty()) return joined;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - system_clock().now());
      auto read = poll(max_records, max_bytes, std::max(left, std::chrono::milliseconds{0}));
      if (!read || read->empty()) return read;
      for (Record& each : *read) {
        if (!is_earlier_segment(each)) waiting_.push_back(std::move(each));
      }
    }
  }

  void forget() { waiting_.clear(); }
  void forget(const Offsets& partitions) {
    std::erase_if(waiting_, [&](const Record& each) {
      return partitions.contains({each.topic, each.partition});
    });
  }
  std::size_t waiting() const { return waiting_.size(); }
  // Where reading stands, given where the base's reading stands.
  Offsets positions(Offsets base) const {
    for (auto each = waiting_.rbegin(); each != waiting_.rend(); ++each) {
      base[{each->topic, each->partition}] = each->offset;
    }
    return base;
  }

 private:
  // A record that cannot be read stays for the next poll, behind what was joined before it.
  Result<std::vector<Record>> join(std::size_t max_records, std::size_t max_bytes) {
    std::vector<Record> joined;
    std::size_t bytes = 0;
    while (!waiting_.empty() && joined.size() < max_records) {
      bytes += joined_bytes_max(waiting_.front());
      if (!joined.empty() && bytes > max_bytes) break;
      auto whole = take_whole();
      if (!whole) {
        if (joined.empty()) return whole.error();
        break;
      }
      if (*whole) joined.push_back(std::move(**whole));
      waiting_.pop_front();
    }
    return joined;
  }

  Result<std::optional<Record>> take_whole() {
    Record& record = waiting_.front();
    if (segment_offsets(record).empty()) return std::optional<Record>{std::move(record)};
    return join_segments(base_, record);
  }

  const Log& base_;
  std::deque<Record> waiting_;  // bounded by what one poll of the base returned
};

class SegmentedSession final : public LogSession {
 public:
  SegmentedSession(const Log& base, std::unique_ptr<LogSession> session,
                   std::shared_ptr<LogWriter> writer)
      : joiner_(base), session_(std::move(session)), writer_(std::move(writer)) {}

  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait) override {
    return joiner_.poll(max_records, max_bytes, wait, [&](auto records, auto bytes, auto left) {
      return session_->poll(records, bytes, left);
    });
  }

  // Earlier segments are stored before the commit; only the last one, which is the record, is part
  // of it. When it fails nothing lists them.
  Status commit(std::span<const Record> outputs, const Offsets& consumed) override {
    if (std::ranges::none_of(outputs, needs_segments)) return session_->commit(outputs, consumed);
    std::promise<Result<std::vector<Record>>> outcome;
    auto stored = outcome.get_future();
    store_segments(
        writer_, {outputs.begin(), outputs.end()},
        [&outcome](Result<std::vector<Record>> records) { outcome.set_value(std::move(records)); });
    const auto records = stored.get();
    if (!records) return records.error();
    return session_->commit(*records, consumed);
  }

  Result<Offsets> rewind() override {
    joiner_.forget();
    return session_->rewind();
  }
  Status seek(const Offsets& offsets) override {
    Status moved = session_->seek(offsets);
    if (moved) joiner_.forget(offsets);
    return moved;
  }
  std::vector<TopicPartition> assignment() const override { return session_->assignment(); }
  std::int64_t lag() const override {
    return session_->lag() + static_cast<std::int64_t>(joiner_.waiting());
  }
  Offsets positions() const override { return joiner_.positions(session_->positions()); }
  void wake() override { session_->wake(); }

 private:
  SegmentJoiner joiner_;
  const std::unique_ptr<LogSession> session_;
  const std::shared_ptr<LogWriter> writer_;
};

class SegmentedReader final : public LogReader {
 public:
  SegmentedReader(const Log& base, std::unique_ptr<LogReader> reader)
      : joiner_(base), reader_(std::move(reader)) {}

  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait) override {
    return joiner_.poll(max_records, max_bytes, wait, [&](auto records, auto bytes, auto left) {
      return reader_->poll(records, bytes, left);
    });
  }
  Offsets positions() const override { return joiner_.positions(reader_->positions()); }
  std::int64_t lag() const override {
    return reader_->lag() + static_cast<std::int64_t>(joiner_.waiting());
  }
  void wake() override { reader_->wake(); }

 private:
  SegmentJoiner joiner_;
  const std::unique_ptr<LogReader> reader_;
};

class SegmentedWriter final : public LogWriter {
 public:
  explicit SegmentedWriter(std::shared_ptr<LogWriter> writer) : writer_(std::move(writer)) {}

  void append_async(std::vector<Record> records, AppendHandler done) override {
    if (std::ranges::none_of(records, needs_segments)) {
      return writer_->append_async(std::move(records), std::move(done));
    }
    // The handlers keep the base's writer: this one may be gone when they are called.
    store_segments(writer_, std::move(records),
                   [writer = writer_, done = std::move(done)](Result<std::vector<Record>> stored) {
                     if (!stored) return done(stored.error());
                     writer->append_async(std::move(*stored), done);
                   });
  }

 private:
  const std::shared_ptr<LogWriter> writer_;
};

class SegmentedLog final : public Log {
 public:
  explicit SegmentedLog(Log& base) : base_(base) {}

  Status create_topics(std::span<const TopicSpec> topics) override {
    return base_.create_topics(topics);
  }
  Result<std::vector<std::string>> topics() const override { return base_.topics(); }
  Status delete_topics(std::span<const std::string> names) override {
    return base_.delete_topics(names);
  }
  Result<std::unique_ptr<LogSession>> open_session(SessionOptions options) override {
    auto session = base_.open_session(std::move(options));
    if (!session) return session.error();
    return std::make_unique<SegmentedSession>(base_, std::move(*session), base_.open_writer());
  }
  Result<std::unique_ptr<LogReader>> open_reader(const Offsets& from) override {
    auto reader = base_.open_reader(from);
    if (!reader) return reader.error();
    return std::make_unique<SegmentedReader>(base_, std::move(*reader));
  }
  std::unique_ptr<LogWriter> open_writer() override {
    return std::make_unique<SegmentedWriter>(base_.open_writer());
  }
  Result<std::int32_t> partitions(std::string_view topic) const override {
    return base_.partitions(topic);
  }
  Result<Offset> begin_offset(const TopicPartition& partition) const override {
    return base_.begin_offset(partition);
  }
  Result<Offset> end_offset(const TopicPartition& partition) const override {
    return base_.end_offset(partition);
  }
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override {
    return base_.committed(group, partition);
  }
  Result<std::map<TopicPartition, GroupOffsets>> group_offsets(
      std::string_view group, std::span<const TopicPartition> partitions) const override {
    return base_.group_offsets(group, partitions);
  }
  Result<std::optional<Record>> read_at(const Position& position) const override {
    auto record = base_.read_at(position);
    if (!record || !*record) return record;
    if (is_earlier_segment(**record)) return std::optional<Record>{};
    return join_segments(base_, **record);
  }
  Status trim(const Offsets& before) override { return base_.trim(before); }
  Result<Offsets> begin_purge(std::span<const std::string> topics) override {
    return base_.begin_purge(topics);
  }
  Result<bool> purge(const Offsets& begun) override { return base_.purge(begun); }

 private:
  Log& base_;
};

}  // namespace

std::unique_ptr<Log> make_segmented_log(Log& base) { return std::make_unique<SegmentedLog>(base); }

}  // namespace millrace
