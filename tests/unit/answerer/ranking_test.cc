#include "workers/answerer/ranking.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <random>

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A chunk as a collection has it, with how often it has each word of the question.
struct Row {
  std::string document;
  double cosine = 0;
  std::int64_t length = 1;
  std::vector<std::int64_t> counts;
  std::vector<float> vector = {};
  std::size_t partition = 0;
};

std::string word(std::size_t number) { return "word" + std::to_string(number); }

PassageMatch match_of(const Row& row, const std::vector<std::size_t>& words) {
  PassageMatch match;
  match.cosine = row.cosine;
  match.length = row.length;
  match.vector = row.vector;
  // Two terms of a word, of which a row has one: as for two languages.
  for (const std::size_t each : words) {
    match.counts.push_back(each % 2 == 0 ? std::vector<std::int64_t>{row.counts[each]}
                                         : std::vector<std::int64_t>{0, row.counts[each]});
  }
  return match;
}

// What a partition gives that has these of the rows: all of them, with its own evidence. Words in
// any order; one that it does not have it may leave out.
PassagesEvent event_of(const std::vector<Row>& rows, std::size_t partition,
                       std::vector<std::size_t> words) {
  PassagesEvent event;
  event.partition = static_cast<std::int32_t>(partition);
  for (const std::size_t each : words) event.evidence.words.push_back({word(each), 0});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    if (row.partition != partition) continue;
    ++event.evidence.rows;
    event.evidence.terms += row.length;
    for (std::size_t w = 0; w < words.size(); ++w) {
      event.evidence.words[w].rows += row.counts[words[w]] > 0 ? 1 : 0;
    }
    Passage passage;
    passage.document_id = row.document;
    passage.chunk_id = "c" + std::to_string(i);
    passage.match = match_of(row, words);
    event.passages.push_back(std::move(passage));
  }
  return event;
}

std::vector<std::size_t> all_words(const std::vector<Row>& rows) {
  std::vector<std::size_t> words(rows.empty() ? 0 : rows[0].counts.size());
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = i;
  return words;
}

Query query_for(std::int64_t top_k = 1'000) {
  Query query;
  query.top_k = top_k;
  query.sees_everything = true;
  return query;
}

std::vector<Passage> ranked_rows(const Query& query, const std::vector<Row>& rows) {
  return ranked(query, {event_of(rows, 0, all_words(rows))});
}

std::vector<std::string> chunks(const std::vector<Passage>& passages) {
  std::vector<std::string> out;
  for (const Passage& passage : passages) out.push_back(passage.chunk_id);
  return out;
}

// By the formulas, with nothing of the index's.
class Expected {
 public:
  explicit Expected(const std::vector<Row>& rows) : rows_{rows} {
    for (const Row& row : rows) mean_ += static_cast<double>(row.length);
    mean_ /= static_cast<double>(rows.size());
    for (std::size_t w = 0; w < rows[0].counts.size(); ++w) {
      const auto with = static_cast<double>(
          std::ranges::count_if(rows, [w](const Row& row) { return row.counts[w] > 0; }));
      const double without = static_cast<double>(rows.size()) - with;
      idf_.push_back(std::log(1 + (without + 0.5) / (with + 0.5)));
      max_ += idf_.back();
    }
  }
  double lexical(std::size_t row) const {
    const double length = static_cast<double>(rows_[row].length);
    const double norm = 0.9 * (1 - 0.4 + 0.4 * length / mean_);
    double sum = 0;
    for (std::size_t w = 0; w < idf_.size(); ++w) {
      const auto count = static_cast<double>(rows_[row].counts[w]);
      sum += idf_[w] * count / (count + norm);
    }
    return sum / max_;
  }
  double dense(std::size_t row) const { return std::clamp(rows_[row].cosine, 0.0, 1.0); }
  double hybrid(std::size_t row) const {
    const double dense_weight = 0.4 * rise(&Expected::dense);
    const double lexical_weight = 0.6 * rise(&Expected::lexical);
    return (dense_weight * dense(row) + lexical_weight * lexical(row)) /
           (dense_weight + lexical_weight);
  }

