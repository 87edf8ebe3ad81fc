#pragma once

#include <cstdint>

// BM25 (Robertson and Zaragoza 2009): what a row's words say about how well it answers a question.
// The index and whoever scores its rows again have it from here; it depends on nothing.
//
//   score = sum of part over the terms that the row has, each with the weight (idf) of its word
//   part  = weight / (1 + norm / count)             which is weight * count / (count + norm)
//   norm  = k1 * (1 - b + b * length / mean_length)
//
// Parts are floats and are added as doubles; the sum is rounded to float. Of at most 1,024 parts of
// which none is 2^19 times another the sum is exact, so the score has the same bits in whatever
// order they are added; else one more rounding of a float may lie between two orders.
namespace millrace {

struct Bm25 {
  float k1 = 0.9F;  // not negative
  float b = 0.4F;   // 0 to 1
};

// ln(1 + (rows - document_frequency + 0.5) / (document_frequency + 0.5)): above 0. A frequency
// above `rows` counts as `rows`: that of a word is the sum of its terms'.
float bm25_idf(std::uint64_t rows, std::uint64_t document_frequency);

// Of rows that have so many terms together; 1 where there are none.
float bm25_mean_length(std::uint64_t rows, std::uint64_t terms);

// Never negative nor NaN: parameters that make no sense count as the nearest that do.
float bm25_norm(const Bm25& bm25, std::int64_t length, float mean_length);

// Of a term that the row has.
inline float bm25_part(float weight, std::int64_t count, float norm) {
  return weight / (1.0F + norm / static_cast<float>(count));
}

// A row's score, term by term.
class Bm25Sum {
 public:
  explicit Bm25Sum(float norm) : norm_{norm} {}
  // Nothing where the row does not have the term, or the weight is not above 0.
  void add(float weight, std::int64_t count) {
    if (count > 0 && weight > 0) sum_ += bm25_part(weight, count, norm_);
  }
  float score() const { return static_cast<float>(sum_); }

 private:
  float norm_;
  double sum_ = 0;
};

}  // namespace millrace
