#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "tests/unit/index/index_model.h"

namespace millrace {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using testing_index::kDimensions;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::open_index;
using testing_index::Revision;
using testing_index::search_one;
using testing_index::TemporaryFolder;
using Kind = IndexChange::Kind;

class PartitionIndexTest : public ::testing::Test {
 protected:
  IndexChange apply(const Revision& revision, std::int32_t batch = 0) {
    const Result<IndexChange> change = index_->apply(revision.batch(batch));
    EXPECT_TRUE(change) << change.error().message;
    return change ? *change : IndexChange{};
  }
  std::vector<Passage> find(const std::string& collection, std::size_t top_k = 100,
                            const std::vector<std::string>& groups = {}) {
    const std::vector<float> question = testing_index::random_vector(random_);
    return hits({.collection = collection, .vector = question, .top_k = top_k, .groups = groups})
        .passages;
  }
  IndexHits hits(const IndexSearch& search) {
    const Result<IndexHits> found = search_one(*index_, search);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : IndexHits{};
  }
  std::vector<std::string> revisions_found(const std::string& collection) {
    std::vector<std::string> found;
    for (const Passage& passage : find(collection)) found.push_back(passage.revision);
    return found;
  }

  std::mt19937 random_{7};
  TemporaryFolder folder_;
  std::unique_ptr<PartitionIndex> index_ = open_index(folder_.path() / "index");
};

TEST_F(PartitionIndexTest, an_empty_index_finds_nothing) {
  EXPECT_THAT(find("a"), IsEmpty());
  EXPECT_EQ(index_->counts().all.documents, 0);
  EXPECT_EQ(index_->restored(), std::nullopt);
}

TEST_F(PartitionIndexTest, a_passage_says_all_that_a_citation_needs) {
  const Revision revision = make_revision(random_, "a", "doc/1", "R1", 3);
  EXPECT_EQ(apply(revision).kind, Kind::swapped);
  const IndexHits found = hits({.collection = "a",
                                .question = "chunk 2",
                                .vector = revision.vectors[2],
                                .top_k = 1,
                                .with_vectors = true});
  ASSERT_THAT(found.passages, SizeIs(3)) << "as many as make a page, whatever they weigh";
  const Passage& passage = found.passages.front();
  EXPECT_EQ(passage.document_id, "doc/1");
  EXPECT_EQ(passage.revision, "R1");
  EXPECT_EQ(passage.chunk_id, chunk_id_for(revision.document, 2));
  EXPECT_EQ(passage.title, "Title of R1");
  EXPECT_EQ(passage.name, "doc/1.txt");
  EXPECT_EQ(passage.text, "doc/1 R1 chunk 2");
  EXPECT_EQ(passage.page, 3);
  EXPECT_EQ(passage.start, 200);
  EXPECT_EQ(passage.end, 250);
  EXPECT_THAT(passage.headings, ElementsAre("Part 2"));
  EXPECT_EQ(passage.metadata, R"({"revision":"R1"})");
  ASSERT_TRUE(passage.match);
  EXPECT_NEAR(passage.match->cosine.value_or(0), 1.0, 1e-3);
  ASSERT_THAT(passage.match->vector, SizeIs(kDimensions));
  for (std::size_t i = 0; i < kDimensions; ++i) {
    EXPECT_NEAR(passage.match->vector[i], revision.vectors[2][i], 1e-3);
  }
  EXPECT_EQ(found.evidence.rows, 3);
  ASSERT_THAT(found.evidence.words, SizeIs(2));
  EXPECT_EQ(found.evidence.words[0].word, "chunk");
  EXPECT_EQ(found.evidence.words[0].rows, 3);
  EXPECT_EQ(found.evidence.words[1].rows, 1);
  EXPECT_THAT(passage.match->counts, SizeIs(2));
}

TEST_F(PartitionIndexTest, a_new_revision_replaces_the_old_one_and_names_its_records) {
  const Revision first = make_revision(random_, "a", "doc", "R1", 5, 2);
  EXPECT_EQ(apply(first, 1).kind, Kind::staged);
  EXPECT_THAT(find("a"), IsEmpty());
  EXPECT_EQ(apply(first, 0).kind, Kind::swapped);
  EXPECT_THAT(find("a"), SizeIs(5));

  const Revision second = make_revision(random_, "a", "doc", "R2", 3);
  const IndexChange change = apply(second);
  EXPECT_EQ(change.kind, Kind::swapped);
  EXPECT_EQ(change.superseded_keys, first.keys());
  EXPECT_THAT(revisions_found("a"), ElementsAre("R2", "R2", "R2"));
  EXPECT_EQ(index_->counts().of("a").documents, 1);
  EXPECT_EQ(index_->counts().of("a").chunks, 3);
}

TEST_F(PartitionIndexTest, the_same_records_again_give_the_same_changes_and_change_nothing) {
  const Revision first = make_revision(random_, "a", "doc", "R1", 4, 2);
  const Revision second = make_revision(random_, "a", "doc", "R2", 4, 2);
  apply(first, 0);
  apply(first, 1);
  apply(second, 1);
  const IndexChange change = apply(second, 0);
  // An aborted commit: everything comes again, in the order of the log.
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(apply(first, 0).kind, Kind::staged);
    const IndexChange again = apply(first, 1);
    EXPECT_EQ(again.kind, Kind::swapped);
    EXPECT_THAT(again.superseded_keys, IsEmpty());
    EXPECT_THAT(revisions_found("a"), ElementsAre("R2", "R2", "R2", "R2"));
    EXPECT_EQ(apply(second, 1).kind, Kind::staged);
    EXPECT_EQ(apply(second, 0).superseded_keys, change.superseded_keys);
  }
}