 private:
  double rise(double (Expected::*leg)(std::size_t) const) const {
    std::vector<double> scores;
    for (std::size_t i = 0; i < rows_.size(); ++i) scores.push_back((this->*leg)(i));
    std::ranges::sort(scores, std::greater<>{});
    return scores.front() - scores[std::min<std::size_t>(scores.size(), 10) - 1] + 0.02;
  }

  const std::vector<Row>& rows_;
  double mean_ = 0;
  double max_ = 0;
  std::vector<double> idf_;
};

std::vector<Row> random_rows(std::mt19937& random) {
  std::vector<Row> rows(1 + random() % 40);
  const std::size_t words = 1 + random() % 5;
  std::normal_distribution<float> normal;
  for (Row& row : rows) {
    row.document = "d" + std::to_string(random() % 15);
    row.cosine = std::uniform_real_distribution<double>{-0.2, 1}(random);
    row.length = 1 + random() % 200;
    for (std::size_t w = 0; w < words; ++w) {
      row.counts.push_back(random() % (w + 2) == 0 ? 1 + random() % 4 : 0);
    }
    float length = 0;
    for (int i = 0; i < 4; ++i) {
      row.vector.push_back(normal(random));
      length += row.vector.back() * row.vector.back();
    }
    for (float& value : row.vector) value /= std::sqrt(length);
  }
  return rows;
}

// The rows spread over so many partitions, a document in one of them; the events in any order.
std::vector<PassagesEvent> spread(std::vector<Row> rows, std::size_t partitions,
                                  std::mt19937& random) {
  for (Row& row : rows) row.partition = std::hash<std::string>{}(row.document) % partitions;
  std::vector<PassagesEvent> events;
  for (std::size_t partition = 0; partition < partitions; ++partition) {
    std::vector<std::size_t> words = all_words(rows);
    std::erase_if(words, [&](std::size_t w) {
      const bool there = std::ranges::any_of(
          rows, [&](const Row& row) { return row.partition == partition && row.counts[w] > 0; });
      const bool anywhere =
          std::ranges::any_of(rows, [&](const Row& row) { return row.counts[w] > 0; });
      return !there && anywhere && random() % 2 == 0;
    });
    std::ranges::shuffle(words, random);
    events.push_back(event_of(rows, partition, words));
  }
  std::ranges::shuffle(events, random);
  return events;
}

TEST(Ranking, gives_the_same_order_and_scores_however_the_chunks_are_spread) {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    std::mt19937 random{seed};
    const std::vector<Row> rows = random_rows(random);
    Query query = query_for(1 + random() % 30);
    query.mode =
        std::array{SearchMode::hybrid, SearchMode::dense, SearchMode::lexical}[random() % 3];
    query.one_per_document = random() % 3 == 0;
    query.diversity = random() % 3 == 0 ? 0.4 : 0;
    query.explain = random() % 2 == 0;
    const std::vector<Passage> whole = ranked_rows(query, rows);
    for (const std::size_t partitions : {1U, 2U, 4U, 7U}) {
      const std::vector<Passage> parts = ranked(query, spread(rows, partitions, random));
      ASSERT_EQ(chunks(parts), chunks(whole)) << "seed " << seed << ", partitions " << partitions;
      for (std::size_t i = 0; i < whole.size(); ++i) {
        ASSERT_NEAR(parts[i].score, whole[i].score, 1e-6) << "seed " << seed;
      }
    }
  }
}

