#pragma once

#include <atomic>
#include <cstddef>

#include "common/metrics.h"

namespace millrace {

// Bytes of request bodies in memory over all connections. Thread-safe.
class UploadBudget {
 public:
  UploadBudget(std::size_t bytes_max, Gauge gauge) : bytes_max_{bytes_max}, gauge_{gauge} {}

  // What one request holds; given back when it goes.
  class Share {
   public:
    explicit Share(UploadBudget& budget) : budget_{budget} {}
    ~Share() { give_back(); }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // False when there is no room; nothing is taken then.
    bool take(std::size_t bytes) {
      if (budget_.held_.fetch_add(bytes) + bytes > budget_.bytes_max_) {
        budget_.held_.fetch_sub(bytes);
        return false;
      }
      held_ += bytes;
      budget_.gauge_.add(static_cast<double>(bytes));
      return true;
    }

   private:
    void give_back() {
      budget_.held_.fetch_sub(held_);
      budget_.gauge_.add(-static_cast<double>(held_));
    }
    UploadBudget& budget_;
    std::size_t held_ = 0;
  };

 private:
  const std::size_t bytes_max_;
  const Gauge gauge_;
  std::atomic<std::size_t> held_ = 0;
};

}  // namespace millrace
