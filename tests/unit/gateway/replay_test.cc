#include "gateway/replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Accepted in 2016 and in 2025, before and after the query was asked.
constexpr const char* kOld = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
constexpr const char* kNew = "01KAB3M5J8Q2W4E6R7T9Y0Z1XE";
constexpr Clock::Wall kAskedAt{std::chrono::milliseconds{1'700'000'000'000}};

Passage passage(const std::string& document, std::int64_t start, std::int64_t end,
                const std::string& revision = kOld) {
  Passage made;
  made.document_id = document;
  made.revision = revision;
  made.start = start;
  made.end = end;
  made.text = document + " from " + std::to_string(start);
  return made;
}

QueryRun run_of(std::vector<Passage> passages) {
  QueryRun run;
  run.query.query_id = "q";
  run.query.sees_everything = true;
  run.query.asked_at = kAskedAt;
  run.provenance = Provenance{"mini", 256, 32, "", "rules", {{0, 10}}};
  run.passages = std::move(passages);
  run.answer.emplace();
  run.answer->text = "The wheel turns.";
  run.answer->model = "extractive";
  return run;
}

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() {
    for (const char* id : {"a", "b", "c"}) documents_[id] = kOld;
  }
  Replay compare() {
    return compare_runs(before_, after_,
                        [&](const std::string& id) -> std::optional<CurrentDocument> {
                          const auto found = documents_.find(id);
                          if (found == documents_.end()) return std::nullopt;
                          return CurrentDocument{found->second};
                        });
  }
  // CHANGE CAUSE of each passage.
  static std::vector<std::string> changes(const Replay& replay) {
    std::vector<std::string> out;
    for (const PassageChange& each : replay.passages) {
      out.push_back(std::string{to_string(each.kind)} +
                    (each.cause ? " " + std::string{to_string(each.cause->cause)} : ""));
    }
    return out;
  }
  static std::vector<std::string> causes(const Replay& replay) {
    std::vector<std::string> out;
    for (const CauseFound& each : replay.causes) out.emplace_back(to_string(each.cause));
    return out;
  }

  std::map<std::string, std::string> documents_;  // to their revisions
  QueryRun before_ = run_of({passage("a", 0, 100), passage("b", 0, 80), passage("c", 20, 90)});
  QueryRun after_ = before_;
};

TEST_F(ReplayTest, says_when_nothing_differs) {
  const Replay replay = compare();
  EXPECT_TRUE(replay.same());
  EXPECT_THAT(changes(replay), ElementsAre("same", "same", "same"));
  EXPECT_THAT(causes(replay), IsEmpty());
  EXPECT_EQ(replay.same_answer, true);
}

TEST_F(ReplayTest, tells_of_a_document_that_was_deleted) {
  documents_.erase("b");
  after_.passages = {passage("a", 0, 100), passage("c", 20, 90)};
  after_.provenance->index = {{0, 12}};
  const Replay replay = compare();
  EXPECT_FALSE(replay.same());
  EXPECT_THAT(changes(replay),
              ElementsAre("same", "missing document_deleted", "moved other_passages"));
  EXPECT_EQ(replay.passages[1].rank_before, 2U);
  EXPECT_EQ(replay.passages[1].rank_after, 0U);
  EXPECT_THAT(causes(replay), ElementsAre("index_changed"));
}

TEST_F(ReplayTest, tells_of_a_document_that_was_replaced) {
  documents_["a"] = kNew;
  after_.passages[0] = passage("a", 0, 60, kNew);
  const Replay replay = compare();
  EXPECT_THAT(changes(replay),
              ElementsAre("missing document_replaced", "same", "same", "new document_replaced"));
  EXPECT_THAT(replay.passages[0].cause->detail, HasSubstr(kNew));
}

TEST_F(ReplayTest, tells_of_a_document_that_was_added) {
  documents_["d"] = kNew;
  after_.passages.insert(after_.passages.begin(), passage("d", 0, 50, kNew));
  after_.passages.pop_back();
  after_.provenance->index = {{0, 11}};
  const Replay replay = compare();
  EXPECT_THAT(changes(replay), ElementsAre("moved other_passages", "moved other_passages",
                                           "missing index_changed", "new document_added"));
}

