#pragma once

#include <mutex>
#include <shared_mutex>

namespace millrace {

// A shared mutex whose writer is not starved: everybody passes a turnstile, and the writer stands
// in it until the readers before it have left. Nobody who has it may ask for it again.
class IndexLock {
 public:
  std::shared_lock<std::shared_mutex> read() {
    const std::lock_guard turnstile{turnstile_};
    return std::shared_lock{mutex_};
  }
  std::unique_lock<std::shared_mutex> write() {
    const std::lock_guard turnstile{turnstile_};
    return std::unique_lock{mutex_};
  }

 private:
  std::mutex turnstile_;
  std::shared_mutex mutex_;
};

}  // namespace millrace
