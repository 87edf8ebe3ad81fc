#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "common/log/kafka_cursor.h"

namespace millrace {

// Reads partitions from given positions; joins no group.
class KafkaReader final : public LogReader {
 public:
  // `ends`: where each partition ends now.
  static Result<std::unique_ptr<KafkaReader>> open(const KafkaClient& client, const Offsets& from,
                                                   const Offsets& ends);

  Result<std::vector<Record>> poll(std::size_t max_records, std::size_t max_bytes,
                                   std::chrono::milliseconds wait) override {
    return cursor_->poll(max_records, max_bytes, wait);
  }
  Offsets positions() const override { return cursor_->positions(); }
  std::int64_t lag() const override { return cursor_->lag(); }
  void wake() override { cursor_->wake(); }

  Status assign(const Offsets& from, const Offsets& ends);  // instead of what it reads now

 private:
  explicit KafkaReader(const KafkaClient& client) : client_(client) {}

  const KafkaClient& client_;
  KafkaCallbacks callbacks_;
  KafkaHandle consumer_;
  std::unique_ptr<KafkaCursor> cursor_;  // destroyed before the consumer
};

// Fetches single records by their position. Keeps a few readers where they stand, since who asks
// for the segments of a large record asks for one after the other. Thread-safe: one at a time each.
class KafkaFetcher {
 public:
  explicit KafkaFetcher(const KafkaClient& client) : client_(client) {}

  // Empty when it is not there any more.
  Result<std::optional<Record>> fetch(const Position& position, Offset end);

 private:
  struct Seat {
    std::unique_ptr<KafkaReader> reader;
    Position next;  // what the reader gives next, or something after it
  };
  std::unique_ptr<Seat> take(const Position& position);
  void give_back(std::unique_ptr<Seat> seat);
  Result<std::optional<Record>> read(Seat& seat, const Position& position, Offset end);

  const KafkaClient& client_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Seat>> idle_;
};

}  // namespace millrace
