#include "gateway/cli/eval/figures.h"

#include <algorithm>
#include <cmath>

#include "gateway/cli/eval/retrieval.h"

namespace millrace {
namespace {

template <std::size_t N>
bool among(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

template <std::size_t N>
std::string listed(const std::array<std::string_view, N>& names) {
  std::string out;
  for (const std::string_view each : names) out.append(out.empty() ? "" : ", ").append(each);
  return out;
}

}  // namespace

Result<std::string> figure_name(std::string_view name, std::string_view first_mode) {
  if (among(kAnswerFigures, name)) return std::string{name};
  if (among(kRetrievalFigures, name)) return std::string{first_mode} + "." + std::string{name};
  const std::size_t dot = name.find('.');
  if (dot != std::string_view::npos && among(kSearchModes, name.substr(0, dot)) &&
      among(kRetrievalFigures, name.substr(dot + 1))) {
    return std::string{name};
  }
  return rejected("there is no figure \"" + std::string{name} + "\"; there are " +
                  listed(kRetrievalFigures) + " (of the first --mode; with " +
                  listed(kSearchModes) + " and a dot in front of one of them: of that mode), " +
                  listed(kAnswerFigures));
}

Latency latency_of(std::string name, std::vector<double> times_ms) {
  Latency out{std::move(name), 0, 0, times_ms.size()};
  if (times_ms.empty()) return out;
  std::ranges::sort(times_ms);
  const auto at = [&](double share) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(share * static_cast<double>(times_ms.size())));
    return times_ms[std::max<std::size_t>(rank, 1) - 1];
  };
  out.p50_ms = at(0.50);
  out.p99_ms = at(0.99);
  return out;
}

}  // namespace millrace
