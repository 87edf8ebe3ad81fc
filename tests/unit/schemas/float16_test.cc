#include "schemas/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace millrace {
namespace {

constexpr std::uint32_t kPatterns = 0x1'0000;

// What the bits mean, computed from the definition of binary16.
double meaning(std::uint32_t bits) {
  const double sign = (bits & 0x8000U) != 0 ? -1 : 1;
  const int exponent = static_cast<int>((bits >> 10U) & 0x1fU);
  const double fraction = (bits & 0x3ffU) / 1024.0;
  if (exponent == 0) return sign * std::ldexp(fraction, -14);
  return sign * std::ldexp(1 + fraction, exponent - 15);
}

bool is_finite(std::uint32_t bits) { return (bits & 0x7c00U) != 0x7c00U; }

TEST(Float16, means_what_ieee_754_says_for_all_65536_patterns) {
  for (std::uint32_t bits = 0; bits < kPatterns; ++bits) {
    const float value = float_from(static_cast<std::uint16_t>(bits));
    if (is_finite(bits)) {
      ASSERT_EQ(static_cast<double>(value), meaning(bits)) << bits;
      ASSERT_EQ(std::signbit(value), (bits & 0x8000U) != 0) << bits;
    } else if ((bits & 0x3ffU) == 0) {
      ASSERT_TRUE(std::isinf(value)) << bits;
    } else {
      ASSERT_TRUE(std::isnan(value)) << bits;
    }
  }
}

TEST(Float16, survives_the_way_through_float_for_all_65536_patterns) {
  for (std::uint32_t bits = 0; bits < kPatterns; ++bits) {
    const std::uint16_t back = float16_from(float_from(static_cast<std::uint16_t>(bits)));
    if (is_finite(bits) || (bits & 0x3ffU) == 0) {
      ASSERT_EQ(back, bits);
    } else {
      ASSERT_TRUE(std::isnan(float_from(back))) << bits;
    }
  }
}

TEST(Float16, rounds_to_nearest_and_ties_to_even_between_all_neighbours) {
  for (std::uint32_t bits = 0; bits < 0x7bffU; ++bits) {
    const double low = meaning(bits);
    const double high = meaning(bits + 1);
    const auto middle = static_cast<float>((low + high) / 2);  // exact: one bit more
    ASSERT_EQ(float16_from(middle), (bits & 1U) == 0 ? bits : bits + 1) << bits;
    ASSERT_EQ(float16_from(-middle), 0x8000U | ((bits & 1U) == 0 ? bits : bits + 1)) << bits;
    ASSERT_EQ(float16_from(std::nextafter(middle, 0.0F)), bits);
    ASSERT_EQ(float16_from(std::nextafter(middle, 1e6F)), bits + 1);
  }
}

TEST(Float16, overflows_to_infinity_from_half_past_the_greatest_value) {
  EXPECT_EQ(float16_from(65'504.0F), 0x7bffU);
  EXPECT_EQ(float16_from(std::nextafter(65'520.0F, 0.0F)), 0x7bffU);
  EXPECT_EQ(float16_from(65'520.0F), 0x7c00U);
  EXPECT_EQ(float16_from(-std::numeric_limits<float>::max()), 0xfc00U);
  EXPECT_EQ(float16_from(std::numeric_limits<float>::infinity()), 0x7c00U);
}

TEST(Float16, underflows_to_a_zero_of_the_same_sign) {
  EXPECT_EQ(float16_from(std::numeric_limits<float>::denorm_min()), 0U);
  EXPECT_EQ(float16_from(-1e-20F), 0x8000U);
}

TEST(Float16, blocks_are_little_endian) {
  const std::vector<float> values{1.0F, -2.0F};
  EXPECT_EQ(encode_float16(values), std::string("\x00\x3c\x00\xc0", 4));
  EXPECT_EQ(encode_float32(values), std::string("\x00\x00\x80\x3f\x00\x00\x00\xc0", 8));
}

TEST(Float16, blocks_are_refused_when_cut_or_not_finite) {
  std::vector<float> out;
  EXPECT_FALSE(decode_float16("abc", out));
  EXPECT_FALSE(decode_float16(std::string("\x00\x3c\x00\x7c", 4), out));
  EXPECT_FALSE(decode_float16(std::string("\x01\xfc", 2), out));
  EXPECT_FALSE(decode_float32("abcdef", out));
  EXPECT_FALSE(decode_float32(std::string("\x00\x00\x80\x7f", 4), out));
  EXPECT_FALSE(decode_float32(std::string("\x00\x00\xc0\xff", 4), out));
  EXPECT_TRUE(decode_float32("", out));
  EXPECT_TRUE(out.empty());
}

}  // namespace
}  // namespace millrace
