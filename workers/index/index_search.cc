#include "workers/index/index_search.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "workers/index/chunk_terms.h"
#include "workers/index/fusion.h"

namespace millrace {
namespace {

constexpr std::size_t kTopKMax = 1'000;  // of one search; what the gateway allows is less
constexpr std::size_t kLegDepth = 100;   // hits of each leg, at least

bool are_alike(const IndexSearch& a, const IndexSearch& b) {
  return a.collection == b.collection && a.sees_everything == b.sees_everything &&
         std::ranges::equal(a.groups, b.groups) && a.filter == b.filter;
}

template <class Hit>
std::vector<LegHit> in_segment(std::size_t segment, const std::vector<Hit>& found) {
  std::vector<LegHit> hits;
  hits.reserve(found.size());
  for (const Hit& hit : found) hits.push_back({segment, hit.row, hit.score});
  return hits;
}

}  // namespace

std::size_t IndexSearchBatch::Question::depth() const {
  return std::max(kLegDepth, std::min(search->top_k, kTopKMax));
}

IndexSearchBatch::IndexSearchBatch(SearchedIndex index, std::span<const IndexSearch> searches)
    : index_{index}, questions_(searches.size()) {
  for (std::size_t i = 0; i < searches.size(); ++i) questions_[i].search = &searches[i];
}

std::vector<Result<IndexHits>> IndexSearchBatch::run() {
  for (Question& question : questions_) check(question);
  analyze();
  form_groups();
  note();
  for (Group& group : groups_) {
    filter(group);
    search_vectors(group);
  }
  std::vector<Result<IndexHits>> results;
  results.reserve(questions_.size());
  for (Question& question : questions_) {
    if (!question.status) {
      results.emplace_back(question.status.error());
      continue;
    }
    weigh_words(question);
    search_words(question);
    score_candidates(question);
    results.push_back(hits_of(question));
  }
  return results;
}

void IndexSearchBatch::check(Question& question) const {
  const std::span<const float> vector = question.search->vector;
  if (!vector.empty() && vector.size() != index_.dimensions) {
    question.status = rejected("the question's vector has " + std::to_string(vector.size()) +
                               " dimensions; this index has " + std::to_string(index_.dimensions));
  } else if (!std::ranges::all_of(vector, [](float value) { return std::isfinite(value); })) {
    question.status = rejected("the question's vector has a value that is not finite");
  }
}

void IndexSearchBatch::analyze() {
  std::vector<std::vector<std::string>> languages(questions_.size());
  {
    const auto lock = index_.lock.read();
    for (std::size_t i = 0; i < questions_.size(); ++i) {
      const auto found = index_.collections.find(questions_[i].search->collection);
      if (found == index_.collections.end()) continue;
      questions_[i].collection = found->second.number;
      languages[i] = found->second.languages;
    }
  }
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    if (!std::ranges::count(languages[i], "")) languages[i].emplace_back();
    if (questions_[i].status) find_words(questions_[i], languages[i]);
  }
}

void IndexSearchBatch::find_words(Question& question,
                                  std::span<const std::string> languages) const {
  if (question.search->question.empty()) return;
  question.words = thread_analyzer().query_words(question.search->question, languages);
  for (const QueryWord& word : question.words) {
    question.terms.insert(question.terms.end(), word.terms.begin(), word.terms.end());
  }
}

void IndexSearchBatch::form_groups() {
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    Question& question = questions_[i];
    if (!question.status) continue;
    const auto group = std::ranges::find_if(
        groups_, [&](const Group& each) { return are_alike(*each.search, *question.search); });
    question.group = static_cast<std::size_t>(group - groups_.begin());
    if (group == groups_.end()) groups_.push_back({question.search, {}, {}, {}});
    groups_[question.group].questions.push_back(i);
  }
}

void IndexSearchBatch::note() {
  const auto lock = index_.lock.read();
  segments_ = index_.segments.views();
  for (Group& group : groups_) {
    const IndexSearch& search = *group.search;
    group.visible = index_.segments.visible(
        index_.audiences.visible(search.collection, search.sees_everything, search.groups));
    group.rows = group.visible;
  }
  // Before the lock goes: the rows that may be seen are in it.
  store_.emplace(index_.store.view());
}

void IndexSearchBatch::filter(Group& group) const {
  if (group.search->filter.empty()) return;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (group.rows[i] == nullptr) continue;
    const auto rows = std::make_shared<VisibleRows>();
    rows->rows = with(segments_[i], [&](const Segment& segment) {
      return segment.select(group.search->filter, segments_[i].rows);
    });
    rows->rows &= group.rows[i]->rows;
    rows->count = rows->rows.count();
    group.rows[i] = rows;
    if (rows->count == 0) group.rows[i] = nullptr;
  }
}

void IndexSearchBatch::search_vectors(const Group& group) {
  std::vector<float> vectors;
  std::vector<Question*> asked;
  std::size_t depth = 0;
  for (const std::size_t at : group.questions) {
    const std::span<const float> vector = questions_[at].search->vector;
    if (vector.empty()) continue;
    vectors.insert(vectors.end(), vector.begin(), vector.end());
    asked.push_back(&questions_[at]);
    depth = std::max(depth, questions_[at].depth());
  }
  if (asked.empty()) return;
  std::vector<float> floors(asked.size(), kNoFloor);
  for (const std::size_t i : largest_first(group)) {
    const auto found = segments_[i].segment->nearest(vectors, group.rows[i]->rows, depth, floors);
    for (std::size_t j = 0; j < asked.size(); ++j) {
      std::vector<LegHit>& dense = asked[j]->dense;
      dense = merge_best(dense, in_segment(i, found[j]), asked[j]->depth());
      if (dense.size() == asked[j]->depth()) floors[j] = dense.back().score;
    }
  }
}

