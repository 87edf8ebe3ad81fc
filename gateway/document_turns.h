#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace millrace {

// Who writes which documents now, in this process. Writers go side by side, since of two the log's
// order decides; but whoever sends an old revision again goes alone, from looking whether it is
// still the newest until the log has it. Thread-safe.
class DocumentTurns {
 public:
  // Given back when it goes away. Not longer than the turns it is of.
  class Turn {
   public:
    Turn(DocumentTurns& turns, std::vector<std::string> keys, bool alone)
        : turns_{&turns}, keys_{std::move(keys)}, alone_{alone} {}
    Turn(Turn&& other) noexcept
        : turns_{std::exchange(other.turns_, nullptr)},
          keys_{std::move(other.keys_)},
          alone_{other.alone_} {}
    Turn& operator=(Turn&&) = delete;
    Turn(const Turn&) = delete;
    ~Turn() {
      if (turns_ != nullptr) turns_->end(*this);
    }

   private:
    friend class DocumentTurns;
    DocumentTurns* turns_;
    std::vector<std::string> keys_;
    const bool alone_;
  };

  // Waits while one of them is sent again, at most kWaitMax; empty: that is not over yet.
  boost::asio::awaitable<std::optional<Turn>> to_write(std::vector<std::string> keys);
  // Empty: somebody writes it.
  std::optional<Turn> to_send_again(const std::string& key);

  static constexpr std::chrono::milliseconds kWaitMax{10'000};

 private:
  bool begin_writing(const std::vector<std::string>& keys);
  void end(const Turn& turn);

  std::mutex mutex_;
  std::unordered_map<std::string, int> writers_;
  std::unordered_set<std::string> sent_again_;
};

}  // namespace millrace
