#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace millrace {

// Vectors with a byte per coordinate (SQ8): coordinate i is about minimum[i] + code * step[i].
struct ByteScale {
  std::span<const float> minimum;
  std::span<const float> step;
};

// The least and the greatest of each coordinate of `vectors`, as minimum and step.
void fit_bytes(std::span<const float> vectors, std::span<float> minimum, std::span<float> step);

// One vector's codes; what is outside of the scale becomes its nearest end.
void encode_bytes(const ByteScale& scale, std::span<const float> vector,
                  std::span<std::uint8_t> codes);

// Inner products of a query with vectors of byte codes: the scale is folded into the query, which
// becomes 16-bit weights, so that a vector costs one integer multiplication per coordinate. (FAISS
// decodes each coordinate to a float.) Integers, so that every CPU gives the same score.
class ByteQuery {
 public:
  ByteQuery(const ByteScale& scale, std::span<const float> query);
  float score(const std::uint8_t* codes) const;  // query.size() of them

 private:
  std::vector<std::int16_t> weights_;
  double unit_ = 0;  // of a weight
  double base_ = 0;  // the inner product with scale.minimum
};

}  // namespace millrace
