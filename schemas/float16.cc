#include "schemas/float16.h"

#include <bit>
#include <cmath>

namespace millrace {
namespace {

constexpr std::uint32_t kSign32 = 0x8000'0000U;
constexpr std::uint32_t kInfinity32 = 0x7f80'0000U;
constexpr std::uint16_t kInfinity16 = 0x7c00U;

// `bits` shifted right by `shift`, rounded to nearest, ties to even.
std::uint32_t shift_and_round(std::uint32_t bits, unsigned shift) {
  const std::uint32_t half = 1U << (shift - 1);
  const std::uint32_t rest = bits & ((1U << shift) - 1);
  const std::uint32_t kept = bits >> shift;
  return kept + ((rest > half || (rest == half && (kept & 1U) != 0)) ? 1U : 0U);
}

void put(std::string& out, std::uint32_t bits, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>((bits >> (8 * i)) & 0xffU));
}

std::uint32_t take(std::string_view bytes, std::size_t at, int count) {
  std::uint32_t bits = 0;
  for (int i = 0; i < count; ++i) {
    const auto byte = static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(i)]);
    bits |= static_cast<std::uint32_t>(byte) << (8 * i);
  }
  return bits;
}

}  // namespace

std::uint16_t float16_from(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const auto sign = static_cast<std::uint16_t>((bits & kSign32) >> 16U);
  const std::uint32_t magnitude = bits & ~kSign32;
  if (magnitude >= kInfinity32) {
    const std::uint32_t fraction = magnitude == kInfinity32 ? 0U : 0x200U;
    return static_cast<std::uint16_t>(sign | kInfinity16 | fraction);
  }
  const int exponent = static_cast<int>(magnitude >> 23U) - 127 + 15;  // re-biased
  if (exponent >= 31) return static_cast<std::uint16_t>(sign | kInfinity16);
  if (exponent <= 0) {  // subnormal in float16, or nothing
    if (exponent < -10) return sign;
    const std::uint32_t fraction = (magnitude & 0x7f'ffffU) | 0x80'0000U;
    return static_cast<std::uint16_t>(
        sign | shift_and_round(fraction, static_cast<unsigned>(14 - exponent)));
  }
  // A carry out of the fraction goes into the exponent, and from the last one to infinity: right.
  const std::uint32_t packed =
      (static_cast<std::uint32_t>(exponent) << 23U) | (magnitude & 0x7f'ffffU);
  return static_cast<std::uint16_t>(sign | shift_and_round(packed, 13));
}

float float_from(std::uint16_t float16) {
  const std::uint32_t sign = (float16 & 0x8000U) << 16U;
  const std::uint32_t exponent = (float16 >> 10U) & 0x1fU;
  const std::uint32_t fraction = float16 & 0x3ffU;
  if (exponent == 31) return std::bit_cast<float>(sign | kInfinity32 | (fraction << 13U));
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | ((exponent + 127 - 15) << 23U) | (fraction << 13U));
}

std::string encode_float16(std::span<const float> values) {
  std::string out;
  out.reserve(values.size() * 2);
  for (const float value : values) put(out, float16_from(value), 2);
  return out;
}

std::string encode_float32(std::span<const float> values) {
  std::string out;
  out.reserve(values.size() * 4);
  for (const float value : values) put(out, std::bit_cast<std::uint32_t>(value), 4);
  return out;
}

bool decode_float16(std::string_view bytes, std::vector<float>& out) {
  if (bytes.size() % 2 != 0) return false;
  out.resize(bytes.size() / 2);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto bits = static_cast<std::uint16_t>(take(bytes, 2 * i, 2));
    if ((bits & kInfinity16) == kInfinity16) return false;
    out[i] = float_from(bits);
  }
  return true;
}

bool decode_float32(std::string_view bytes, std::vector<float>& out) {
  if (bytes.size() % 4 != 0) return false;
  out.resize(bytes.size() / 4);
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = std::bit_cast<float>(take(bytes, 4 * i, 4));
    if (!std::isfinite(out[i])) return false;
  }
  return true;
}

}  // namespace millrace
