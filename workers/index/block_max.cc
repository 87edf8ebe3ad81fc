#include "workers/index/block_max.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

namespace millrace {
namespace {

// Rows that are scored together. The sums stay in the first-level cache, and a window holds a
// few blocks at most of the lists that matter.
constexpr Row kWindowRows = 2048;
// With fewer rows set in a window they are looked up one by one.
constexpr std::size_t kFewRows = 16;

bool better(const LexicalHit& left, const LexicalHit& right) {
  return left.score != right.score ? left.score > right.score : left.row < right.row;
}

}  // namespace

Bm25Scorer::Bm25Scorer(const LexicalQuery& query) {
  for (std::size_t code = 0; code < norms_.size(); ++code) {
    norms_[code] =
        bm25_norm(query.bm25, coded_length(static_cast<std::uint8_t>(code)), query.mean_length);
  }
}

float Bm25Scorer::bound(float weight, const Maxima& maxima) const {
  float bound = 0;
  for (const Impact& impact : maxima) {
    if (impact.count == 0) break;
    if (impact.count == Impact::kCountMax) return weight;
    bound = std::max(bound, score(weight, impact.count, impact.length));
  }
  return bound;
}

TopHits::TopHits(std::size_t count, std::size_t rows, float above)
    : count_{std::min(count, rows)}, threshold_{above} {
  heap_.reserve(count_);
}

void TopHits::offer(Row row, double score) {
  const auto rounded = static_cast<float>(score);
  if (rounded <= threshold_ || count_ == 0) return;
  if (heap_.size() == count_) {
    std::pop_heap(heap_.begin(), heap_.end(), better);
    heap_.pop_back();
  }
  heap_.push_back({row, rounded});
  std::push_heap(heap_.begin(), heap_.end(), better);
  if (heap_.size() == count_) threshold_ = heap_.front().score;
}

std::vector<LexicalHit> TopHits::take() {
  std::sort_heap(heap_.begin(), heap_.end(), better);
  return std::move(heap_);
}

ScoredPostings::ScoredPostings(const PostingList& list, float weight, const Bm25Scorer& scorer,
                               const std::uint8_t* lengths)
    : postings_{list}, scorer_{&scorer}, lengths_{lengths}, weight_{weight} {
  if (list.blocks() > 1) return;
  postings_.seek(0);
  PostingCursor all{postings_};
  all.visit(0, kNoRow, [&](Row row, std::uint32_t count) {
    list_bound_ = std::max(list_bound_, score(row, count));
  });
}

float ScoredPostings::block_bound(std::size_t block) {
  if (known_block_ != block || known_bound_ < 0) {
    known_block_ = block;
    known_bound_ = scorer_->bound(weight_, postings_.list().maxima(block));
  }
  return known_bound_;
}

float ScoredPostings::bound(Row begin, Row end) {
  const PostingList& list = postings_.list();
  if (list.blocks() == 1) return seek(begin) < end ? list_bound_ : 0;
  bounded_ = list.seek(bounded_, begin);
  float bound = 0;
  for (std::size_t block = bounded_; block < list.blocks(); ++block) {
    if (block > 0 && list.last_row(block - 1) + 1 >= end) break;
    bound = std::max(bound, block_bound(block));
  }
  return bound;
}

namespace {

class WindowSearch {
 public:
  WindowSearch(std::vector<ScoredPostings>& all, const Bitmap& rows, std::size_t count, float above)
      : all_{all}, rows_{rows}, hits_{count, rows.rows(), above} {
    terms_.reserve(all.size());
  }

  std::vector<LexicalHit> run() {
    const auto all = static_cast<Row>(rows_.rows());
    for (Row row = rows_.next(0); row < all; row = rows_.next(row)) {
      const Row begin = row - row % kWordRows;
      const Row end = std::min(begin + kWindowRows, all);
      search(begin, end);
      row = end;
    }
    return hits_.take();
  }

 private:
  static constexpr Row kWordRows = 64;
  struct Term {
    ScoredPostings* postings = nullptr;
    float bound = 0;    // in this window
    double bounds = 0;  // of all up to this one
  };

  void search(Row begin, Row end) {
    const std::size_t optional = rank(begin, end);
    if (optional == terms_.size()) return;
    const std::span<const std::uint64_t> words =
        rows_.words().subspan(begin / kWordRows, (end - begin + kWordRows - 1) / kWordRows);
    if (is_few(words)) {
      for_each_row(begin, words, [&](Row row) { complete(row, 0, terms_.size()); });
      return;
    }
    for (std::size_t i = optional; i < terms_.size(); ++i) {
      terms_[i].postings->visit(begin, end, [&](Row row, float score) {
        const Row at = row - begin;
        sums_[at] += score;
        seen_[at / kWordRows] |= std::uint64_t{1} << (at % kWordRows);
      });
    }
    for_each_row(begin, seen_, [&](Row row) {
      double& sum = sums_[row - begin];
      if (rows_.test(row)) complete(row, sum, optional);
      sum = 0;
    });
    seen_.fill(0);
  }

  // The terms that the window has, lowest bound first. How many of them cannot make a hit together.
  std::size_t rank(Row begin, Row end) {
    terms_.clear();
    for (ScoredPostings& postings : all_) {
      const float bound = postings.bound(begin, end);
      if (bound > 0) terms_.push_back({&postings, bound});
    }
    std::sort(terms_.begin(), terms_.end(),
              [](const Term& left, const Term& right) { return left.bound < right.bound; });
    std::size_t optional = 0;
    double bounds = 0;
    for (Term& term : terms_) {
      bounds += term.bound;
      term.bounds = bounds;
      if (static_cast<float>(bounds) <= hits_.threshold()) ++optional;
    }
    return optional;
  }

  static bool is_few(std::span<const std::uint64_t> words) {
    std::size_t all = 0;
    for (const std::uint64_t word : words) {
      if (word != 0) all += static_cast<std::size_t>(std::popcount(word));
      if (all > kFewRows) return false;
    }
    return true;
  }

  template <class Visit>
  static void for_each_row(Row begin, std::span<const std::uint64_t> words, Visit visit) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      for (std::uint64_t word = words[i]; word != 0; word &= word - 1) {
        visit(begin + static_cast<Row>(i * kWordRows) + static_cast<Row>(std::countr_zero(word)));
      }
    }
  }

  // Adds the first `terms` terms to a row's sum, as long as it can become a hit.
  void complete(Row row, double sum, std::size_t terms) {
    while (terms > 0) {
      const Term& term = terms_[--terms];
      if (static_cast<float>(sum + term.bounds) <= hits_.threshold()) return;
      if (term.postings->seek(row) == row) sum += term.postings->score();
    }
    if (sum > 0) hits_.offer(row, sum);
  }

  std::vector<ScoredPostings>& all_;
  const Bitmap& rows_;
  TopHits hits_;
  std::vector<Term> terms_;
  std::array<double, kWindowRows> sums_{};
  std::array<std::uint64_t, kWindowRows / kWordRows> seen_{};
};

}  // namespace

std::vector<LexicalHit> block_max_search(std::vector<ScoredPostings>& terms, const Bitmap& rows,
                                         std::size_t count, float above) {
  if (count == 0 || terms.empty()) return {};
  return WindowSearch{terms, rows, count, above}.run();
}

}  // namespace millrace
