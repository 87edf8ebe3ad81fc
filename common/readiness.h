#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// Whether this process can do its work, as named conditions ("log", "model", "tables"). Each starts
// as not met, with the reason "starting". Owned by main, borrowed by whoever sets a condition and
// by whoever serves /readyz. Thread-safe.
class Readiness {
 public:
  explicit Readiness(const std::vector<std::string>& conditions = {});

  // A name that is not there yet is added. `reason` says what is being waited for; it is dropped
  // when the condition is met.
  void set(std::string_view condition, bool met, std::string_view reason = {});
  bool ready() const;  // every condition is met
  // {"ready":false,"conditions":{"model":{"ready":false,"reason":"loading"}}}
  std::string describe() const;

 private:
  struct Condition {
    bool met = false;
    std::string reason;
  };
  bool ready_locked() const;

  mutable std::mutex mutex_;
  std::map<std::string, Condition, std::less<>> conditions_;
};

}  // namespace millrace
