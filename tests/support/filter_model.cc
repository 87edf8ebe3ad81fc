#include "tests/support/filter_model.h"

#include <algorithm>
#include <compare>
#include <ctime>
#include <optional>
#include <variant>
#include <vector>

#include "common/json.h"

namespace millrace::testing_filter {
namespace {

struct Time {
  long long seconds = 0;
  std::string fraction;
  auto operator<=>(const Time&) const = default;
};
using Scalar = std::variant<bool, long double, Time, std::string>;

// Takes what looks like `shape` from the front, where d is a digit; empty when it does not.
std::string take(std::string_view& text, std::string_view shape) {
  if (text.size() < shape.size()) return "";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == 'd' ? !digit : text[i] != shape[i]) return "";
  }
  const std::string taken{text.substr(0, shape.size())};
  text.remove_prefix(shape.size());
  return taken;
}

std::optional<Time> time_of(std::string_view text) {
  const std::string date = take(text, "dddd-dd-dd");
  if (date.empty()) return std::nullopt;
  std::tm asked{};
  asked.tm_year = std::stoi(date) - 1900;
  asked.tm_mon = std::stoi(date.substr(5)) - 1;
  asked.tm_mday = std::stoi(date.substr(8));
  std::tm made = asked;
  Time time{timegm(&made), ""};
  if (made.tm_mday != asked.tm_mday || made.tm_mon != asked.tm_mon) return std::nullopt;
  if (text.empty()) return time;
  if (std::string_view{"Tt "}.find(text.front()) == std::string_view::npos) return std::nullopt;
  text.remove_prefix(1);
  const std::string clock = take(text, "dd:dd:dd");
  if (clock.empty() || clock >= "24" || clock.substr(3) >= "60" || clock.substr(6) >= "60") {
    return std::nullopt;
  }
  time.seconds += std::stoi(clock) * 3600 + std::stoi(clock.substr(3)) * 60;
  time.seconds += std::stoi(clock.substr(6));
  if (!take(text, ".").empty()) {
    for (std::string digit = take(text, "d"); !digit.empty(); digit = take(text, "d")) {
      time.fraction += digit;
    }
  }
  while (time.fraction.ends_with('0')) time.fraction.pop_back();
  if (text.empty() || text == "Z" || text == "z") return time;
  const int sign = text.front() == '-' ? 1 : -1;
  text.remove_prefix(1);
  const std::string zone = take(text, "dd:dd");
  if (zone.empty() || !text.empty()) return std::nullopt;
  time.seconds += sign * (std::stoi(zone) * 3600 + std::stoi(zone.substr(3)) * 60);
  return time;
}

Scalar scalar_of(json::Value value) {
  if (value.is_bool()) return value.as_bool();
  if (value.is_integer()) return static_cast<long double>(value.as_integer());
  if (value.is_number()) return static_cast<long double>(value.as_double());
  if (const auto time = time_of(value.as_string())) return *time;
  return std::string{value.as_string()};
}

void collect(json::Value value, std::string_view path, std::vector<json::Value>& out);

// Everything at `path` inside of an object, through arrays.
void collect_inside(json::Value object, std::string_view path, std::vector<json::Value>& out) {
  for (std::size_t i = 0; i < object.size(); ++i) {
    const auto member = object.member_at(i);
    if (member.name == path) out.push_back(member.value);
    const bool inside = path.size() > member.name.size() && path.starts_with(member.name) &&
                        path[member.name.size()] == '.';
    if (inside) collect(member.value, path.substr(member.name.size() + 1), out);
  }
}

void collect(json::Value value, std::string_view path, std::vector<json::Value>& out) {
  if (value.is_object()) collect_inside(value, path, out);
  for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) collect(value[i], path, out);
}

void flatten(json::Value value, std::vector<Scalar>& out) {
  for (std::size_t i = 0; value.is_array() && i < value.size(); ++i) flatten(value[i], out);
  if (value.is_bool() || value.is_number() || value.is_string()) out.push_back(scalar_of(value));
}

bool compare(std::string_view operation, const Scalar& left, json::Value wanted) {
  const Scalar right = scalar_of(wanted);
  if (left.index() != right.index()) return false;
  if (operation == "eq") return left == right;
  if (operation == "lt") return left < right;
  if (operation == "lte") return left <= right;
  return operation == "gt" ? left > right : left >= right;
}

bool condition(std::string_view path, std::string_view operation, json::Value wanted,
               json::Value metadata) {
  if (operation == "ne") return !condition(path, "eq", wanted, metadata);
  std::vector<json::Value> found;
  collect_inside(metadata, path, found);
  if (operation == "exists") {
    return wanted.as_bool() == std::any_of(found.begin(), found.end(),
                                           [](json::Value value) { return !value.is_null(); });
  }
  std::vector<Scalar> values;
  for (const json::Value value : found) flatten(value, values);
  return std::any_of(values.begin(), values.end(), [&](const Scalar& value) {
    if (operation != "in") return compare(operation, value, wanted);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (compare("eq", value, wanted[i])) return true;
    }
    return false;
  });
}

