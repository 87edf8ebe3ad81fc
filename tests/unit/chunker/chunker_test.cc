#include "workers/chunker/chunker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_clock.h"
#include "tests/support/fake_embedding_model.h"

namespace millrace {
namespace {

const FakeTokenizer kTokenizer;

TextEvent text_event(std::string text) {
  TextEvent event;
  event.document.collection = "default";
  event.document.document_id = "d";
  event.document.revision = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  event.blocks.push_back(
      {Block::Kind::paragraph, 0, static_cast<std::int64_t>(text.size()), 0, {}});
  event.text = std::move(text);
  return event;
}

class ChunkerTest : public testing::Test {
 protected:
  Result<Outputs> process(const Record& record) {
    return chunker_.process(std::span{&record, 1}).front();
  }
  FakeClock clock_;
  Generations generations_;
  Chunker chunker_{kTokenizer, {.chunk_tokens = 16, .overlap_tokens = 0}, generations_, 1, clock_};
};

TEST_F(ChunkerTest, sends_batches_that_say_how_many_there_are_and_then_the_progress) {
  std::string text;
  for (int i = 0; i < 150; ++i)
    text += "Ten words stand in this very sentence here " + std::to_string(i) + ". ";
  const Result<Outputs> outputs = process(to_record(text_event(text)));
  ASSERT_TRUE(outputs);
  ASSERT_EQ(outputs->size(), 4U);  // 150 chunks: 64 + 64 + 22, and the progress
  std::int64_t ordinal = 0;
  for (std::int32_t batch = 0; batch < 3; ++batch) {
    const Result<ChunkEvent> event = chunk_event_from((*outputs)[static_cast<std::size_t>(batch)]);
    ASSERT_TRUE(event);
    EXPECT_EQ(event->batch, batch);
    EXPECT_EQ(event->batches, 3);
    EXPECT_EQ(event->chunks_total, 150);
    for (const Chunk& chunk : event->chunks) EXPECT_EQ(chunk.ordinal, ordinal++);
  }
  const Result<DocumentProgress> progress = document_progress_from(outputs->back());
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->state, DocumentProgress::State::chunked);
  EXPECT_EQ(progress->chunks, 150);
}

TEST_F(ChunkerTest, leaves_collections_alone_that_are_not_in_its_generation) {
  Collection moved{.name = "default", .generation = 7};
  moved.generations = {{.number = 7}};
  ASSERT_TRUE(generations_.apply(to_record(moved)));
  const Result<Outputs> outputs = process(to_record(text_event("Ten words.")));
  ASSERT_TRUE(outputs);
  EXPECT_TRUE(outputs->empty());

  Chunker other{kTokenizer, {.chunk_tokens = 16, .overlap_tokens = 0}, generations_, 7, clock_};
  const Record record = to_record(text_event("Ten words."));
  const Result<Outputs> made = other.process(std::span{&record, 1}).front();
  ASSERT_TRUE(made);
  ASSERT_EQ(made->size(), 2U);
  EXPECT_EQ(made->front().topic, "chunks.g7");
  EXPECT_EQ(document_progress_from(made->back())->generation, 7);
}

TEST_F(ChunkerTest, passes_a_removal_on) {
  TextEvent removal = text_event("");
  removal.blocks.clear();
  removal.removed = true;
  const Result<Outputs> outputs = process(to_record(removal));
  ASSERT_TRUE(outputs);
  ASSERT_EQ(outputs->size(), 1U);
  const Result<ChunkEvent> event = chunk_event_from(outputs->front());
  ASSERT_TRUE(event);
  EXPECT_TRUE(event->removed);
  EXPECT_TRUE(event->chunks.empty());
}

TEST_F(ChunkerTest, rejects_a_record_it_cannot_read_and_reports_one_that_was_given_up) {
  Record broken = to_record(text_event("Something."));
  broken.value = "{";
  const Result<Outputs> outputs = process(broken);
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().kind, Error::Kind::rejected);

  const Outputs told = chunker_.given_up(to_record(text_event("Something.")), rejected("why"));
  ASSERT_EQ(told.size(), 1U);
  const Result<DocumentProgress> progress = document_progress_from(told.front());
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->state, DocumentProgress::State::failed);
  EXPECT_EQ(progress->error, "why");
  EXPECT_EQ(progress->error_stage, "chunker");
}

}  // namespace
}  // namespace millrace
