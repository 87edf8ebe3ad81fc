#include "workers/extracting_chunker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/chunk.h"
#include "schemas/document.h"
#include "schemas/topics.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_embedding_model.h"
#include "workers/chunker/chunker.h"
#include "workers/extractor/extractor.h"
#include "workers/extractor/formats.h"

namespace millrace {
namespace {

using State = DocumentProgress::State;
using testing::HasSubstr;

constexpr int kOther = 7;
const FakeTokenizer kTokenizer;

// Parses in this process.
class OpenSandbox final : public Sandbox {
 public:
  explicit OpenSandbox(int& parsed) : parsed_{parsed} {}
  Result<ExtractedText> extract(std::string_view bytes, const DocumentRef& document) override {
    ++parsed_;
    const auto format = detect_format(bytes, document.media_type, document.name);
    if (!format) return format.error();
    return (*format)->parse(bytes, {}, {});
  }

 private:
  int& parsed_;
};

DocumentEvent document(std::string content) {
  DocumentEvent event;
  event.document.collection = "books";
  event.document.document_id = "d";
  event.document.revision = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  event.document.name = "a.md";
  event.document.bytes = static_cast<std::int64_t>(content.size());
  event.content = std::move(content);
  return event;
}

class ExtractingChunkerTest : public testing::Test {
 protected:
  ExtractingChunkerTest() {
    Collection books{.name = "books"};
    books.generations = {
        {.number = 1},
        {.number = kOther, .state = Generation::State::building, .settings = {}, .since = {}}};
    EXPECT_TRUE(generations_.apply(to_record(books)));
  }
  Result<Outputs> process(const Record& record) { return stage_.process({&record, 1}).front(); }

  FakeClock clock_;
  Generations generations_;
  int parsed_ = 0;
  ExtractingChunker stage_{
      std::make_unique<Extractor>(std::make_unique<OpenSandbox>(parsed_), clock_),
      std::make_unique<Chunker>(kTokenizer, ChunkerOptions{.chunk_tokens = 16, .overlap_tokens = 0},
                                generations_, kOther, clock_),
      generations_, kOther};
};

TEST_F(ExtractingChunkerTest, makes_chunks_of_a_document_and_leaves_texts_alone) {
  const Result<Outputs> outputs = process(to_record(document("# Mills\n\nThe stone turns.")));
  ASSERT_TRUE(outputs) << outputs.error().message;
  ASSERT_EQ(outputs->size(), 2U);
  EXPECT_EQ((*outputs)[0].topic, topics::chunks(kOther));
  const Result<ChunkEvent> chunks = chunk_event_from((*outputs)[0]);
  ASSERT_TRUE(chunks);
  ASSERT_EQ(chunks->chunks.size(), 1U);
  EXPECT_THAT(chunks->chunks[0].text, HasSubstr("The stone turns."));
  EXPECT_EQ(chunks->document.title, "Mills");
  const Result<DocumentProgress> progress = document_progress_from((*outputs)[1]);
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->state, State::chunked);
  EXPECT_EQ(progress->generation, kOther);
}

TEST_F(ExtractingChunkerTest, passes_a_removal_on) {
  DocumentEvent removal = document("");
  removal.operation = DocumentEvent::Operation::remove;
  const Result<Outputs> outputs = process(to_record(removal));
  ASSERT_TRUE(outputs);
  ASSERT_EQ(outputs->size(), 1U);
  const Result<ChunkEvent> chunks = chunk_event_from(outputs->front());
  ASSERT_TRUE(chunks);
  EXPECT_TRUE(chunks->removed);
  EXPECT_EQ(parsed_, 0);
}

TEST_F(ExtractingChunkerTest, does_not_parse_what_is_not_in_its_generation) {
  DocumentEvent strange = document("# Mills\n\nThe stone turns.");
  strange.document.collection = "letters";
  const Result<Outputs> outputs = process(to_record(strange));
  ASSERT_TRUE(outputs);
  EXPECT_TRUE(outputs->empty());
  EXPECT_EQ(parsed_, 0);
}

TEST_F(ExtractingChunkerTest, a_document_that_cannot_be_read_fails_in_this_generation_only) {
  const Record record = to_record(document(" "));
  const Result<Outputs> outputs = process(record);
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().kind, Error::Kind::rejected);
  const Outputs told = stage_.given_up(record, outputs.error());
  ASSERT_EQ(told.size(), 1U);
  const Result<DocumentProgress> progress = document_progress_from(told.front());
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->state, State::failed);
  EXPECT_EQ(progress->generation, kOther);
  EXPECT_FALSE(is_shared(*progress));
  EXPECT_EQ(progress->error, outputs.error().message);
}

}  // namespace
}  // namespace millrace
