#include "gateway/cli/eval/gate.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "common/json.h"

namespace millrace {
namespace {

// Of adding up in another order; far below what one case of a million makes.
constexpr double kRounding = 1e-9;
constexpr std::size_t kThresholdsMax = 1'000;

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string_view unquoted(std::string_view text) {
  const bool quoted = text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
                      text.back() == text.front();
  return quoted ? text.substr(1, text.size() - 2) : text;
}

bool is_share(double value) { return std::isfinite(value) && value >= 0 && value <= 1; }

std::optional<double> share_of(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || rest != end || !is_share(value)) return std::nullopt;
  return value;
}

Result<Threshold> threshold(std::string_view name, std::optional<double> least, std::string origin,
                            std::string_view first_mode) {
  Result<std::string> figure = figure_name(name, first_mode);
  if (!figure) return with_context(origin, figure.error());
  if (!least) {
    return rejected(origin + ": what " + *figure + " must reach is a number from 0 to 1, as 0.70");
  }
  return Threshold{*std::move(figure), *least, std::move(origin)};
}

// The members of an object of numbers, each less `tolerance`.
Result<std::vector<Threshold>> from_object(json::Value object, const std::string& origin,
                                           double tolerance, std::string_view first_mode) {
  std::vector<Threshold> out;
  if (object.size() > kThresholdsMax) return rejected(origin + ": has too many members");
  for (std::size_t i = 0; i < object.size(); ++i) {
    const auto [name, value] = object.member_at(i);
    std::optional<double> least;
    if (value.is_number() && is_share(value.as_double())) least = value.as_double();
    Result<Threshold> one = threshold(name, least, origin, first_mode);
    if (!one) return one.error();
    one->least -= tolerance;
    out.push_back(*std::move(one));
  }
  return out;
}

Result<std::vector<Threshold>> from_lines(std::string_view text, const std::string& file,
                                          std::string_view first_mode) {
  std::vector<Threshold> out;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = trimmed(line.substr(0, line.find('#')));
    if (line.empty() || line == "---") continue;
    const std::string origin = file + " line " + std::to_string(number);
    const std::size_t colon = line.rfind(':');
    if (colon == std::string_view::npos || out.size() == kThresholdsMax) {
      return rejected(origin + ": is not `name: value`, such as `ndcg@10: 0.70`");
    }
    Result<Threshold> one =
        threshold(unquoted(trimmed(line.substr(0, colon))),
                  share_of(trimmed(line.substr(colon + 1))), origin, first_mode);
    if (!one) return one.error();
    out.push_back(*std::move(one));
  }
  return out;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", value);
  return text;
}

}  // namespace

Result<Threshold> parse_min(std::string_view text, std::string_view first_mode) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    return rejected("--min " + std::string{text} + ": is not NAME=VALUE, such as ndcg@10=0.70");
  }
  return threshold(text.substr(0, equals), share_of(text.substr(equals + 1)), "--min", first_mode);
}

Result<std::vector<Threshold>> parse_thresholds(std::string_view text, const std::string& file,
                                                std::string_view first_mode) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool json = first != std::string_view::npos && text[first] == '{';
  if (!json) {
    auto lines = from_lines(text, file, first_mode);
    if (lines && lines->empty()) return rejected(file + ": names no figure");
    return lines;
  }
  Result<json::Document> parsed = json::Document::parse(text);
  if (!parsed) return with_context(file, parsed.error());
  return from_object(parsed->root(), file, 0, first_mode);
}

Result<std::vector<Threshold>> parse_baseline(std::string_view text, const std::string& file,
                                              double tolerance) {
  Result<json::Document> parsed = json::Document::parse(text);
  if (!parsed) return with_context(file, parsed.error());
  const json::Value figures = parsed->root().member("figures");
  if (!figures.is_object() || figures.size() == 0) {
    return rejected(file +
                    ": has no \"figures\"; a baseline is what `millrace eval --json FILE` wrote");
  }
  return from_object(figures, "baseline " + file, tolerance, kSearchModes[0]);
}

std::vector<Check> check(std::span<const Threshold> thresholds, std::span<const Figure> figures) {
  std::vector<Check> out;
  for (const Threshold& each : thresholds) {
    Check one{each, std::nullopt, false};
    const auto found = std::ranges::find(figures, each.figure, &Figure::name);
    if (found != figures.end()) {
      one.value = found->value;
      one.passed = found->value >= each.least - kRounding;
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::string describe(const Check& check) {
  return check.threshold.figure +
         (check.value ? " is " + number(*check.value) : std::string{" was not measured"}) +
         ", at least " + number(check.threshold.least) + " is wanted by " + check.threshold.origin;
}

}  // namespace millrace
