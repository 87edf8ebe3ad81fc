#include "tests/support/watched_log.h"

#include <utility>

namespace millrace {
namespace {

constexpr std::chrono::minutes kHang{1};

}  // namespace

class WatchedLog::Session : public LogSession {
 public:
  Session(WatchedLog& owner, std::unique_ptr<LogSession> base)
      : owner_{owner}, base_{std::move(base)} {}

  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait) override {
    PollFault fault;
    {
      const std::lock_guard lock{owner_.mutex_};
      fault = owner_.poll_fault_;
    }
    std::optional<Error> error = fault ? fault() : std::nullopt;
    Result<std::vector<Record>> records = error ? Result<std::vector<Record>>{std::move(*error)}
                                                : base_->poll(max_records, max_bytes, wait);
    {
      const std::lock_guard lock{owner_.mutex_};
      ++owner_.polls_;
    }
    owner_.notify();
    return records;
  }

  Status commit(std::span<const Record> outputs, const Offsets& consumed) override {
    CommitFault fault;
    {
      const std::lock_guard lock{owner_.mutex_};
      fault = owner_.commit_fault_;
    }
    std::optional<Error> error = fault ? fault(outputs, consumed) : std::nullopt;
    if (error) return std::move(*error);
    Status stored = base_->commit(outputs, consumed);
    owner_.notify();
    return stored;
  }

  Result<Offsets> rewind() override {
    owner_.notify();
    if (owner_.is_fenced()) return unavailable("fenced");
    return base_->rewind();
  }
  Status seek(const Offsets& offsets) override { return base_->seek(offsets); }
  std::vector<TopicPartition> assignment() const override {
    return owner_.is_fenced() ? std::vector<TopicPartition>{} : base_->assignment();
  }
  std::int64_t lag() const override { return owner_.is_fenced() ? 0 : base_->lag(); }
  Offsets positions() const override { return owner_.is_fenced() ? Offsets{} : base_->positions(); }
  void wake() override {
    base_->wake();
    {
      const std::lock_guard lock{owner_.mutex_};
      ++owner_.wakes_;
    }
    owner_.notify();
  }

 private:
  WatchedLog& owner_;
  std::unique_ptr<LogSession> base_;
};

class WatchedLog::Writer final : public LogWriter {
 public:
  Writer(WatchedLog& owner, std::shared_ptr<LogWriter> base)
      : owner_{owner}, base_{std::move(base)} {}

  void append_async(std::vector<Record> records, AppendHandler done) override {
    Faster faster;
    {
      const std::lock_guard lock{owner_.mutex_};
      faster = owner_.faster_;
    }
    std::vector<Record> first = faster ? faster(records) : std::vector<Record>{};
    if (first.empty()) return base_->append_async(std::move(records), std::move(done));
    base_->append_async(std::move(first), [base = base_, records = std::move(records),
                                           done = std::move(done)](const auto& stored) mutable {
      if (!stored) return done(stored.error());
      base->append_async(std::move(records), std::move(done));
    });
  }

 private:
  WatchedLog& owner_;
  const std::shared_ptr<LogWriter> base_;
};

WatchedLog::WatchedLog(std::unique_ptr<Log> base) : base_{std::move(base)} {}

void WatchedLog::set_commit_fault(CommitFault fault) {
  const std::lock_guard lock{mutex_};
  commit_fault_ = std::move(fault);
}

void WatchedLog::set_poll_fault(PollFault fault) {
  const std::lock_guard lock{mutex_};
  poll_fault_ = std::move(fault);
}

void WatchedLog::set_fenced(bool fenced) {
  const std::lock_guard lock{mutex_};
  fenced_ = fenced;
}

bool WatchedLog::is_fenced() const {
  const std::lock_guard lock{mutex_};
  return fenced_;
}

void WatchedLog::set_faster(Faster faster) {
  const std::lock_guard lock{mutex_};
  faster_ = std::move(faster);
}

bool WatchedLog::wait_until(const std::function<bool()>& condition) const {
  const auto deadline = std::chrono::steady_clock::now() + kHang;
  std::unique_lock lock{mutex_};
  for (;;) {
    const std::uint64_t seen = changes_;
    lock.unlock();
    if (condition()) return true;
    lock.lock();
    if (!changed_.wait_until(lock, deadline, [&] { return changes_ != seen; })) return false;
  }
}

void WatchedLog::notify() const {
  const std::lock_guard lock{mutex_};
  ++changes_;
  changed_.notify_all();
}

std::int64_t WatchedLog::polls() const {
  const std::lock_guard lock{mutex_};
  return polls_;
}

std::int64_t WatchedLog::wakes() const {
  const std::lock_guard lock{mutex_};
  return wakes_;
}

Status WatchedLog::create_topics(std::span<const TopicSpec> topics) {
  return base_->create_topics(topics);
}

Result<std::unique_ptr<LogSession>> WatchedLog::open_session(SessionOptions options) {
  Result<std::unique_ptr<LogSession>> opened = base_->open_session(std::move(options));
  if (!opened) return opened;
  return std::unique_ptr<LogSession>{std::make_unique<Session>(*this, std::move(*opened))};
}

Result<std::unique_ptr<LogReader>> WatchedLog::open_reader(const Offsets& from) {
  return base_->open_reader(from);
}

std::unique_ptr<LogWriter> WatchedLog::open_writer() {
  return std::make_unique<Writer>(*this, base_->open_writer());
}

Result<std::int32_t> WatchedLog::partitions(std::string_view topic) const {
  return base_->partitions(topic);
}

Result<Offset> WatchedLog::begin_offset(const TopicPartition& partition) const {
  return base_->begin_offset(partition);
}

Result<Offset> WatchedLog::end_offset(const TopicPartition& partition) const {
  return base_->end_offset(partition);
}

Result<std::optional<Offset>> WatchedLog::committed(std::string_view group,
                                                    const TopicPartition& partition) const {
  return base_->committed(group, partition);
}

Result<std::optional<Record>> WatchedLog::read_at(const Position& position) const {
  return base_->read_at(position);
}

}  // namespace millrace
