#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

// The only JSON layer (RapidJSON inside json.cc). Input is hostile: depth is limited, UTF-8 is
// checked, numbers must be finite, duplicate keys are refused.
namespace millrace::json {

struct Limits {
  std::size_t depth = 64;
  std::size_t values = 4'000'000;  // all members and elements; each costs at least 16 bytes
};

// A view into a Document, which must outlive it. A missing member is a view with exists() == false.
class Value {
 public:
  Value() = default;
  bool exists() const { return value_ != nullptr; }
  bool is_null() const;
  bool is_bool() const;
  bool is_string() const;
  bool is_number() const;
  bool is_integer() const;  // fits std::int64_t
  bool is_array() const;
  bool is_object() const;
  std::string_view type_name() const;  // "string", "object", "nothing" …

  // Asserted types.
  bool as_bool() const;
  std::string_view as_string() const;
  double as_double() const;
  std::int64_t as_integer() const;

  std::size_t size() const;                   // of an array or object
  Value operator[](std::size_t index) const;  // of an array
  Value member(std::string_view name) const;  // missing too of what is no object
  struct Member;
  Member member_at(std::size_t index) const;  // of an object

  std::string serialize() const;  // compact JSON

 private:
  friend class Document;
  explicit Value(const void* value) : value_{value} {}
  const void* value_ = nullptr;
};

struct Value::Member {
  std::string_view name;
  Value value;
};

class Document {
 public:
  // `rejected`, with line, column and what was expected.
  static Result<Document> parse(std::string_view text, Limits limits = {});
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;
  ~Document();
  Value root() const;

 private:
  struct Impl;
  explicit Document(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads the members of an object strictly, one call per member, and collects the first mistake:
//   ObjectReader in{value, "query"};
//   in.required("question", question);
//   in.optional("top_k", top_k, 1, 100);
//   if (Status status = in.finish(); !status) return status.error();
// finish() also refuses members that nobody asked for, naming them and the ones that are known.
class ObjectReader {
 public:
  enum class Unknown { refuse, ignore };
  ObjectReader(Value value, std::string_view what, Unknown unknown = Unknown::refuse);

  void required(std::string_view name, std::string& out);
  void required(std::string_view name, std::int64_t& out);
  void required(std::string_view name, bool& out);
  void required(std::string_view name, double& out);
  void required(std::string_view name, std::vector<std::string>& out);
  // Absent or null leaves `out` as it is; true when it was set.
  bool optional(std::string_view name, std::string& out);
  bool optional(std::string_view name, std::int64_t& out, std::int64_t min = INT64_MIN,
                std::int64_t max = INT64_MAX);
  bool optional(std::string_view name, bool& out);
  bool optional(std::string_view name, double& out);
  bool optional(std::string_view name, std::vector<std::string>& out);
  // The member as it is, for nested objects and arrays; exists() == false when absent or null.
  Value required_object(std::string_view name);
  Value optional_object(std::string_view name);
  Value required_array(std::string_view name);
  Value optional_array(std::string_view name);
  Value optional_any(std::string_view name);

  void fail(std::string message);  // keeps the first
  bool failed() const { return !error_.empty(); }
  Status finish();

 private:
  Value take(std::string_view name, bool required);
  bool expect(std::string_view name, bool right, std::string_view wanted, Value value);

  Value value_;
  std::string what_;
  Unknown unknown_;
  std::vector<std::string> known_;
  std::string error_;
};

// Writes compact JSON. Calls must nest correctly (asserted). Invalid UTF-8 is replaced by U+FFFD.
class Writer {
 public:
  Writer();
  ~Writer();
  Writer(Writer&&) noexcept;
  Writer& operator=(Writer&&) noexcept;

  Writer& begin_object();
  Writer& end_object();
  Writer& begin_array();
  Writer& end_array();
  Writer& key(std::string_view name);
  Writer& value(std::string_view text);
  Writer& value(const char* text) { return value(std::string_view{text}); }
  Writer& value(const std::string& text) { return value(std::string_view{text}); }
  Writer& value(bool flag);
  Writer& value(double number);  // asserted finite
  Writer& value(std::int64_t number);
  Writer& value(std::int32_t number) { return value(static_cast<std::int64_t>(number)); }
  Writer& value(std::uint32_t number) { return value(static_cast<std::int64_t>(number)); }
  Writer& value(std::uint64_t number) { return value(static_cast<std::int64_t>(number)); }
  Writer& null();
  Writer& raw(std::string_view json);  // already encoded, trusted
  // key() and value() in one.
  template <class T>
  Writer& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  Writer& strings(std::string_view name, const std::vector<std::string>& values);

  std::string take();  // the text; the writer is empty again

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Where the value of a member stands in the text of a JSON object, for changing it there and
// nothing else: `path` names it from the root, in names without escapes. Empty where it is not, and
// in what is no object as far as that. Reads no further than the value's end.
struct Span {
  std::size_t begin = 0;
  std::size_t end = 0;
};
std::optional<Span> find_member(std::string_view text, std::span<const std::string_view> path);

// `text` as a JSON string with its quotes.
std::string quote(std::string_view text);
bool valid_utf8(std::string_view text);

}  // namespace millrace::json
