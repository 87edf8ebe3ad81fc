#include "tests/support/memory_log.h"

#include <rocksdb/env.h>

#include <stdexcept>
#include <utility>

#include "common/log/embedded_log.h"
#include "common/log/segmented.h"

namespace millrace {
namespace {

// Owns what the view only borrows.
class MemoryLog : public Log {
 public:
  explicit MemoryLog(MetricsRegistry& metrics) : env_{rocksdb::NewMemEnv(rocksdb::Env::Default())} {
    EmbeddedLogOptions options;
    options.directory = "/log";
    options.env = env_.get();
    Result<std::unique_ptr<Log>> opened = open_embedded_log(options, system_clock(), metrics);
    if (!opened) throw std::runtime_error{"memory log: " + opened.error().message};
    base_ = std::move(*opened);
    view_ = make_segmented_log(*base_);
  }

  Status create_topics(std::span<const TopicSpec> topics) override {
    return view_->create_topics(topics);
  }
  Result<std::vector<std::string>> topics() const override { return view_->topics(); }
  Status delete_topics(std::span<const std::string> names) override {
    return view_->delete_topics(names);
  }
  Result<std::unique_ptr<LogSession>> open_session(SessionOptions options) override {
    return view_->open_session(std::move(options));
  }
  Result<std::unique_ptr<LogReader>> open_reader(const Offsets& from) override {
    return view_->open_reader(from);
  }
  std::unique_ptr<LogWriter> open_writer() override { return view_->open_writer(); }
  Result<std::int32_t> partitions(std::string_view topic) const override {
    return view_->partitions(topic);
  }
  Result<Offset> begin_offset(const TopicPartition& partition) const override {
    return view_->begin_offset(partition);
  }
  Result<Offset> end_offset(const TopicPartition& partition) const override {
    return view_->end_offset(partition);
  }
  Result<std::optional<Offset>> committed(std::string_view group,
                                          const TopicPartition& partition) const override {
    return view_->committed(group, partition);
  }
  Result<std::optional<Record>> read_at(const Position& position) const override {
    return view_->read_at(position);
  }
  Status trim(const Offsets& before) override { return view_->trim(before); }
  Result<Offsets> begin_purge(std::span<const std::string> topics) override {
    return view_->begin_purge(topics);
  }
  Result<bool> purge(const Offsets& begun) override { return view_->purge(begun); }

 private:
  std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<Log> base_;
  std::unique_ptr<Log> view_;
};

}  // namespace

std::unique_ptr<Log> make_memory_log(MetricsRegistry& metrics) {
  return std::make_unique<MemoryLog>(metrics);
}

}  // namespace millrace
