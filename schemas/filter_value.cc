#include "schemas/filter_value.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <chrono>
#include <cmath>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

namespace millrace {
namespace {

constexpr char kBehindEveryText = '\xff';  // no UTF-8 has it

template <class Number>
void put_big_endian(std::string& out, Number value, unsigned bytes) {
  for (unsigned shift = bytes * 8; shift > 0; shift -= 8) {
    out.push_back(static_cast<char>((value >> (shift - 8)) & 0xffU));
  }
}

void strip_end(std::string& text, char filler) {
  while (!text.empty() && text.back() == filler) text.pop_back();
}

// A number is the next double below it and how far it is above that, which is less than 1,024: so
// integers that no double holds stay apart from each other. Zeros at the end change no order.
std::string number_bytes(double below, std::uint64_t above) {
  if (below == 0) below = 0;  // -0.0 too
  constexpr std::uint64_t kSign = std::uint64_t{1} << 63U;
  const auto bits = std::bit_cast<std::uint64_t>(below);
  std::string out;
  put_big_endian(out, (bits & kSign) != 0 ? ~bits : bits ^ kSign, 8);
  put_big_endian(out, above, 2);
  strip_end(out, '\0');
  return out;
}

std::string number_bytes(json::Value value) {
  if (!value.is_integer()) return number_bytes(value.as_double(), 0);
  constexpr double kEnd = 9'223'372'036'854'775'808.0;  // 2^63: one more than any integer
  const std::int64_t integer = value.as_integer();
  auto below = static_cast<double>(integer);
  if (below == kEnd || static_cast<std::int64_t>(below) > integer) {
    below = std::nextafter(below, -std::numeric_limits<double>::infinity());
  }
  return number_bytes(below, static_cast<std::uint64_t>(integer) -
                                 static_cast<std::uint64_t>(static_cast<std::int64_t>(below)));
}

std::string text_bytes(std::string_view text) {
  std::string out{text.substr(0, kMetadataStringBytesMax)};
  if (text.size() > kMetadataStringBytesMax) out.push_back(kBehindEveryText);
  return out;
}

std::string instant_bytes(const Instant& instant) {
  constexpr std::int64_t kBias = std::int64_t{1} << 40U;  // years 0 to 9999 are positive with it
  std::string out;
  put_big_endian(out, static_cast<std::uint64_t>(instant.seconds + kBias), 6);
  out += instant.fraction;
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

class InstantReader {
 public:
  explicit InstantReader(std::string_view text) : rest_{text} {}

  std::optional<Instant> read() {
    if (!date()) return std::nullopt;
    if (rest_.empty()) return instant_;
    if (!mark("Tt ") || !time()) return std::nullopt;
    const bool leap = second_ == 60;
    if (!zone() || !rest_.empty()) return std::nullopt;
    // A leap second is the last of a day in UTC; it is the same instant as the next midnight.
    if (leap && instant_.seconds % kDaySeconds != 0) return std::nullopt;
    return instant_;
  }

 private:
  static constexpr std::int64_t kDaySeconds = 86'400;

  bool number(std::size_t digits, int max, int& out) {
    if (rest_.size() < digits) return false;
    out = 0;
    for (const char c : rest_.substr(0, digits)) {
      if (!is_digit(c)) return false;
      out = out * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return out <= max;
  }
  bool mark(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool date() {
    int year = 0;
    int month = 0;
    int day = 0;
    if (!number(4, 9'999, year) || !mark("-") || !number(2, 12, month) || !mark("-") ||
        !number(2, 31, day)) {
      return false;
    }
    const std::chrono::year_month_day date{std::chrono::year{year},
                                           std::chrono::month{static_cast<unsigned>(month)},
                                           std::chrono::day{static_cast<unsigned>(day)}};
    if (!date.ok()) return false;
    instant_.seconds = std::chrono::sys_days{date}.time_since_epoch().count() * kDaySeconds;
    return true;
  }
  bool time() {
    int hour = 0;
    int minute = 0;
    if (!number(2, 23, hour) || !mark(":") || !number(2, 59, minute) || !mark(":") ||
        !number(2, 60, second_)) {
      return false;
    }
    instant_.seconds += hour * 3'600 + minute * 60 + second_;
    if (!mark(".")) return true;
    const auto end = std::find_if_not(rest_.begin(), rest_.end(), is_digit);
    const auto digits = static_cast<std::size_t>(end - rest_.begin());
    instant_.fraction = rest_.substr(0, digits);
    rest_.remove_prefix(digits);
    if (digits == 0) return false;
    instant_.fraction = instant_.fraction.substr(0, instant_.fraction.find_last_not_of('0') + 1);
    return true;
  }
  bool zone() {
    if (rest_.empty() || mark("Zz")) return true;
    const int sign = rest_.front() == '-' ? 1 : -1;
    int hours = 0;
    int minutes = 0;
    if (!mark("+-") || !number(2, 23, hours) || !mark(":") || !number(2, 59, minutes)) return false;
    instant_.seconds += sign * (hours * 3'600 + minutes * 60);
    return true;
  }

  std::string_view rest_;
  Instant instant_;
  int second_ = 0;
};

// Walks a document, in its own order, so that the same is left out every time. The recursion is
// bounded by the depth that JSON may have.
class KeyCollector {
 public:
  void object(json::Value value, const std::string* path) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const json::Value::Member member = value.member_at(i);
      const std::size_t before = path == nullptr ? 0 : path->size() + 1;
      if (before + member.name.size() > kMetadataFieldBytesMax) {
        complete_ = complete_ && member.value.is_null();
        continue;
      }
      add(member.value,
          path == nullptr ? std::string{member.name} : *path + "." + std::string{member.name});
    }
  }
  MetadataKeys take() {
    MetadataKeys out{{}, complete_};
    out.keys.reserve(keys_.size());
    while (!keys_.empty()) out.keys.push_back(std::move(keys_.extract(keys_.begin()).value()));
    return out;
  }

 private:
  void add(json::Value value, const std::string& path) {
    if (value.is_null()) return;
    std::string key = field_key(path);
    if (!insert(key, fields_, kMetadataFieldsMax)) return;
    if (value.is_array()) {
      for (std::size_t i = 0; i < value.size(); ++i) add(value[i], path);
    } else if (value.is_object()) {
      object(value, &path);
    } else {
      const std::string typed = key + value_key(value);
      if (insert(typed, values_, kMetadataValuesMax)) note_several(key, typed);
    }
  }
  // All values of a field are neighbours.
  void note_several(const std::string& field, const std::string& typed) {
    const auto at = keys_.find(typed);
    const auto next = std::next(at);
    const auto previous = std::prev(at);  // at least the field itself
    if (*previous != field || (next != keys_.end() && next->starts_with(field))) {
      keys_.insert(field + '\0');
    }
  }
  bool insert(const std::string& key, std::size_t& count, std::size_t max) {
    if (keys_.contains(key)) return true;
    if (count == max) return complete_ = false;
    ++count;
    keys_.insert(key);
    return true;
  }

  std::set<std::string> keys_;
  std::size_t fields_ = 0;
  std::size_t values_ = 0;
  bool complete_ = true;
};

}  // namespace

std::string field_key(std::string_view field) {
  std::string key;
  key.reserve(field.size() + 2);
  for (const char c : field) {
    key.push_back(c);
    if (c == '\0') key.push_back('\xff');
  }
  return key.append("\0\1", 2);
}

std::string several_key(std::string_view field) { return field_key(field) + '\0'; }

std::string value_key(json::Value value) {
  auto key = [](ValueType type, std::string_view bytes) {
    return std::string(1, static_cast<char>(type)).append(bytes);
  };
  if (value.is_bool()) return key(ValueType::boolean, value.as_bool() ? "\2" : "\1");
  if (value.is_number()) return key(ValueType::number, number_bytes(value));
  const std::string_view text = value.as_string();
  if (text.size() <= kMetadataStringBytesMax) {
    if (const auto instant = parse_instant(text)) {
      return key(ValueType::time, instant_bytes(*instant));
    }
  }
  return key(ValueType::string, text_bytes(text));
}

std::optional<Instant> parse_instant(std::string_view text) { return InstantReader{text}.read(); }

MetadataKeys metadata_keys(std::string_view metadata) {
  if (metadata.empty()) return {};
  const Result<json::Document> document = json::Document::parse(metadata);
  if (!document || !document->root().is_object()) return {{}, false};
  KeyCollector collector;
  collector.object(document->root(), nullptr);
  return collector.take();
}

}  // namespace millrace
