#include "workers/drift/drift.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <random>

#include "workers/drift/drift_probe.h"

namespace millrace {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::size_t kWindow = 200;

std::vector<float> at(double degrees) {
  const double angle = degrees * std::numbers::pi / 180;
  return {static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))};
}

// Half of them this much to the left, half to the right.
void ask(VectorDrift& drift, std::size_t count, double degrees, double spread = 0) {
  for (std::size_t i = 0; i < count; ++i) {
    drift.add(at(degrees + (i % 2 == 0 ? spread : -spread)));
  }
}

TEST(VectorDrift, is_unknown_until_there_are_two_windows) {
  VectorDrift drift{kWindow};
  ask(drift, 2 * kWindow - 1, 0);
  EXPECT_EQ(drift.reference_size(), kWindow);
  EXPECT_FALSE(drift.distance());
  ask(drift, 1, 0);
  ASSERT_TRUE(drift.distance());
  EXPECT_NEAR(*drift.distance(), 0, 1e-6);
}

// Of points without a spread the distance is that of the points: a chord, 2 sin(angle / 2).
TEST(VectorDrift, is_the_distance_of_the_centroids) {
  for (const double degrees : {10.0, 60.0, 180.0}) {
    VectorDrift drift{kWindow};
    ask(drift, kWindow, 0);
    ask(drift, kWindow, degrees);
    ASSERT_TRUE(drift.distance());
    EXPECT_NEAR(*drift.distance(), 2 * std::sin(degrees * std::numbers::pi / 360), 1e-6);
  }
}

// By hand, of a = (1, 0), b = (0, 1), half of a window each: the products of different ones are
// 1 or 0, their mean (n / 2 - 1) / (n - 1); between two such windows it is 1 / 2. So the square is
// 2 (n / 2 - 1) / (n - 1) - 1 = -1 / (n - 1): below 0, since it is unbiased.
TEST(VectorDrift, is_unbiased) {
  VectorDrift drift{kWindow};
  for (std::size_t i = 0; i < 2 * kWindow; ++i) drift.add(at(i % 2 == 0 ? 0 : 90));
  ASSERT_TRUE(drift.distance());
  EXPECT_EQ(*drift.distance(), 0);
  // The same against only b: 1 + (n / 2 - 1) / (n - 1) - 1.
  ask(drift, kWindow, 90);
  const double n = kWindow;
  EXPECT_NEAR(*drift.distance(), std::sqrt((n / 2 - 1) / (n - 1)), 1e-6);
}

TEST(VectorDrift, goes_back_when_people_ask_as_before) {
  VectorDrift drift{kWindow};
  ask(drift, kWindow, 0, 5);
  ask(drift, kWindow, 90, 5);
  EXPECT_GT(*drift.distance(), 1);
  ask(drift, kWindow / 2, 0, 5);
  const double half = *drift.distance();
  EXPECT_GT(half, 0.5);
  EXPECT_LT(half, 1);
  ask(drift, kWindow / 2, 0, 5);
  EXPECT_LT(*drift.distance(), 0.01);
}

TEST(VectorDrift, begins_anew_with_vectors_of_another_length) {
  VectorDrift drift{kWindow};
  ask(drift, 2 * kWindow, 0);
  const std::vector<float> longer{1, 0, 0};
  drift.add(longer);
  EXPECT_FALSE(drift.distance());
  EXPECT_EQ(drift.reference_size(), 1U);
}

TEST(VectorDrift, is_small_by_chance) {
  std::mt19937 random{7};
  std::normal_distribution<float> normal;
  VectorDrift drift{kWindow};
  double highest = 0;
  for (std::size_t i = 0; i < 20 * kWindow; ++i) {
    std::vector<float> vector(32);
    double squares = 0;
    for (float& each : vector) squares += (each = normal(random)) * each;
    for (float& each : vector) each = static_cast<float>(each / std::sqrt(squares));
    drift.add(vector);
    highest = std::max(highest, drift.distance().value_or(0));
  }
  EXPECT_LT(highest, 0.15);  // half of what the alert takes for drift
}

// Of 0 to 199, so that each tenth has twenty.
void score(ScoreDrift& drift, std::size_t from, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) drift.add(static_cast<double>(from + i));
}

TEST(ScoreDrift, is_nothing_for_the_same_scores) {
  ScoreDrift drift{kWindow};
  score(drift, 0, kWindow);
  score(drift, 0, kWindow - 1);
  EXPECT_FALSE(drift.index());
  score(drift, kWindow - 1, 1);
  ASSERT_TRUE(drift.index());
  EXPECT_NEAR(*drift.index(), 0, 1e-12);
}

// By hand: all of the newest are in the highest bin: 200 of 200 where 20 were, none elsewhere. With
// half a sample more in each bin, of 205: p = 200.5 / 205 against 20.5 / 205, and nine times 0.5 /
// 205 against 20.5 / 205.
TEST(ScoreDrift, is_the_population_stability_index) {
  ScoreDrift drift{kWindow};
  score(drift, 0, kWindow);
  for (std::size_t i = 0; i < kWindow; ++i) drift.add(500);
  const double wanted =
      (180.0 / 205) * std::log(200.5 / 20.5) + 9 * (-20.0 / 205) * std::log(0.5 / 20.5);
  ASSERT_TRUE(drift.index());
  EXPECT_NEAR(*drift.index(), wanted, 1e-9);
}

TEST(ScoreDrift, forgets_what_is_older_than_its_window) {
  ScoreDrift drift{kWindow};
  score(drift, 0, kWindow);
  for (std::size_t i = 0; i < 3 * kWindow; ++i) drift.add(-1);
  EXPECT_GT(*drift.index(), 1);
  score(drift, 0, kWindow);
  EXPECT_NEAR(*drift.index(), 0, 1e-12);
}

// Scores that are all alike fill one bin, and stay there.
TEST(ScoreDrift, bears_equal_scores) {
  ScoreDrift drift{kWindow};
  for (std::size_t i = 0; i < 2 * kWindow; ++i) drift.add(0.5);
  EXPECT_NEAR(*drift.index(), 0, 1e-12);
}

TEST(ScoreDrift, sees_where_equal_scores_go) {
  for (const double other : {0.4, 0.6}) {
    ScoreDrift drift{kWindow};
    for (std::size_t i = 0; i < kWindow; ++i) drift.add(0.5);
    for (std::size_t i = 0; i < kWindow; ++i) drift.add(other);
    EXPECT_GT(*drift.index(), 1);
  }
}

TEST(DriftProbe, shows_a_generation_for_as_long_as_it_is_there) {
  MetricsRegistry metrics;
  {
    QuestionDriftProbe questions{{&metrics, kWindow}, 7};
    ScoreDriftProbe scores{{&metrics, kWindow}, 7};
    EXPECT_THAT(metrics.render(), HasSubstr("question_drift{generation=\"7\"} 0\n"));
    for (std::size_t i = 0; i < kWindow; ++i) questions.asked(at(0));
    for (std::size_t i = 0; i < kWindow; ++i) questions.asked(at(180));
    for (std::size_t i = 0; i < 4 * kWindow; ++i) scores.found(i < 2 * kWindow ? 0.2 : 0.9, 2);
    EXPECT_THAT(metrics.render(), HasSubstr("question_drift{generation=\"7\"} 2\n"));
    EXPECT_THAT(metrics.render(), Not(HasSubstr("retrieval_score_drift{generation=\"7\"} 0\n")));
  }
  EXPECT_THAT(metrics.render(), Not(HasSubstr("generation=\"7\"")));
}

}  // namespace
}  // namespace millrace
