#include <algorithm>
#include <utility>

#include "common/json.h"

namespace millrace::json {
namespace {

constexpr std::size_t kShownNameBytesMax = 64;  // of a member nobody asked for
constexpr std::size_t kShownNamesMax = 32;

std::string shown(std::string_view name) { return quote(name.substr(0, kShownNameBytesMax)); }

bool all_strings(Value value) {
  if (!value.is_array()) return false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!value[i].is_string()) return false;
  }
  return true;
}

std::vector<std::string> read_strings(Value value) {
  std::vector<std::string> strings;
  strings.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) strings.emplace_back(value[i].as_string());
  return strings;
}

std::string wanted_integer(std::int64_t min, std::int64_t max) {
  if (min == INT64_MIN && max == INT64_MAX) return "an integer";
  if (max == INT64_MAX) return "an integer of at least " + std::to_string(min);
  if (min == INT64_MIN) return "an integer of at most " + std::to_string(max);
  return "an integer from " + std::to_string(min) + " to " + std::to_string(max);
}

}  // namespace

ObjectReader::ObjectReader(Value value, std::string_view what, Unknown unknown)
    : value_{value}, what_{what}, unknown_{unknown} {
  if (!value_.is_object()) {
    fail("must be an object, not " + std::string{value_.type_name()});
    value_ = Value{};
  }
}

void ObjectReader::fail(std::string message) {
  if (error_.empty()) error_ = what_ + ": " + std::move(message);
}

// The member, or nothing when there is none (or null, for an optional one).
Value ObjectReader::take(std::string_view name, bool required) {
  known_.emplace_back(name);
  if (!value_.exists()) return {};
  const Value found = value_.member(name);
  if (required && !found.exists()) fail(shown(name) + " is missing");
  if (!required && found.is_null()) return {};
  return found;
}

bool ObjectReader::expect(std::string_view name, bool right, std::string_view wanted, Value value) {
  if (!value.exists()) return false;
  if (right) return true;
  std::string found{value.type_name()};
  if (value.is_number() || value.is_bool()) found = value.serialize();
  if (value.is_array()) found = "an array";
  if (value.is_object()) found = "an object";
  if (value.is_string()) found = "a string";
  fail(shown(name) + " must be " + std::string{wanted} + ", not " + found);
  return false;
}

void ObjectReader::required(std::string_view name, std::string& out) {
  const Value value = take(name, true);
  if (expect(name, value.is_string(), "a string", value)) out = value.as_string();
}

void ObjectReader::required(std::string_view name, std::int64_t& out) {
  const Value value = take(name, true);
  if (expect(name, value.is_integer(), "an integer", value)) out = value.as_integer();
}

void ObjectReader::required(std::string_view name, bool& out) {
  const Value value = take(name, true);
  if (expect(name, value.is_bool(), "true or false", value)) out = value.as_bool();
}

void ObjectReader::required(std::string_view name, double& out) {
  const Value value = take(name, true);
  if (expect(name, value.is_number(), "a number", value)) out = value.as_double();
}

void ObjectReader::required(std::string_view name, std::vector<std::string>& out) {
  const Value value = take(name, true);
  if (expect(name, all_strings(value), "an array of strings", value)) out = read_strings(value);
}

bool ObjectReader::optional(std::string_view name, std::string& out) {
  const Value value = take(name, false);
  if (!expect(name, value.is_string(), "a string", value)) return false;
  out = value.as_string();
  return true;
}

bool ObjectReader::optional(std::string_view name, std::int64_t& out, std::int64_t min,
                            std::int64_t max) {
  const Value value = take(name, false);
  const bool right = value.is_integer() && value.as_integer() >= min && value.as_integer() <= max;
  if (!expect(name, right, wanted_integer(min, max), value)) return false;
  out = value.as_integer();
  return true;
}

bool ObjectReader::optional(std::string_view name, bool& out) {
  const Value value = take(name, false);
  if (!expect(name, value.is_bool(), "true or false", value)) return false;
  out = value.as_bool();
  return true;
}

bool ObjectReader::optional(std::string_view name, double& out) {
  const Value value = take(name, false);
  if (!expect(name, value.is_number(), "a number", value)) return false;
  out = value.as_double();
  return true;
}

bool ObjectReader::optional(std::string_view name, std::vector<std::string>& out) {
  const Value value = take(name, false);
  if (!expect(name, all_strings(value), "an array of strings", value)) return false;
  out = read_strings(value);
  return true;
}

Value ObjectReader::required_object(std::string_view name) {
  const Value value = take(name, true);
  return expect(name, value.is_object(), "an object", value) ? value : Value{};
}

Value ObjectReader::optional_object(std::string_view name) {
  const Value value = take(name, false);
  return expect(name, value.is_object(), "an object", value) ? value : Value{};
}

Value ObjectReader::required_array(std::string_view name) {
  const Value value = take(name, true);
  return expect(name, value.is_array(), "an array", value) ? value : Value{};
}

Value ObjectReader::optional_array(std::string_view name) {
  const Value value = take(name, false);
  return expect(name, value.is_array(), "an array", value) ? value : Value{};
}

Value ObjectReader::optional_any(std::string_view name) { return take(name, false); }

Status ObjectReader::finish() {
  const std::size_t members =
      value_.exists() && !failed() && unknown_ == Unknown::refuse ? value_.size() : 0;
  for (std::size_t i = 0; i < members && !failed(); ++i) {
    const std::string_view name = value_.member_at(i).name;
    if (std::find(known_.begin(), known_.end(), name) != known_.end()) continue;
    std::string names;
    for (std::size_t k = 0; k < known_.size() && k < kShownNamesMax; ++k) {
      names += (k == 0 ? "" : ", ") + quote(known_[k]);
    }
    fail(shown(name) + " is not known here; known are: " + names);
  }
  if (failed()) return rejected(error_);
  return {};
}

}  // namespace millrace::json
