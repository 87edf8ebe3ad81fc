#pragma once

#include <functional>

#include "common/log/embedded_cursor.h"

namespace millrace {

// What a session needs of its log.
struct EmbeddedSessionHost {
  std::function<Status(const std::string& group, std::span<const Record> outputs,
                       const Offsets& consumed)>
      commit;
  std::function<void()> closed;  // the session is gone
};

// Every partition of its topics is assigned to it for its whole life.
class EmbeddedSession final : public LogSession {
 public:
  EmbeddedSession(std::string group, const std::vector<EmbeddedCursor::Start>& starts,
                  EmbeddedSessionHost host);
  ~EmbeddedSession() override;

  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait) override;
  Status commit(std::span<const Record> outputs, const Offsets& consumed) override;
  Result<Offsets> rewind() override;
  Status seek(const Offsets& offsets) override;
  std::vector<TopicPartition> assignment() const override;
  std::int64_t lag() const override { return cursor_.lag(); }
  Offsets positions() const override { return cursor_.positions(); }
  void wake() override { cursor_.wake(); }

 private:
  struct Assigned {
    TopicState* topic = nullptr;
    Offset resume = 0;  // where rewind() goes: what commit() or seek() said last
  };
  std::map<TopicPartition, Assigned> assigned_;
  const std::string group_;
  const EmbeddedSessionHost host_;
  EmbeddedCursor cursor_;
};

class EmbeddedReader final : public LogReader {
 public:
  EmbeddedReader(const std::vector<EmbeddedCursor::Start>& starts, std::function<void()> closed)
      : cursor_(starts), closed_(std::move(closed)) {}
  ~EmbeddedReader() override { closed_(); }

  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait) override {
    return cursor_.poll(max_records, max_bytes, wait);
  }
  Offsets positions() const override { return cursor_.positions(); }
  std::int64_t lag() const override { return cursor_.lag(); }
  void wake() override { cursor_.wake(); }

 private:
  EmbeddedCursor cursor_;
  const std::function<void()> closed_;
};

}  // namespace millrace
