#include "workers/embedder/embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/chunk.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_embedding_model.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::FloatNear;

ChunkEvent chunk_event(std::string document_id, std::vector<std::string> texts) {
  ChunkEvent event;
  event.document.collection = "default";
  event.document.document_id = std::move(document_id);
  event.document.revision = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  event.chunks_total = static_cast<std::int64_t>(texts.size());
  for (std::string& text : texts) {
    Chunk chunk;
    chunk.ordinal = static_cast<std::int64_t>(event.chunks.size());
    chunk.chunk_id = chunk_id_for(event.document, chunk.ordinal);
    chunk.end = static_cast<std::int64_t>(text.size());
    chunk.text = std::move(text);
    event.chunks.push_back(std::move(chunk));
  }
  return event;
}

class EmbedderTest : public testing::Test {
 protected:
  FakeEmbeddingModel model_{8};
  FakeClock clock_;
  Embedder embedder_{model_, 1, clock_};
};

TEST_F(EmbedderTest, embeds_all_documents_of_a_batch_in_one_call_and_gives_each_its_own_rows) {
  const std::vector<Record> batch{to_record(chunk_event("a", {"one", "two"}), 1),
                                  to_record(chunk_event("b", {"three"}), 1)};
  const auto results = embedder_.process(batch);
  ASSERT_EQ(results.size(), 2U);
  ASSERT_EQ(model_.calls().size(), 1U);
  EXPECT_EQ(model_.calls()[0].lane, EmbeddingModel::Lane::bulk);
  EXPECT_THAT(model_.calls()[0].texts, ElementsAre("one", "two", "three"));

  ASSERT_TRUE(results[1]);
  const Result<EmbeddingEvent> event = embedding_event_from(results[1]->front());
  ASSERT_TRUE(event);
  EXPECT_EQ(event->model, "fake");
  const std::vector<float> expected = model_.vector_of("three");
  ASSERT_EQ(event->vectors.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_THAT(event->vectors[i], FloatNear(expected[i], 1e-3F));
  }
}

TEST_F(EmbedderTest, embeds_the_title_with_the_text) {
  ChunkEvent event = chunk_event("a", {"text"});
  event.document.title = "Title";
  const Record record = to_record(event, 1);
  ASSERT_TRUE(embedder_.process(std::span{&record, 1}).front());
  EXPECT_THAT(model_.calls()[0].texts, ElementsAre("Title\ntext"));
}

TEST_F(EmbedderTest, reports_embedded_with_the_last_batch_of_a_revision_only) {
  ChunkEvent first = chunk_event("a", {"one"});
  first.batches = 2;
  ChunkEvent last = first;
  last.batch = 1;
  const std::vector<Record> batch{to_record(first, 1), to_record(last, 1)};
  const auto results = embedder_.process(batch);
  EXPECT_EQ(results[0]->size(), 1U);
  ASSERT_EQ(results[1]->size(), 2U);
  const Result<DocumentProgress> progress = document_progress_from(results[1]->back());
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->state, DocumentProgress::State::embedded);
}

TEST_F(EmbedderTest, passes_removals_and_empty_documents_without_the_model) {
  ChunkEvent removal = chunk_event("a", {});
  removal.removed = true;
  const std::vector<Record> batch{to_record(removal, 1), to_record(chunk_event("b", {}), 1)};
  const auto results = embedder_.process(batch);
  ASSERT_TRUE(results[0]);
  EXPECT_EQ(results[0]->size(), 1U);
  EXPECT_TRUE(embedding_event_from(results[0]->front())->chunk_batch.removed);
  ASSERT_TRUE(results[1]);
  EXPECT_TRUE(model_.calls().empty());
}

TEST_F(EmbedderTest, fails_what_needs_the_model_with_its_error_and_rejects_what_it_cannot_read) {
  model_.fail(unavailable("down"));
  Record broken = to_record(chunk_event("x", {"one"}), 1);
  broken.value = "[]";
  const std::vector<Record> batch{to_record(chunk_event("a", {"one"}), 1), broken};
  const auto results = embedder_.process(batch);
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().kind, Error::Kind::unavailable);
  ASSERT_FALSE(results[1]);
  EXPECT_EQ(results[1].error().kind, Error::Kind::rejected);
}

TEST_F(EmbedderTest, reports_a_document_that_was_given_up) {
  const Outputs told =
      embedder_.given_up(to_record(chunk_event("a", {"one"}), 1), retryable("no luck"));
  ASSERT_EQ(told.size(), 1U);
  const Result<DocumentProgress> progress = document_progress_from(told.front());
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->state, DocumentProgress::State::failed);
  EXPECT_EQ(progress->error, "no luck");
  EXPECT_EQ(progress->error_stage, "embedder");
}

}  // namespace
}  // namespace millrace
