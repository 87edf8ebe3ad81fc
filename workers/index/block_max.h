#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "workers/index/bm25.h"
#include "workers/index/inverted.h"
#include "workers/index/posting_cursor.h"

namespace millrace {

// A term's part of a score: see bm25.h. Never falls when the count grows or the length's code
// shrinks, rounding included: so maxima of postings bound scores.
class Bm25Scorer {
 public:
  explicit Bm25Scorer(const LexicalQuery& query);
  float score(float weight, std::uint32_t count, std::uint8_t length_code) const {
    return bm25_part(weight, count, norms_[length_code]);
  }
  // What a posting that `maxima` stand for can score at most.
  float bound(float weight, const Maxima& maxima) const;

 private:
  std::array<float, 256> norms_;
};

// The best hits so far. Rows must be offered in ascending order.
class TopHits {
 public:
  TopHits(std::size_t count, std::size_t rows, float above);
  // Hits that do not score more are of no use.
  float threshold() const { return threshold_; }
  void offer(Row row, double score);
  std::vector<LexicalHit> take();  // best first

 private:
  std::size_t count_;
  float threshold_;
  std::vector<LexicalHit> heap_;  // the worst in front
};

// The postings of a term of the query, in order, with their scores.
class ScoredPostings {
 public:
  ScoredPostings(const PostingList& list, float weight, const Bm25Scorer& scorer,
                 const std::uint8_t* lengths);

  // Of the rows from `begin` to before `end`; `begin` never goes back.
  float bound(Row begin, Row end);
  Row seek(Row row) { return postings_.seek(row); }
  float score() const { return score(postings_.row(), postings_.count()); }  // where seek() went
  // visit(row, score) for the rows from `begin` to before `end`.
  template <class Visit>
  void visit(Row begin, Row end, Visit visit) {
    postings_.visit(begin, end,
                    [&](Row row, std::uint32_t count) { visit(row, score(row, count)); });
  }

 private:
  float score(Row row, std::uint32_t count) const {
    return scorer_->score(weight_, count, lengths_[row]);
  }
  float block_bound(std::size_t block);

  PostingCursor postings_;
  const Bm25Scorer* scorer_;
  const std::uint8_t* lengths_;
  float weight_;
  float list_bound_ = 0;         // with one block
  std::size_t bounded_ = 0;      // the first block that bound() did not leave behind
  std::size_t known_block_ = 0;  // whose bound is known
  float known_bound_ = -1;       // below 0: of none
};

// The best `count` of the rows set in `rows` over all terms: block-max MaxScore over windows of
// rows. In each window the terms whose bounds together cannot reach the worst of the best so far
// are looked up only for rows that the others bring; where few rows are set, those are looked up
// and no list is walked.
std::vector<LexicalHit> block_max_search(std::vector<ScoredPostings>& terms, const Bitmap& rows,
                                         std::size_t count, float above);

}  // namespace millrace
