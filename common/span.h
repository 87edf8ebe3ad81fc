#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "common/trace.h"

namespace millrace {

// One step of a trace, as OpenTelemetry defines it. Never holds a secret, nor text of a document,
// a question or an answer: whoever reads traces need not be allowed to read those.
struct Span {
  enum class Kind { internal = 1, server = 2, client = 3, producer = 4, consumer = 5 };
  using Value = std::variant<std::string, std::int64_t, double, bool>;
  struct Attribute {
    std::string_view key;  // of the semantic conventions, or millrace.…; a literal
    Value value;
  };

  TraceContext context;
  std::string parent_span_id;  // empty: the trace begins here
  std::string name;
  Kind kind = Kind::internal;
  std::int64_t start_ns = 0;  // since 1970
  std::int64_t end_ns = 0;
  std::vector<Attribute> attributes;
  bool failed = false;

  // Nothing is kept of a span that will not be exported.
  void set(std::string_view key, std::string_view value) { add(key, std::string{value}); }
  void set(std::string_view key, const char* value) { add(key, std::string{value}); }
  void set(std::string_view key, const std::string& value) { add(key, value); }
  void set(std::string_view key, double value) { add(key, value); }
  void set(std::string_view key, bool value) { add(key, value); }
  void set(std::string_view key, std::integral auto value) {
    add(key, static_cast<std::int64_t>(value));
  }
  // `type` is a word of a bounded set, such as "rejected" or "503", never a message.
  void fail(std::string_view type) {
    failed = true;
    set("error.type", type);
  }

 private:
  void add(std::string_view key, Value value);
};

// Where ended spans go.
class SpanSink {
 public:
  virtual ~SpanSink() = default;
  // Any thread; never blocks, never fails.
  virtual void add(Span span) = 0;
};

}  // namespace millrace