TEST(Ranking, scores_as_the_formulas_say) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random{seed};
    const std::vector<Row> rows = random_rows(random);
    const Expected expected{rows};
    for (const SearchMode mode : {SearchMode::hybrid, SearchMode::dense, SearchMode::lexical}) {
      Query query = query_for();
      query.mode = mode;
      const std::vector<Passage> passages = ranked(query, spread(rows, 3, random));
      ASSERT_THAT(passages, SizeIs(rows.size()));
      double before = 1;
      for (const Passage& passage : passages) {
        const std::size_t row = std::stoul(passage.chunk_id.substr(1));
        const double wanted = mode == SearchMode::hybrid  ? expected.hybrid(row)
                              : mode == SearchMode::dense ? expected.dense(row)
                                                          : expected.lexical(row);
        ASSERT_NEAR(passage.score, wanted, 1e-5) << "seed " << seed << to_string(mode);
        ASSERT_LE(passage.score, before);
        before = passage.score;
      }
    }
  }
}

TEST(Ranking, explains_scores_that_add_up) {
  std::mt19937 random{7};
  Query query = query_for();
  query.explain = true;
  for (int round = 0; round < 50; ++round) {
    for (const Passage& passage : ranked_rows(query, random_rows(random))) {
      ASSERT_TRUE(passage.explanation);
      const ScoreExplanation& why = *passage.explanation;
      EXPECT_NEAR(why.dense_weight + why.lexical_weight, 1, 1e-12);
      EXPECT_NEAR(why.dense_weight * why.dense + why.lexical_weight * why.lexical, passage.score,
                  1e-12);
      EXPECT_NEAR(std::max(why.cosine.value(), 0.0), why.dense, 1e-12);
      EXPECT_EQ(why.bm25.value() > 0, why.lexical > 0);
    }
  }
}

TEST(Ranking, shows_an_asker_with_groups_nothing_that_tells_how_many_chunks_have_a_word) {
  const std::vector<Row> rows{{"a", 0.5, 3, {1}}, {"b", 0.4, 3, {0}}};
  Query query = query_for();
  for (const Passage& passage : ranked_rows(query, rows)) {
    EXPECT_FALSE(passage.explanation);
    EXPECT_FALSE(passage.match);
  }
  query.explain = true;
  query.sees_everything = false;
  for (const Passage& passage : ranked_rows(query, rows)) {
    EXPECT_FALSE(passage.explanation.value().bm25);
    EXPECT_FALSE(passage.match);
  }
}

TEST(Ranking, by_nearness_alone_takes_no_word_into_account) {
  Query query = query_for();
  query.mode = SearchMode::dense;
  const std::vector<Row> rows{{"a", -0.5, 3, {9}}, {"b", 0.4, 3, {0}}, {"c", -0.1, 3, {9}}};
  const std::vector<Passage> passages = ranked_rows(query, rows);
  EXPECT_THAT(chunks(passages), ElementsAre("c1", "c2", "c0"));  // below 0 too
  EXPECT_EQ(passages[0].score, 0.4);
  EXPECT_EQ(passages[2].score, 0);
}

TEST(Ranking, by_words_alone_takes_no_cosine_into_account) {
  Query query = query_for();
  query.mode = SearchMode::lexical;
  query.explain = true;
  const std::vector<Row> rows{{"a", 0.9, 3, {0, 1}}, {"b", 0.1, 3, {2, 1}}, {"c", 0.5, 3, {1, 0}}};
  const std::vector<Passage> passages = ranked_rows(query, rows);
  EXPECT_EQ(passages[0].chunk_id, "c1");
  EXPECT_EQ(passages[0].explanation->lexical_weight, 1);
  EXPECT_EQ(passages[0].score, passages[0].explanation->lexical);
}

TEST(Ranking, a_word_that_no_chunk_has_lowers_the_score_of_those_that_match) {
  Query query = query_for();
  query.mode = SearchMode::lexical;
  const std::vector<Row> known{{"a", 0, 3, {1}}, {"b", 0, 3, {0}}};
  const std::vector<Row> unknown{{"a", 0, 3, {1, 0}}, {"b", 0, 3, {0, 0}}};
  EXPECT_LT(ranked_rows(query, unknown)[0].score, 0.5 * ranked_rows(query, known)[0].score);
}

