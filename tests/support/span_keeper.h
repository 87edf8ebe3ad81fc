#pragma once

#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "common/span.h"

namespace millrace {

// Keeps the spans that end. Thread-safe.
class SpanKeeper : public SpanSink {
 public:
  void add(Span span) override {
    const std::lock_guard lock{mutex_};
    spans_.push_back(std::move(span));
  }
  std::vector<Span> spans() const {
    const std::lock_guard lock{mutex_};
    return spans_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Span> spans_;
};

// Null: the span has no such attribute.
inline const Span::Value* attribute(const Span& span, std::string_view key) {
  for (const auto& [name, value] : span.attributes) {
    if (name == key) return &value;
  }
  return nullptr;
}
inline bool has(const Span& span, std::string_view key, const Span::Value& value) {
  const Span::Value* found = attribute(span, key);
  return found != nullptr && *found == value;
}

}  // namespace millrace
