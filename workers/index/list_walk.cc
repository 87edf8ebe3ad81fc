#include "workers/index/list_walk.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace millrace {
namespace {

// Of the hits that there are, so many may be in lists that are not visited.
constexpr double kMissedShare = 0.05;
// Rows of the first round for each hit that is wanted; each later round has half of those before.
constexpr std::size_t kFirstRowsPerHit = 4;
constexpr std::size_t kRoundRowsMin = 256;

// That a normal distribution exceeds `deviations` of its standard deviations.
double chance_above(double deviations) { return 0.5 * std::erfc(deviations / std::numbers::sqrt2); }

}  // namespace

ListWalk::ListWalk(std::span<const float> scores, std::span<const std::uint32_t> begins,
                   double share, std::size_t rows_max)
    : scores_{scores}, begins_{begins}, share_{share}, rows_max_{rows_max}, left_(scores.size()) {
  std::iota(left_.begin(), left_.end(), 0U);
  std::ranges::make_heap(left_, {}, [this](std::uint32_t list) { return scores_[list]; });
}

bool ListWalk::begin_round(std::size_t found, std::size_t wanted, float floor) {
  if (left_.empty() || rows_ >= rows_max_) return false;
  if (rows_ > 0 && is_enough(found, floor)) return false;
  std::size_t rows = std::max(rows_ / 2, kRoundRowsMin);
  if (!std::isfinite(floor)) rows = std::max(rows, wanted * kFirstRowsPerHit);
  round_end_ = std::min(rows_max_, rows_ + rows);
  return true;
}

std::optional<std::uint32_t> ListWalk::next() {
  if (left_.empty() || rows_ >= round_end_) return {};
  std::ranges::pop_heap(left_, {}, [this](std::uint32_t list) { return scores_[list]; });
  const std::uint32_t list = left_.back();
  left_.pop_back();
  return list;
}

void ListWalk::visit(std::uint32_t list, std::size_t rows) {
  if (rows == 0) return;
  visited_.push_back({list, rows});
  rows_ += rows;
}

bool ListWalk::is_enough(std::size_t found, float floor) const {
  if (!std::isfinite(floor)) return false;  // less than wanted are found, and nobody else found any
  const double deviation = std::sqrt(squares_ / static_cast<double>(rows_));
  const auto chance = [&](std::uint32_t list) {
    const double missing = static_cast<double>(floor) - scores_[list];
    if (!(deviation > 0)) return missing > 0 ? 0.0 : 1.0;
    return chance_above(missing / deviation);
  };
  double foretold = 0;
  for (const Visited& each : visited_) {
    foretold += static_cast<double>(each.rows) * chance(each.list);
  }
  const double hits = static_cast<double>(found);
  const double missed_max = kMissedShare * std::max(hits, 1.0) * (foretold + 1) / (hits + 1);
  double missed = 0;
  for (const std::uint32_t list : left_) {
    missed += share_ * (begins_[list + 1] - begins_[list]) * chance(list);
    if (missed > missed_max) return false;
  }
  return true;
}

}  // namespace millrace
