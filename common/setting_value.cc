#include "common/setting_value.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <string>

#include "common/otlp_headers.h"

namespace millrace {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr Unit kDurationUnits[] = {{"", 1},          {"ms", 1},          {"s", 1000},
                                   {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 86400 * 1000}};
constexpr Unit kByteUnits[] = {
    {"", 1}, {"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::int64_t> parse_quantity(std::string_view text, std::span<const Unit> units) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number<std::int64_t>(text.substr(0, digits));
  const auto unit = std::find_if(units.begin(), units.end(), [&](const Unit& candidate) {
    return candidate.name == text.substr(digits);
  });
  if (!number || unit == units.end()) return std::nullopt;
  if (*number > std::numeric_limits<std::int64_t>::max() / unit->factor) return std::nullopt;
  return *number * unit->factor;
}

std::string range(const Setting& setting) {
  return " from " + std::to_string(setting.min) + " to " + std::to_string(setting.max);
}

Result<std::string> bounded(const Setting& setting, std::optional<std::int64_t> number,
                            std::string_view what) {
  if (!number || *number < setting.min || *number > setting.max) {
    return rejected("is not " + std::string{what} + range(setting));
  }
  return std::to_string(*number);
}

Result<std::string> parse_real(const Setting& setting, std::string_view text) {
  const auto number = parse_number<double>(text);
  if (!number || !std::isfinite(*number) || *number < static_cast<double>(setting.min) ||
      *number > static_cast<double>(setting.max)) {
    return rejected("is not a number" + range(setting));
  }
  return std::string{text};
}

Result<std::string> parse_boolean(std::string_view text) {
  for (const std::string_view yes : {"true", "yes", "on", "1"}) {
    if (text == yes) return std::string{"true"};
  }
  for (const std::string_view no : {"false", "no", "off", "0"}) {
    if (text == no) return std::string{"false"};
  }
  return rejected("is not true or false");
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

bool is_port(std::string_view text) {
  const auto port = parse_number<std::int64_t>(text);
  return port && *port >= 0 && *port <= 65535 && text.front() != '-';
}

// A name, an IPv4 address, or an IPv6 address in brackets.
bool is_host(std::string_view host) {
  constexpr std::string_view kName =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  constexpr std::string_view kAddress6 = "0123456789abcdefABCDEF:.%";
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return host.substr(1, host.size() - 2).find_first_not_of(kAddress6) == std::string_view::npos;
  }
  return !host.empty() && host.find_first_not_of(kName) == std::string_view::npos;
}

bool is_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  return colon != std::string_view::npos && is_host(text.substr(0, colon)) &&
         is_port(text.substr(colon + 1));
}

bool is_log_level(std::string_view text) {
  return text == "debug" || text == "info" || text == "warning" || text == "error";
}

bool is_url_or_empty(std::string_view text) {
  if (text.empty()) return true;
  const bool known = text.starts_with("http://") || text.starts_with("https://");
  if (!known || !is_printable(text) || text.find_first_of("?#@") != std::string_view::npos) {
    return false;
  }
  std::string_view authority = text.substr(text.find("//") + 2);
  authority = authority.substr(0, authority.find('/'));
  return is_host(authority) || is_host_port(authority);
}

bool is_security_protocol(std::string_view text) {
  return text == "plaintext" || text == "ssl" || text == "sasl_plaintext" || text == "sasl_ssl";
}

bool is_sasl_mechanism_or_empty(std::string_view text) {
  return text.empty() || text == "PLAIN" || text == "SCRAM-SHA-256" || text == "SCRAM-SHA-512";
}

bool is_broker_list_or_empty(std::string_view text) {
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    if (!is_host_port(text.substr(0, comma))) return false;
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
    if (text.empty()) return false;
  }
  return true;
}

// Of a topic, a group or a part of one.
bool is_kafka_name_or_empty(std::string_view text) {
  constexpr std::size_t kBytesMax = 100;
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return text.size() <= kBytesMax && text.find_first_not_of(kAllowed) == std::string_view::npos;
}

bool is_header_list(std::string_view text) { return parse_otlp_headers(text).has_value(); }