TEST_F(PartitionIndexTest, a_removal_takes_the_document_away_until_it_comes_back) {
  const Revision first = make_revision(random_, "a", "doc", "R1", 4);
  const Revision removal = make_removal("a", "doc", "R2");
  const Revision back = make_revision(random_, "a", "doc", "R3", 2);
  apply(first);
  const IndexChange removed = apply(removal);
  EXPECT_EQ(removed.kind, Kind::removed);
  EXPECT_EQ(removed.superseded_keys, first.keys());
  EXPECT_THAT(find("a"), IsEmpty());
  EXPECT_EQ(index_->counts().of("a").documents, 0);
  // The removal's own record is needed until then: a replay from the start must see it.
  EXPECT_EQ(apply(back).superseded_keys, removal.keys());
  EXPECT_THAT(revisions_found("a"), ElementsAre("R3", "R3"));
}

TEST_F(PartitionIndexTest, the_removal_of_an_unknown_document_is_remembered) {
  EXPECT_EQ(apply(make_removal("a", "doc", "R1")).kind, Kind::removed);
  EXPECT_EQ(index_->counts().all.documents, 0);
  EXPECT_EQ(apply(make_revision(random_, "a", "doc", "R2", 1)).superseded_keys,
            make_removal("a", "doc", "R1").keys());
}

TEST_F(PartitionIndexTest, an_incomplete_revision_is_dropped_by_one_that_came_after_it) {
  const Revision torn = make_revision(random_, "a", "doc", "R1", 6, 3);
  const Revision whole = make_revision(random_, "a", "doc", "R2", 2);
  apply(torn, 0);
  apply(torn, 2);
  EXPECT_EQ(apply(whole).superseded_keys, torn.keys());
  const IndexChange late = apply(torn, 1);
  EXPECT_EQ(late.kind, Kind::ignored);
  EXPECT_THAT(late.superseded_keys, ElementsAre(torn.keys()[1]));
  EXPECT_THAT(revisions_found("a"), ElementsAre("R2", "R2"));
}

TEST_F(PartitionIndexTest, an_incomplete_revision_survives_the_completion_of_an_older_one) {
  const Revision older = make_revision(random_, "a", "doc", "R1", 2, 2);
  const Revision newer = make_revision(random_, "a", "doc", "R2", 2, 2);
  apply(older, 0);
  apply(newer, 0);
  EXPECT_EQ(apply(older, 1).kind, Kind::swapped);
  EXPECT_THAT(revisions_found("a"), ElementsAre("R1", "R1"));
  EXPECT_EQ(apply(newer, 1).superseded_keys, older.keys());
  EXPECT_THAT(revisions_found("a"), ElementsAre("R2", "R2"));
}

TEST_F(PartitionIndexTest, a_document_without_text_is_counted) {
  EXPECT_EQ(apply(make_revision(random_, "a", "doc", "R1", 0)).kind, Kind::swapped);
  EXPECT_EQ(index_->counts().of("a").documents, 1);
  EXPECT_THAT(find("a"), IsEmpty());
}

TEST_F(PartitionIndexTest, collections_and_allow_lists_hold_in_every_search) {
  apply(make_revision(random_, "a", "open", "R1", 1));
  apply(make_revision(random_, "a", "secret", "R2", 1, 1, {"red"}));
  apply(make_revision(random_, "b", "other", "R3", 1));
  EXPECT_THAT(revisions_found("a"), ElementsAre("R1"));
  EXPECT_THAT(find("a", 100, {"red"}), SizeIs(2));
  EXPECT_THAT(find("a", 100, {"blue"}), SizeIs(1));
  EXPECT_THAT(find("b"), SizeIs(1));
  // A new revision that opens the document.
  apply(make_revision(random_, "a", "secret", "R4", 1));
  EXPECT_THAT(revisions_found("a"), UnorderedElementsAre("R1", "R4"));
}

