#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace millrace {

// IEEE 754 binary16 and binary32, as bits. To float16 rounds to nearest, ties to even; overflow is
// infinity; a NaN stays a (quiet) NaN.
std::uint16_t float16_from(float value);
float float_from(std::uint16_t float16);

// Vector blocks in the bodies of events, little-endian on every machine.
std::string encode_float16(std::span<const float> values);
std::string encode_float32(std::span<const float> values);
// False, and `out` unspecified, unless `bytes` is a whole number of finite values.
bool decode_float16(std::string_view bytes, std::vector<float>& out);
bool decode_float32(std::string_view bytes, std::vector<float>& out);

}  // namespace millrace
