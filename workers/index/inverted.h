#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "workers/index/bitmap.h"
#include "workers/index/bm25.h"

// Which rows of a segment hold which terms, and how well they match (BM25: see bm25.h). Terms of
// different collections do not meet: a collection, by the number that the index gave it, has a
// vocabulary, a number of rows and a length of its own, so what one holds changes no score of
// another. A row's length is rounded down to five leading bits, at most 507,904, in growing and in
// immutable segments alike.
namespace millrace {

// How often a term of a row occurs, at least once. The row's length is the sum of the counts.
struct TermCount {
  std::string_view term;
  std::uint32_t count = 0;
};

// What BM25 wants to know of a collection; those of several segments add up. Of a whole collection,
// rows that were deleted but are still in a segment count, as in Lucene: they go with the next
// merge.
struct CollectionLength {
  std::uint64_t rows = 0;
  std::uint64_t terms = 0;  // the sum of the rows' lengths
};

// A term of a question with what makes its weight the same in all segments.
struct QueryTerm {
  std::string term;
  float weight = 0;  // idf: see bm25_idf(). A term whose weight is not above 0 is left out.
};

inline constexpr std::size_t kQueryTermsMax = 1024;  // of a search; further ones are left out

struct LexicalQuery {
  std::uint32_t collection = 0;
  std::span<const QueryTerm> terms;
  float mean_length = 1;  // of the collection's rows, over all segments; above 0
  Bm25 bm25 = {};
  float above = 0;  // hits that score no more are of no use: they cost less, and are left out
};

struct LexicalHit {
  Row row = 0;
  float score = 0;
};

// What some rows have of some terms, for scores that are made elsewhere: Bm25Sum makes search()'s
// of them, as exactly as bm25.h says.
struct TermMatches {
  std::vector<std::uint32_t> lengths;  // by row, rounded as above
  // counts[row * terms + term], both by their places in what was asked; 0 where a row does not have
  // the term, is of another collection, or the term is behind the first kQueryTermsMax.
  std::vector<std::uint32_t> counts;
};

// Takes the bytes of a file in order, piece by piece; a failure ends the writing and is passed on.
using ByteSink = std::function<Status(std::string_view)>;

inline constexpr std::size_t kSegmentRowsMax = std::size_t{1} << 24U;

// A segment that still grows: at most tens of thousands of rows. Not thread-safe: the owner adds
// under its unique lock and searches under its shared one.
class GrowingInverted {
 public:
  GrowingInverted();
  ~GrowingInverted();
  // Rows come in order from 0 on, at most kSegmentRowsMax. Distinct terms, in any order.
  void add(std::uint32_t collection, std::span<const TermCount> terms);
  std::size_t rows() const;
  // `rows`: a bit for each row of the segment, all of the collection, to count these only, with
  // lengths as rounded; takes time by them and by the rows that have the term. Null: all of them.
  CollectionLength length(std::uint32_t collection, const Bitmap* rows = nullptr) const;
  std::uint64_t document_frequency(std::uint32_t collection, std::string_view term,
                                   const Bitmap* rows = nullptr) const;
  // The best `count` rows that have a term and are set in `rows`, a bit for each row of the
  // segment; best first, equal scores by row. Takes time by the rows that have one of the terms.
  std::vector<LexicalHit> search(const LexicalQuery& query, const Bitmap& rows,
                                 std::size_t count) const;
  // Rows of the segment, ascending. Takes time as search() does.
  TermMatches matches(std::uint32_t collection, std::span<const std::string> terms,
                      std::span<const Row> rows) const;
  std::size_t bytes() const;  // of memory, about

  // What InvertedIndex reads: see inverted_file.h for the grammar.
  Status serialize(const ByteSink& sink) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class InvertedFile;

// A segment that does not change, over bytes that somebody else keeps (a mapped file), which must
// stay as they are. Thread-safe.
class InvertedIndex {
 public:
  // Checks the checksum, the header and every section; `rejected`, saying what is wrong, when they
  // are damaged. Nothing that passes is read out of bounds, not even bytes made to have the right
  // checksum.
  static Result<std::unique_ptr<InvertedIndex>> open(std::string_view bytes);
  ~InvertedIndex();

  std::size_t rows() const;
  CollectionLength length(std::uint32_t collection, const Bitmap* rows = nullptr) const;
  std::uint64_t document_frequency(std::uint32_t collection, std::string_view term,
                                   const Bitmap* rows = nullptr) const;
  // As GrowingInverted::search(), skipping what cannot be among the best: see block_max.h.
  std::vector<LexicalHit> search(const LexicalQuery& query, const Bitmap& rows,
                                 std::size_t count) const;
  // As GrowingInverted::matches(), by the blocks of the lists that may have the rows.
  TermMatches matches(std::uint32_t collection, std::span<const std::string> terms,
                      std::span<const Row> rows) const;

  // One index of the rows of several, one after the other, without those that `keep` does not have;
  // rows are numbered anew in that order. Byte for byte what serialize() of these rows alone would
  // give. In memory: 4 bytes for each row of the sources, one posting list, and the file's tables
  // (inverted_file.h).
  struct Source {
    const InvertedIndex* index = nullptr;
    const Bitmap* keep = nullptr;  // a bit for each of its rows
  };
  static Status merge(std::span<const Source> sources, const ByteSink& sink);

 private:
  explicit InvertedIndex(std::unique_ptr<const InvertedFile> file);
  std::unique_ptr<const InvertedFile> file_;
};

}  // namespace millrace