TEST_F(PartitionIndexTest, top_k_of_nothing_and_of_more_than_there_is_are_fine) {
  apply(make_revision(random_, "a", "doc", "R1", 3));
  EXPECT_THAT(find("a", 0), IsEmpty());
  EXPECT_THAT(find("a", std::numeric_limits<std::size_t>::max()), SizeIs(3));
}

TEST_F(PartitionIndexTest, refuses_questions_of_other_dimensions_or_that_are_not_finite) {
  std::vector<float> question(kDimensions + 1, 0.5F);
  const Result<IndexHits> found = search_one(*index_, {.collection = "a", .vector = question});
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().kind, Error::Kind::rejected);
  EXPECT_THAT(found.error().message, HasSubstr("9 dimensions"));
  question.assign(kDimensions, std::nanf(""));
  EXPECT_FALSE(search_one(*index_, {.collection = "a", .vector = question}));
}

TEST_F(PartitionIndexTest, refuses_records_that_are_wrong_and_keeps_what_it_has) {
  const Revision good = make_revision(random_, "a", "doc", "R1", 2);
  apply(good);
  const Revision next = make_revision(random_, "a", "doc", "R2", 2);
  std::vector<EmbeddingEvent> wrong(9, next.batch(0));
  wrong[0].dimensions = 16;
  wrong[1].vectors.pop_back();
  wrong[2].vectors[3] = 70'000.0F;  // infinite in float16
  wrong[3].vectors[0] = std::nanf("");
  wrong[4].chunk_batch.batch = 1;
  wrong[5].chunk_batch.batches = 0;
  wrong[6].chunk_batch.document.collection = "a/b";
  wrong[7].chunk_batch.document.document_id = std::string{"x\0y", 3};
  wrong[8].chunk_batch.removed = true;
  for (const EmbeddingEvent& event : wrong) {
    const Result<IndexChange> change = index_->apply(event);
    ASSERT_FALSE(change);
    EXPECT_EQ(change.error().kind, Error::Kind::rejected);
  }
  EXPECT_THAT(revisions_found("a"), ElementsAre("R1", "R1"));
}

TEST_F(PartitionIndexTest, refuses_a_batch_that_counts_its_revision_otherwise) {
  apply(make_revision(random_, "a", "doc", "R1", 3, 3), 0);
  const Result<IndexChange> change =
      index_->apply(make_revision(random_, "a", "doc", "R1", 3, 2).batch(1));
  ASSERT_FALSE(change);
  EXPECT_EQ(change.error().kind, Error::Kind::rejected);
}

TEST_F(PartitionIndexTest, refuses_a_removal_that_claims_a_staged_revision) {
  apply(make_revision(random_, "a", "doc", "R1", 4, 2), 0);
  EXPECT_FALSE(index_->apply(make_removal("a", "doc", "R1").batch(0)));
  EXPECT_THAT(find("a"), IsEmpty());
  EXPECT_EQ(index_->counts().all.documents, 0);
}

TEST_F(PartitionIndexTest, words_find_what_nearness_does_not) {
  Revision revision = make_revision(random_, "a", "doc", "R1", 60);
  revision.chunks[41].text = "Replace the seal of valve E-1042 every year";
  apply(revision);
  apply(make_revision(random_, "b", "other", "R2", 60));
  const IndexHits found = hits({.collection = "a", .question = "seal of e1042", .top_k = 1});
  ASSERT_THAT(found.passages, SizeIs(1));
  EXPECT_EQ(found.passages[0].chunk_id, revision.chunks[41].chunk_id);
  EXPECT_EQ(found.passages[0].match->cosine, std::nullopt);
  EXPECT_EQ(found.evidence.rows, 60) << "the other collection's rows do not count";
  // With a vector that is far from it: among the candidates all the same.
  std::vector<float> away = revision.vectors[41];
  for (float& value : away) value = -value;
  const IndexHits both =
      hits({.collection = "a", .question = "seal of e1042", .vector = away, .top_k = 1});
  EXPECT_THAT(both.passages, Contains(Field(&Passage::chunk_id, revision.chunks[41].chunk_id)));
}

TEST_F(PartitionIndexTest, a_question_of_an_unknown_collection_has_its_words_all_the_same) {
  const IndexHits found = hits({.collection = "nowhere", .question = "seal valve"});
  EXPECT_THAT(found.passages, IsEmpty());
  EXPECT_EQ(found.evidence.rows, 0);
  EXPECT_THAT(found.evidence.words, SizeIs(2)) << "those of all partitions are added up";
}