TEST(Ranking, without_words_or_without_vectors_the_other_leg_has_it_all) {
  std::vector<Row> rows{{"a", 0.25, 3, {}}, {"b", 0.75, 3, {}}};
  EXPECT_EQ(ranked_rows(query_for(), rows)[0].score, 0.75);
  rows = {{"a", 0, 3, {1}}, {"b", 0, 3, {0}}};
  PassagesEvent event = event_of(rows, 0, {0});
  for (Passage& passage : event.passages) passage.match->cosine.reset();
  Query query = query_for();
  query.mode = SearchMode::lexical;
  EXPECT_EQ(ranked(query_for(), {event})[0].score, ranked(query, {event})[0].score);
}

TEST(Ranking, shows_each_document_once_when_asked) {
  const std::vector<Row> rows{{"a", 0.9, 3, {}},
                              {"a", 0.8, 3, {}},
                              {"b", 0.7, 3, {}},
                              {"b", 0.95, 3, {}},
                              {"c", 0.1, 3, {}}};
  Query query = query_for(2);
  EXPECT_THAT(chunks(ranked_rows(query, rows)), ElementsAre("c3", "c0"));
  query.top_k = 3;
  EXPECT_THAT(chunks(ranked_rows(query, rows)), ElementsAre("c3", "c0", "c1"));
  query.one_per_document = true;
  EXPECT_THAT(chunks(ranked_rows(query, rows)), ElementsAre("c3", "c0", "c4"));
}

TEST(Ranking, sets_back_what_is_like_those_before_it_when_asked) {
  std::vector<Row> rows{
      {"a", 0.9, 3, {}, {1, 0}}, {"b", 0.89, 3, {}, {1, 0}}, {"c", 0.7, 3, {}, {0, 1}}};
  Query query = query_for(2);
  EXPECT_THAT(chunks(ranked_rows(query, rows)), ElementsAre("c0", "c1"));
  query.diversity = 0.3;
  EXPECT_THAT(chunks(ranked_rows(query, rows)), ElementsAre("c0", "c2"));
  query.top_k = 3;
  const std::vector<Passage> passages = ranked_rows(query, rows);
  EXPECT_THAT(chunks(passages), ElementsAre("c0", "c2", "c1"));
  EXPECT_EQ(passages[2].score, 0.89);  // as before: only its place is another
  for (Row& row : rows) row.vector.clear();
  EXPECT_THAT(chunks(ranked_rows(query, rows)), ElementsAre("c0", "c1", "c2"));
}

TEST(Ranking, sets_back_documents_where_each_is_shown_once) {
  const std::vector<Row> rows{{"a", 0.9, 3, {}, {1, 0}},
                              {"a", 0.89, 3, {}, {0, 1}},
                              {"b", 0.8, 3, {}, {1, 0}},
                              {"c", 0.7, 3, {}, {0, 1}}};
  Query query = query_for(2);
  query.one_per_document = true;
  query.diversity = 0.3;
  EXPECT_THAT(chunks(ranked_rows(query, rows)), ElementsAre("c0", "c3"));
}

TEST(Ranking, takes_a_chunk_that_several_partitions_have_once) {
  const std::vector<Row> rows{{"a", 0.5, 3, {1}}, {"b", 0.25, 3, {1}}};
  PassagesEvent twice = event_of(rows, 0, {0});
  twice.passages.push_back(twice.passages[0]);
  PassagesEvent other = twice;
  other.partition = 1;
  EXPECT_THAT(chunks(ranked(query_for(), {twice, other})), ElementsAre("c0", "c1"));
}

TEST(Ranking, breaks_ties_by_identity) {
  std::vector<Row> rows(20, {"same", 0.5, 3, {1}});
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].document = "d" + std::to_string(i * 7 % 20);
  const std::vector<Passage> passages = ranked_rows(query_for(), rows);
  EXPECT_TRUE(std::ranges::is_sorted(passages, {}, &Passage::document_id));
}

