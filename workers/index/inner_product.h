#pragma once

#include <cstddef>
#include <cstdint>

// The loops that a search by vectors spends its time in: with AVX2, FMA and F16C where the CPU has
// them, whatever FAISS was compiled for, and without.
namespace millrace {

float float_product(const float* a, const float* b, std::size_t size);
float float_product_plain(const float* a, const float* b, std::size_t size);

// Of floats and finite float16: half the memory to read, which is what a scan waits for.
float half_product(const float* a, const std::uint16_t* halves, std::size_t size);
float half_product_plain(const float* a, const std::uint16_t* halves, std::size_t size);

// Of 16-bit weights (not -2^15) and bytes: exact, so equal with and without.
std::int64_t byte_product(const std::int16_t* weights, const std::uint8_t* codes, std::size_t size);
std::int64_t byte_product_plain(const std::int16_t* weights, const std::uint8_t* codes,
                                std::size_t size);

}  // namespace millrace
