#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "workers/index/audiences.h"
#include "workers/index/candidates.h"
#include "workers/index/chunk_store.h"
#include "workers/index/index.h"
#include "workers/index/index_lock.h"
#include "workers/index/segments.h"
#include "workers/text/analyzer.h"

namespace millrace {

// What a search looks at; everything but the store changes under the lock.
struct SearchedIndex {
  IndexLock& lock;
  const Segments& segments;
  const Audiences& audiences;
  const std::map<std::string, CollectionRow, std::less<>>& collections;
  const ChunkStore& store;
  std::size_t dimensions = 0;
};

// Some questions, answered together as of one moment. Holds the lock shared to note what may be
// seen, and for each look at the words and metadata of the segment that grows; never while it reads
// files or compares vectors. Used once.
class IndexSearchBatch {
 public:
  IndexSearchBatch(SearchedIndex index, std::span<const IndexSearch> searches);
  std::vector<Result<IndexHits>> run();

 private:
  // A question on its way.
  struct Question {
    const IndexSearch* search = nullptr;
    Status status = {};                       // why it cannot be answered
    std::optional<std::uint32_t> collection;  // none: not in this partition
    std::vector<QueryWord> words;
    std::vector<std::string> terms;      // of all words, one after the other
    std::vector<QueryTerm> query_terms;  // the same, with the weights of their words
    LexicalEvidence evidence;
    float mean_length = 1;
    float bm25_max = 0;
    std::size_t group = 0;
    std::vector<LegHit> dense;
    std::vector<LegHit> lexical;
    std::vector<Candidate> candidates;

    std::size_t depth() const;  // of each leg
  };
  // Questions whose askers may see the same rows and filter them alike.
  struct Group {
    const IndexSearch* search = nullptr;  // one of them
    std::vector<std::size_t> questions;
    // By segment; null: no row.
    std::vector<std::shared_ptr<const VisibleRows>> rows;
    std::vector<std::shared_ptr<const VisibleRows>> visible;  // before the filter
  };

  void check(Question& question) const;
  void find_words(Question& question, std::span<const std::string> languages) const;
  void analyze();
  void form_groups();
  void note();
  void filter(Group& group) const;
  void weigh_words(Question& question) const;
  std::vector<std::size_t> largest_first(const Group& group) const;
  void search_vectors(const Group& group);
  void search_words(Question& question) const;
  void score_candidates(Question& question) const;
  void score_in_segment(Question& question, std::span<Candidate> candidates) const;
  Result<IndexHits> hits_of(Question& question) const;
  Result<std::vector<Passage>> read(const Question& question,
                                    std::span<const std::size_t> chosen) const;

  // `look` at a segment, with the lock where it grows.
  template <class Look>
  auto with(const SegmentView& view, const Look& look) const {
    if (!view.grows) return look(*view.segment);
    const auto lock = index_.lock.read();
    return look(*view.segment);
  }

  SearchedIndex index_;
  std::vector<Question> questions_;
  std::vector<Group> groups_;
  std::vector<SegmentView> segments_;
  std::optional<StoreView> store_;
};

}  // namespace millrace