TEST(Ranking, takes_the_order_of_a_re_ranker_for_what_that_has_read) {
  const std::vector<Row> rows{
      {"a", 0.9, 3, {}}, {"b", 0.8, 3, {}}, {"c", 0.7, 3, {}}, {"d", 0.6, 3, {}}};
  Query query = query_for();
  query.explain = true;
  const auto fused_rows = fused(query, {event_of(rows, 0, {})});
  const std::vector<double> scores{-1, 5, 5};
  const auto passages = reordered(query, fused_rows, scores);
  EXPECT_THAT(chunks(passages), ElementsAre("c1", "c2", "c0", "c3"));
  EXPECT_EQ(passages[0].score, 0.8);
  EXPECT_EQ(passages[0].explanation->rerank, 5);
  EXPECT_EQ(passages[2].explanation->rerank, -1);
  EXPECT_FALSE(passages[3].explanation->rerank);
  EXPECT_THAT(chunks(reordered(query, fused_rows, {})), ElementsAre("c0", "c1", "c2", "c3"));
  EXPECT_EQ(chosen(query, fused_rows), ranked_rows(query, rows));
}

TEST(Ranking, sets_back_what_is_alike_in_the_order_of_a_re_ranker) {
  const std::vector<Row> rows{
      {"a", 0.9, 3, {}, {1, 0}}, {"b", 0.7, 3, {}, {0, 1}}, {"c", 0.69, 3, {}, {0, 1}}};
  Query query = query_for(2);
  query.diversity = 0.3;
  const std::vector<double> scores{1, 3, 2};
  const auto passages =
      chosen(query, reordered(query, fused(query, {event_of(rows, 0, {})}), scores));
  EXPECT_THAT(chunks(passages), ElementsAre("c1", "c0"));
}

TEST(Ranking, of_nothing_is_nothing) {
  EXPECT_THAT(ranked(query_for(), {}), IsEmpty());
  EXPECT_THAT(ranked(query_for(), {PassagesEvent{}, PassagesEvent{}}), IsEmpty());
  Query none = query_for(0);
  EXPECT_THAT(ranked_rows(none, {{"a", 0.5, 3, {1}}}), IsEmpty());
}

TEST(Ranking, keeps_within_0_to_1_whatever_the_partitions_say) {
  std::mt19937 random{11};
  const std::vector<std::int64_t> odd{0, 1, 2, 1'000, INT64_MAX, INT64_MAX - 1, -1};
  const std::vector<double> cosines{0.5, -3, 7, std::nan(""), HUGE_VAL, -HUGE_VAL, 1.7e308};
  const auto any = [&] { return odd[random() % odd.size()]; };
  for (int round = 0; round < 500; ++round) {
    std::vector<PassagesEvent> events(1 + random() % 4);
    for (PassagesEvent& event : events) {
      event.evidence = {any(), any(), {}};
      for (std::size_t w = random() % 4; w > 0; --w) {
        event.evidence.words.push_back({word(random() % 3), any()});
      }
      for (std::size_t i = random() % 15; i > 0; --i) {
        Passage& passage = event.passages.emplace_back();
        passage.chunk_id = "c" + std::to_string(random() % 50);
        passage.document_id = passage.chunk_id;
        if (random() % 5 == 0) continue;
        passage.match = PassageMatch{cosines[random() % cosines.size()], any(), {}, {65504, 65504}};
        for (std::size_t w = random() % 6; w > 0; --w)
          passage.match->counts.push_back({any(), any()});
      }
    }
    Query query = query_for();
    query.diversity = round % 2 == 0 ? 0.5 : 0;
    for (const Passage& passage : ranked(query, events)) {
      ASSERT_TRUE(passage.score >= 0 && passage.score <= 1) << passage.score << ", round " << round;
    }
  }
}

}  // namespace
}  // namespace millrace