TEST_F(PartitionIndexTest, a_filter_that_hardly_anything_passes_still_fills_the_page) {
  for (int i = 0; i < 100; ++i) {
    const std::string name = std::to_string(i);
    Revision revision = make_revision(random_, "a", "doc" + name, "R" + name, 10);
    revision.document.metadata = i == 37 ? R"({"kind":"rare"})" : R"({"kind":"common"})";
    apply(revision);
  }
  for (const bool settled : {false, true}) {
    if (settled) {
      ASSERT_TRUE(index_->settle());
    }
    const std::vector<float> question = testing_index::random_vector(random_);
    const IndexHits found = hits({.collection = "a",
                                  .question = "chunk",
                                  .vector = question,
                                  .top_k = 10,
                                  .filter = *Filter::parse(R"({"kind":"rare"})", {})});
    EXPECT_THAT(found.passages, SizeIs(10));
    EXPECT_THAT(found.passages, Each(Field(&Passage::revision, "R37")));
  }
}

TEST_F(PartitionIndexTest, questions_that_are_searched_together_find_what_each_finds_alone) {
  for (int i = 0; i < 30; ++i) {
    const std::string name = std::to_string(i);
    const std::vector<std::string> allow =
        i % 2 == 0 ? std::vector<std::string>{} : std::vector<std::string>{"red"};
    apply(make_revision(random_, i % 3 == 0 ? "b" : "a", "doc" + name, "R" + name, 5, 1, allow));
  }
  const std::vector<std::string> red{"red"};
  const std::vector<float> one = testing_index::random_vector(random_);
  const std::vector<float> other = testing_index::random_vector(random_);
  const std::vector<float> wrong(3);
  const std::vector<IndexSearch> searches{
      {.collection = "a", .question = "chunk 3", .vector = one, .top_k = 5},
      {.collection = "a", .vector = other, .top_k = 20},
      {.collection = "a", .vector = wrong},
      {.collection = "a", .question = "12", .vector = other, .top_k = 5, .groups = red},
      {.collection = "b", .question = "nothing", .vector = one, .top_k = 5, .groups = red},
      {.collection = "b", .top_k = 5}};
  const std::vector<Result<IndexHits>> together = index_->search(searches);
  ASSERT_EQ(together.size(), searches.size());
  EXPECT_FALSE(together[2]);
  for (const std::size_t i : {0U, 1U, 3U, 4U, 5U}) {
    ASSERT_TRUE(together[i]) << together[i].error().message;
    const IndexHits alone = hits(searches[i]);
    EXPECT_EQ(together[i]->passages, alone.passages) << i;
    EXPECT_EQ(together[i]->evidence, alone.evidence) << i;
  }
  EXPECT_THAT(together[5]->passages, IsEmpty()) << "neither words nor a vector";
}

TEST_F(PartitionIndexTest, segments_become_files_and_few) {
  for (int i = 0; i < 200; ++i) {
    const std::string name = std::to_string(i);
    apply(make_revision(random_, "a", "doc" + name, "R" + name, 8));
  }
  ASSERT_TRUE(index_->settle());
  const IndexCounts counts = index_->counts();
  EXPECT_EQ(counts.of("a").chunks, 1'600);
  EXPECT_LE(counts.segments, 12) << "of 100 that were full";
  EXPECT_GT(counts.merges, 5);
  EXPECT_GT(counts.disk_bytes, 1'600 * kDimensions * 2);
  EXPECT_GT(counts.memory_bytes, 1'600 * kDimensions);
  EXPECT_LT(counts.memory_bytes, counts.disk_bytes);
  EXPECT_THAT(find("a", 900), SizeIs(900));
}

TEST_F(PartitionIndexTest, memory_of_replaced_revisions_is_given_back) {
  MetricsRegistry metrics;
  const Result<std::unique_ptr<PartitionIndex>> index = open_partition_index(
      {.directory = folder_.path() / "other", .dimensions = kDimensions, .block_rows = 16},
      metrics);
  ASSERT_TRUE(index);
  for (int i = 0; i < 500; ++i) {
    const std::string id = "doc-" + std::to_string(i % 5);
    ASSERT_TRUE((*index)->apply(make_revision(random_, "a", id, std::to_string(i), 4).batch(0)));
  }
  ASSERT_TRUE((*index)->settle());
  EXPECT_EQ(metrics.gauge("index_chunks", "").value(), 20);
  EXPECT_EQ(metrics.gauge("rag_active_documents", "").value(), 5);
  // Dead rows: up to half of each segment, and what is in the one that grows.
  EXPECT_LE(metrics.gauge("index_deleted_slots", "").value(), 20 + 16);
}

}  // namespace
}  // namespace millrace
