#pragma once

#include <random>
#include <string>
#include <string_view>

namespace millrace::testing_filter {

// What a filter means, straight from the JSON of both and without the keys that the index uses:
// long double for numbers, timegm() for times. For documents within the limits of filter_value.h.
bool model_matches(std::string_view filter, std::string_view metadata);

// Documents and filters over few names and values, so that they meet: nested objects, arrays of
// mixed types, times with zones and fractions, integers beyond 2^53, -0.0, names with dots.
class RandomFilters {
 public:
  explicit RandomFilters(unsigned seed) : random_{seed} {}
  std::string metadata();
  std::string filter() { return filter(3); }
  std::size_t below(std::size_t end) {
    return std::uniform_int_distribution<std::size_t>{0, end - 1}(random_);
  }

 private:
  std::string name();
  std::string field();
  std::string scalar();
  std::string value(int depth);
  std::string object(int depth);
  std::string filter(int depth);
  std::string operators();

  std::mt19937 random_;
};

}  // namespace millrace::testing_filter
