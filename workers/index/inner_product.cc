#include "workers/index/inner_product.h"

#include <immintrin.h>

#include <algorithm>
#include <array>

#include "common/cpu.h"
#include "schemas/float16.h"

namespace millrace {
namespace {

constexpr std::size_t kFloats = 8;  // in a register
constexpr std::size_t kSums = 4;    // side by side, as each waits four cycles for its predecessor
constexpr std::size_t kWeights = 16;

// A 32-bit lane takes an eighth of the products, each below 2^15 * 255: so many never overflow it.
constexpr std::size_t kLaneProducts = 2'048;

[[gnu::target("avx2,fma,f16c")]] __m256 eight_floats(const float* floats) {
  return _mm256_loadu_ps(floats);
}
[[gnu::target("avx2,fma,f16c")]] __m256 eight_floats(const std::uint16_t* halves) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(halves)));
}

float plain_product(const float* a, const float* b, std::size_t size) {
  return float_product_plain(a, b, size);
}
float plain_product(const float* a, const std::uint16_t* b, std::size_t size) {
  return half_product_plain(a, b, size);
}

template <class Number>
[[gnu::target("avx2,fma,f16c")]] float product_avx2(const float* a, const Number* b,
                                                    std::size_t size) {
  __m256 sums[kSums] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                        _mm256_setzero_ps()};
  std::size_t i = 0;
  for (; size - i >= kFloats * kSums; i += kFloats * kSums) {
    for (std::size_t sum = 0; sum < kSums; ++sum) {
      const std::size_t at = i + sum * kFloats;
      sums[sum] = _mm256_fmadd_ps(_mm256_loadu_ps(a + at), eight_floats(b + at), sums[sum]);
    }
  }
  for (; size - i >= kFloats; i += kFloats) {
    sums[0] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), eight_floats(b + i), sums[0]);
  }
  const __m256 eight =
      _mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3]));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  const __m128 one = _mm_add_ss(two, _mm_movehdup_ps(two));
  return _mm_cvtss_f32(one) + plain_product(a + i, b + i, size - i);
}

[[gnu::target("avx2")]] std::int64_t byte_product_avx2(const std::int16_t* weights,
                                                       const std::uint8_t* codes,
                                                       std::size_t size) {
  std::int64_t sum = 0;
  std::size_t i = 0;
  while (size - i >= kWeights) {
    const std::size_t end = i + std::min(kLaneProducts, (size - i) / kWeights * kWeights);
    __m256i lanes = _mm256_setzero_si256();
    for (; i < end; i += kWeights) {
      const __m256i code =
          _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + i)));
      const __m256i weight = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(weights + i));
      lanes = _mm256_add_epi32(lanes, _mm256_madd_epi16(weight, code));
    }
    alignas(32) std::array<std::int32_t, 8> parts;
    _mm256_store_si256(reinterpret_cast<__m256i*>(parts.data()), lanes);
    for (const std::int32_t part : parts) sum += part;
  }
  return sum + byte_product_plain(weights + i, codes + i, size - i);
}

bool has_avx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
         cpu_has_f16c();
}
const bool kAvx2 = has_avx2();

}  // namespace

float float_product_plain(const float* a, const float* b, std::size_t size) {
  float sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

float half_product_plain(const float* a, const std::uint16_t* halves, std::size_t size) {
  float sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += a[i] * float_from(halves[i]);
  return sum;
}

std::int64_t byte_product_plain(const std::int16_t* weights, const std::uint8_t* codes,
                                std::size_t size) {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < size; ++i) sum += weights[i] * codes[i];
  return sum;
}

float float_product(const float* a, const float* b, std::size_t size) {
  return kAvx2 ? product_avx2(a, b, size) : float_product_plain(a, b, size);
}

float half_product(const float* a, const std::uint16_t* halves, std::size_t size) {
  return kAvx2 ? product_avx2(a, halves, size) : half_product_plain(a, halves, size);
}

std::int64_t byte_product(const std::int16_t* weights, const std::uint8_t* codes,
                          std::size_t size) {
  return kAvx2 ? byte_product_avx2(weights, codes, size) : byte_product_plain(weights, codes, size);
}

}  // namespace millrace