bool is_not_empty(std::string_view text) { return !text.empty(); }

// What a text setting must look like, where not every text will do.
struct Shape {
  std::string_view name;
  bool (*holds)(std::string_view text);
  std::string_view mistake;
};
constexpr Shape kShapes[] = {
    {"listen", is_host_port, "is not HOST:PORT, such as 127.0.0.1:8000 or [::1]:8000"},
    {"log_level", is_log_level, "is not one of debug, info, warning, error"},
    {"openai_base_url", is_url_or_empty, "is not an http or https URL, such as https://HOST/v1"},
    {"rerank_url", is_url_or_empty, "is not an http or https URL, such as http://HOST/v1/rerank"},
    {"server", is_url_or_empty, "is not an http or https URL, such as http://127.0.0.1:8000"},
    {"otlp_endpoint", is_url_or_empty,
     "is not an http or https URL, such as http://127.0.0.1:4318"},
    {"otlp_headers", is_header_list,
     "is not NAME=VALUE[,NAME=VALUE…] with percent-encoded values, such as "
     "Authorization=Basic%20KEY"},
    {"openai_api_key", is_printable, "has blanks or characters that are not printable ASCII"},
    {"api_key", is_printable, "has blanks or characters that are not printable ASCII"},
    {"admin_listen", is_host_port, "is not HOST:PORT, such as 127.0.0.1:9100"},
    {"brokers", is_broker_list_or_empty, "is not HOST:PORT[,HOST:PORT…], such as kafka:9092"},
    {"kafka_security_protocol", is_security_protocol,
     "is not one of plaintext, ssl, sasl_plaintext, sasl_ssl"},
    {"kafka_sasl_mechanism", is_sasl_mechanism_or_empty,
     "is not one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512"},
    {"kafka_prefix", is_kafka_name_or_empty, "has more than letters, digits, '.', '_' and '-'"},
    {"kafka_instance", is_kafka_name_or_empty, "has more than letters, digits, '.', '_' and '-'"},
    {"data_dir", is_not_empty, "is not a folder"},
    {"answer_model", is_not_empty, "is not the name of a model"},
};

Result<std::string> parse_text(const Setting& setting, std::string_view text) {
  if (text.find('\0') != std::string_view::npos) return rejected("has a NUL byte");
  for (const Shape& shape : kShapes) {
    if (shape.name == setting.name && !shape.holds(text)) {
      return rejected(std::string{shape.mistake});
    }
  }
  return std::string{text};
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replace = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replace, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

Result<std::string> parse_setting(const Setting& setting, std::string_view text) {
  switch (setting.type) {
    case Setting::Type::integer:
      return bounded(setting, parse_number<std::int64_t>(text), "a whole number");
    case Setting::Type::duration_ms:
      return bounded(setting, parse_quantity(text, kDurationUnits),
                     "a time (250ms, 5s, 2m, 1h, 1d or plain milliseconds) in milliseconds");
    case Setting::Type::bytes:
      return bounded(setting, parse_quantity(text, kByteUnits),
                     "a size (512KiB, 64MiB, 1GiB or plain bytes) in bytes");
    case Setting::Type::real:
      return parse_real(setting, text);
    case Setting::Type::boolean:
      return parse_boolean(text);
    case Setting::Type::text:
    case Setting::Type::path:
    case Setting::Type::secret:
      break;
  }
  return parse_text(setting, text);
}

std::string environment_name(const Setting& setting) {
  if (!setting.environment.empty()) return std::string{setting.environment};
  std::string name = "MILLRACE_";
  for (const char c : setting.name) {
    name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

std::string nearest_name(std::string_view wrong, const std::vector<std::string>& names) {
  constexpr std::size_t kComparedMax = 128;  // longer than any name of ours: nothing is near
  if (wrong.size() > kComparedMax) return {};
  std::string nearest;
  std::size_t least = wrong.size() / 3 + 2;  // further away it is another word
  for (const std::string& name : names) {
    const std::size_t distance = edit_distance(wrong, name);
    if (distance < least) {
      least = distance;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace millrace