bool matches(json::Value filter, json::Value metadata) {
  for (std::size_t i = 0; i < filter.size(); ++i) {
    auto [name, value] = filter.member_at(i);
    bool holds = name != "or";
    if (name == "and" || name == "or") {
      for (std::size_t each = 0; each < value.size(); ++each) {
        if (matches(value[each], metadata) == (name == "or")) holds = name == "or";
      }
    } else if (name == "not") {
      holds = !matches(value, metadata);
    } else {
      if (name.starts_with('\\')) name.remove_prefix(1);
      if (!value.is_object()) holds = condition(name, "eq", value, metadata);
      for (std::size_t each = 0; value.is_object() && each < value.size(); ++each) {
        const auto part = value.member_at(each);
        holds = holds && condition(name, part.name, part.value, metadata);
      }
    }
    if (!holds) return false;
  }
  return true;
}

constexpr std::string_view kNames[] = {"a",   "b",   "year", "tags", "and", "not", "a.b",
                                       "\\q", "año", "",     "本",   "b.",  "a\t", "a a"};
constexpr std::string_view kScalars[] = {
    "true",
    "false",
    "0",
    "-0.0",
    "1",
    "1.0",
    "-1",
    "2.5",
    "-2.5",
    "1e300",
    "-1e-300",
    "5e-324",
    "9007199254740992",
    "9007199254740993",
    "9007199254740994",
    "9007199254740992.0",
    "-9007199254740993",
    "9223372036854775807",
    "9223372036854775806",
    "9223372036854775808",
    "-9223372036854775808",
    "9223372036854774784.0",
    "\"\"",
    "\"a\"",
    "\"A\"",
    "\"ab\"",
    "\"\\u0000\"",
    "\"é\"",
    "\"日本\"",
    "\"\xF0\x9F\x98\x80\"",
    "\"\xEF\xBD\x9E\"",
    "\"2024\"",
    "\"2024-02-29\"",
    "\"2023-02-29\"",
    "\"2024-02-29T00:00:00Z\"",
    "\"2024-02-29T02:00:00+02:00\"",
    "\"2024-02-28t23:59:59.9z\"",
    "\"2024-02-29 00:00:00.000\"",
    "\"2024-02-29T00:00:00.5\"",
    "\"2024-02-29T00:00:00.50000000000001-00:00\"",
    "\"2024-02-29T24:00:00Z\"",
    "\"0000-01-01T00:00:00+23:59\"",
    "\"9999-12-31T23:59:59.999-23:59\"",
    "\"1969-12-31T23:59:59Z\"",
};

template <std::size_t N>
std::string pick(RandomFilters& random, const std::string_view (&from)[N]) {
  return std::string{from[random.below(N)]};
}

}  // namespace

bool model_matches(std::string_view filter, std::string_view metadata) {
  const auto condition = json::Document::parse(filter);
  const auto document = json::Document::parse(metadata);
  return matches(condition.value().root(), document.value().root());
}

std::string RandomFilters::name() { return pick(*this, kNames); }

std::string RandomFilters::field() {
  std::string path = name();
  while (below(4) == 0) path += "." + name();
  const bool special = path == "and" || path == "or" || path == "not" || path.starts_with('\\');
  return special ? "\\" + path : path;
}

std::string RandomFilters::scalar() { return pick(*this, kScalars); }

std::string RandomFilters::value(int depth) {
  const std::size_t kind = below(12);
  if (kind == 0) return "null";
  if (depth == 0 || kind > 4) return scalar();
  if (kind > 2) return object(depth - 1);
  std::string out;
  for (std::size_t i = below(4); i > 0; --i) out += (out.empty() ? "" : ",") + value(depth - 1);
  return "[" + out + "]";
}

std::string RandomFilters::object(int depth) {
  std::vector<std::string> names;
  std::string out;
  for (std::size_t i = below(5); i > 0; --i) {
    const std::string next = name();
    if (std::find(names.begin(), names.end(), next) != names.end()) continue;
    names.push_back(next);
    out += (out.empty() ? "" : ",") + json::quote(next) + ":" + value(depth);
  }
  return "{" + out + "}";
}

std::string RandomFilters::metadata() { return object(3); }

std::string RandomFilters::operators() {
  constexpr std::string_view kOperations[] = {"eq", "ne", "lt", "lte", "gt", "gte", "in", "exists"};
  const std::size_t first = below(8);
  std::string out;
  for (std::size_t i = first; i <= first + below(2) && i < 8; ++i) {
    const std::string name{kOperations[i]};
    std::string operand = scalar();
    while (name.size() >= 2 && (name[0] == 'l' || name[0] == 'g') &&
           (operand == "true" || operand == "false")) {
      operand = scalar();
    }
    if (name == "in") operand = "[" + operand + "," + scalar() + "]";
    if (name == "exists") operand = below(2) == 0 ? "true" : "false";
    out += (out.empty() ? "\"" : ",\"") + name + "\":" + operand;
  }
  return "{" + out + "}";
}

std::string RandomFilters::filter(int depth) {
  const std::size_t kind = depth == 0 ? 9 : below(10);
  if (kind == 0) return "{\"not\":" + filter(depth - 1) + "}";
  if (kind <= 3) {
    std::string list = filter(depth - 1);
    for (std::size_t i = below(3); i > 0; --i) list += "," + filter(depth - 1);
    return std::string{kind == 1 ? "{\"and\":[" : "{\"or\":["} + list + "]}";
  }
  const std::string first = field();
  std::string out = json::quote(first) + ":" + (below(3) == 0 ? scalar() : operators());
  const std::string second = field();
  if (below(4) == 0 && second != first) out += "," + json::quote(second) + ":" + operators();
  return "{" + out + "}";
}

}  // namespace millrace::testing_filter