// Where the group sees anything. What the largest segment has found says what is of no use in the
// others.
std::vector<std::size_t> IndexSearchBatch::largest_first(const Group& group) const {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (group.rows[i] != nullptr) order.push_back(i);
  }
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return segments_[i].rows; });
  return order;
}

// How much each word says, by what all segments of this partition hold. For who does not see
// everything, by what he sees: else scores would tell whether documents hidden from him have a
// word.
void IndexSearchBatch::weigh_words(Question& question) const {
  std::vector<std::uint64_t> frequencies(question.terms.size());
  CollectionLength length;
  const std::size_t known = std::min(question.terms.size(), kQueryTermsMax);
  const Group& group = groups_[question.group];
  for (std::size_t at = 0; at < segments_.size() && question.collection; ++at) {
    if (group.visible[at] == nullptr) continue;
    const std::uint32_t collection = *question.collection;
    const VisibleRows& visible = *group.visible[at];
    with(segments_[at], [&](const Segment& segment) {
      const CollectionLength whole = segment.length(collection, nullptr);
      const bool all = question.search->sees_everything;
      const CollectionLength part = all ? whole : visible.length(segment, collection);
      // Where he sees every row, counting them one by one gives the same.
      const Bitmap* rows = all || visible.count == whole.rows ? nullptr : &visible.rows;
      length.rows += part.rows;
      length.terms += part.terms;
      for (std::size_t i = 0; i < known && part.rows > 0; ++i) {
        frequencies[i] += segment.document_frequency(collection, question.terms[i], rows);
      }
    });
  }
  question.evidence.rows = static_cast<std::int64_t>(length.rows);
  question.evidence.terms = static_cast<std::int64_t>(length.terms);
  question.mean_length = bm25_mean_length(length.rows, length.terms);
  std::size_t at = 0;
  for (const QueryWord& word : question.words) {
    std::uint64_t rows = 0;
    for (std::size_t i = 0; i < word.terms.size(); ++i) rows += frequencies[at + i];
    rows = std::min(rows, length.rows);
    const float weight = bm25_idf(length.rows, rows);
    question.bm25_max += weight;
    for (std::size_t i = 0; i < word.terms.size(); ++i) {
      question.query_terms.push_back({question.terms[at + i], weight});
    }
    question.evidence.words.push_back({word.word, static_cast<std::int64_t>(rows)});
    at += word.terms.size();
  }
}

void IndexSearchBatch::search_words(Question& question) const {
  if (!question.collection || question.query_terms.empty()) return;
  LexicalQuery query;
  query.collection = *question.collection;
  query.terms = question.query_terms;
  query.mean_length = question.mean_length;
  const Group& group = groups_[question.group];
  for (const std::size_t i : largest_first(group)) {
    const auto found = with(segments_[i], [&](const Segment& segment) {
      return segment.search(query, group.rows[i]->rows, question.depth());
    });
    question.lexical = merge_best(question.lexical, in_segment(i, found), question.depth());
    if (question.lexical.size() < question.depth()) continue;
    query.above = std::nextafter(question.lexical.back().score, 0.0F);  // the equal ones count
  }
}

void IndexSearchBatch::score_candidates(Question& question) const {
  question.candidates = unite(question.dense, question.lexical);
  std::span<Candidate> rest{question.candidates};
  while (!rest.empty()) {
    const auto end = std::ranges::find_if(rest, [&](const Candidate& candidate) {
      return candidate.segment != rest.front().segment;
    });
    const auto count = static_cast<std::size_t>(end - rest.begin());
    score_in_segment(question, rest.first(count));
    rest = rest.subspan(count);
  }
}

void IndexSearchBatch::score_in_segment(Question& question, std::span<Candidate> candidates) const {
  const SegmentView& view = segments_[candidates.front().segment];
  std::vector<Row> rows;
  std::vector<Row> unknown;  // that only the words found
  for (const Candidate& candidate : candidates) {
    rows.push_back(candidate.row);
    if (!candidate.cosine) unknown.push_back(candidate.row);
  }
  if (!question.search->vector.empty() && !unknown.empty()) {
    const std::vector<float> cosines = view.segment->cosines(question.search->vector, unknown);
    auto next = cosines.begin();
    for (Candidate& candidate : candidates) {
      if (!candidate.cosine) candidate.cosine = *next++;
    }
  }
  if (!question.collection) return;
  const TermMatches matches = with(view, [&](const Segment& segment) {
    return segment.matches(*question.collection, question.terms, rows);
  });
  const std::size_t terms = question.terms.size();
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    Candidate& candidate = candidates[i];
    candidate.length = matches.lengths[i];
    const auto begin = matches.counts.begin() + static_cast<std::ptrdiff_t>(i * terms);
    candidate.counts.assign(begin, begin + static_cast<std::ptrdiff_t>(terms));
    Bm25Sum sum{bm25_norm({}, candidate.length, question.mean_length)};
    for (std::size_t term = 0; term < terms; ++term) {
      sum.add(question.query_terms[term].weight, candidate.counts[term]);
    }
    candidate.bm25 = sum.score();
  }
}

Result<IndexHits> IndexSearchBatch::hits_of(Question& question) const {
  IndexHits hits;
  if (question.search->top_k > 0) {
    const Weighing weighing{!question.search->vector.empty(), question.bm25_max,
                            std::max(std::min(question.search->top_k, kTopKMax), kRiseRank)};
    Result<std::vector<Passage>> passages =
        read(question, possible_best(question.candidates, weighing));
    if (!passages) return passages.error();
    hits.passages = std::move(*passages);
  }
  hits.evidence = std::move(question.evidence);
  return hits;
}

}  // namespace millrace
