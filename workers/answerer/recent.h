#pragma once

#include <cstddef>
#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

namespace millrace {

// The last `max` things noted, by name: a bounded memory that forgets the oldest first. Not
// thread-safe.
template <class T>
class Recent {
 public:
  explicit Recent(std::size_t max) : max_{max} {}

  // Noting a name again changes its value, not its age.
  void note(const std::string& name, T value) {
    const auto [entry, fresh] = values_.insert_or_assign(name, std::move(value));
    if (!fresh) return;
    order_.push_back(name);
    if (order_.size() <= max_) return;
    values_.erase(order_.front());
    order_.pop_front();
  }

  const T* find(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? nullptr : &found->second;
  }

  std::size_t size() const { return values_.size(); }

 private:
  std::size_t max_;
  std::deque<std::string> order_;
  std::unordered_map<std::string, T> values_;
};

}  // namespace millrace
