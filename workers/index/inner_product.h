#pragma once

#include <cstddef>
#include <cstdint>

// The two loops that a search by vectors spends its time in: with AVX2 and FMA where the CPU has
// them, whatever FAISS was compiled for, and without.
namespace millrace {

float float_product(const float* a, const float* b, std::size_t size);
float float_product_plain(const float* a, const float* b, std::size_t size);

// Of 16-bit weights (not -2^15) and bytes: exact, so equal with and without.
std::int64_t byte_product(const std::int16_t* weights, const std::uint8_t* codes, std::size_t size);
std::int64_t byte_product_plain(const std::int16_t* weights, const std::uint8_t* codes,
                                std::size_t size);

}  // namespace millrace