TEST_F(ReplayTest, tells_of_other_chunks) {
  after_.query.generation = 7;
  after_.provenance->chunk_tokens = 64;
  after_.passages = {passage("a", 0, 40), passage("a", 40, 100), passage("b", 0, 80)};
  const Replay replay = compare();
  EXPECT_THAT(changes(replay), ElementsAre("missing rechunked", "moved other_passages",
                                           "missing rechunked", "new rechunked", "new rechunked"));
  EXPECT_THAT(causes(replay), ElementsAre("generation_changed", "rechunked"));
  EXPECT_EQ(replay.causes[1].detail, "a chunk's length was 256/32 tokens, is 64/32 tokens");
}

TEST_F(ReplayTest, tells_of_another_model) {
  after_.query.generation = 7;
  after_.provenance->embedding_model = "maxi";
  std::swap(after_.passages[0], after_.passages[1]);
  const Replay replay = compare();
  EXPECT_THAT(causes(replay), ElementsAre("generation_changed", "model_changed"));
  EXPECT_THAT(changes(replay),
              ElementsAre("moved generation_changed", "moved generation_changed", "same"));
  EXPECT_EQ(replay.causes[1].detail, "the embedding model was mini, is maxi");
}

TEST_F(ReplayTest, tells_of_other_settings_rights_and_parts) {
  after_.provenance->reranker = "cross";
  after_.provenance->prompt = "others";
  after_.query.sees_everything = false;
  after_.query.groups = {"millers"};
  after_.partial = true;
  after_.answer->text = "It stands.";
  const Replay replay = compare();
  EXPECT_THAT(causes(replay),
              ElementsAre("reranker_changed", "settings_changed", "rights_changed", "partial"));
  EXPECT_EQ(replay.same_answer, false);
  EXPECT_EQ(replay.answer_cause->cause, Cause::settings_changed);
}

TEST_F(ReplayTest, tells_why_an_answer_differs) {
  after_.answer->text = "It stands.";
  EXPECT_EQ(compare().answer_cause->cause, Cause::sampling);
  EXPECT_FALSE(compare().same());
  after_.answer->model = "gpt";
  EXPECT_EQ(compare().answer_cause->cause, Cause::model_changed);
  after_.answer->model = "extractive";
  after_.passages.pop_back();
  EXPECT_EQ(compare().answer_cause->cause, Cause::other_passages);
}

TEST_F(ReplayTest, an_old_record_is_compared_as_far_as_it_goes) {
  before_.provenance.reset();
  EXPECT_TRUE(compare().same());
  EXPECT_THAT(causes(compare()), ElementsAre("not_recorded"));
  after_.passages.pop_back();
  EXPECT_THAT(changes(compare()), ElementsAre("same", "same", "missing not_recorded"));
}

TEST_F(ReplayTest, bears_a_record_whose_texts_were_erased) {
  for (Passage& each : before_.passages) each.text.clear();
  EXPECT_TRUE(compare().same());
  before_.passages[0].text = "Another extraction.";
  EXPECT_THAT(changes(compare()), ElementsAre("moved rechunked", "same", "same"));
}

TEST_F(ReplayTest, does_not_claim_to_know_what_it_does_not) {
  std::swap(after_.passages[0], after_.passages[1]);
  EXPECT_THAT(changes(compare()), ElementsAre("moved unexplained", "moved unexplained", "same"));
}

TEST(Overlapping, takes_half_of_the_shorter_one) {
  const std::vector<Passage> passages{passage("a", 0, 100), passage("a", 100, 200)};
  EXPECT_EQ(overlapping(passages, passage("a", 10, 20)), 0);
  EXPECT_EQ(overlapping(passages, passage("a", 95, 105)), 0);
  EXPECT_EQ(overlapping(passages, passage("a", 96, 106)), 1);
  EXPECT_EQ(overlapping(passages, passage("a", 200, 300)), -1);
  EXPECT_EQ(overlapping(passages, passage("a", 10, 20, kNew)), -1);
  EXPECT_EQ(overlapping(passages, passage("b", 10, 20)), -1);
}

}  // namespace
}  // namespace millrace
