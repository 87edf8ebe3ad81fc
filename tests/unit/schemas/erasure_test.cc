#include "schemas/erasure.h"

#include <gmock/gmock.h>

#include <set>

#include "schemas/topics.h"

namespace millrace {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::Field;
using ::testing::Not;
using ::testing::SizeIs;

DocumentRef some_document() {
  DocumentRef document;
  document.collection = "mills";
  document.document_id = "d1";
  document.revision = "R1";
  document.name = "mill.txt";
  document.title = "The mill";
  document.media_type = "text/plain";
  document.metadata = R"({"a":1})";
  document.allow = {"staff"};
  document.bytes = 12;
  document.sequence = 7;
  return document;
}

Transcript transcript_of(const std::string& collection, const std::vector<std::string>& ids) {
  Transcript transcript;
  transcript.query.collection = collection;
  transcript.query.question = "What does it grind?";
  transcript.answer.text = "Rye [1].";
  for (const std::string& id : ids) {
    transcript.passages.emplace_back().document_id = id;
    transcript.answer.citations.emplace_back().document_id = id;
  }
  return transcript;
}

TEST(Erasure, leaves_who_a_document_was_and_who_may_know) {
  const DocumentRef bare = without_content(some_document());
  DocumentRef expected;
  expected.collection = "mills";
  expected.document_id = "d1";
  expected.revision = "R1";
  expected.allow = {"staff"};
  expected.sequence = 7;
  EXPECT_EQ(bare, expected);
  EXPECT_EQ(without_content(bare), bare);
}

TEST(Erasure, is_a_state_after_deleted_for_every_generation) {
  DocumentProgress deleted;
  deleted.document = some_document();
  deleted.state = DocumentProgress::State::deleted;
  deleted.removal = true;
  deleted.generation = 4;
  const DocumentProgress erased = erased_progress(deleted, Clock::Wall{});
  EXPECT_TRUE(advances(deleted, erased));
  EXPECT_FALSE(advances(erased, deleted));
  EXPECT_TRUE(is_shared(erased));
  EXPECT_EQ(seen_from(4, erased), erased);
  EXPECT_EQ(erased.generation, 1);
  const auto read = document_progress_from(to_record(erased));
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(*read, erased);
}

TEST(Erasure, tombstones_what_was_told_of_revisions_but_not_the_removal_itself) {
  const std::vector<int> generations{1, 3};
  const auto tombstones = progress_tombstones(some_document(), generations);
  EXPECT_THAT(tombstones, Each(Field(&Record::tombstone, true)));
  std::set<std::string> keys;
  for (const Record& each : tombstones) keys.insert(each.key);
  EXPECT_EQ(keys.size(), tombstones.size());
  using State = DocumentProgress::State;
  DocumentProgress told;
  told.document = some_document();
  for (const int generation : generations) {
    told.generation = generation;
    for (const State state : {State::extracted, State::chunked, State::embedded, State::indexed}) {
      told.state = state;
      EXPECT_THAT(keys, Contains(progress_key(told)));
    }
    told.state = State::failed;
    told.error_stage = "chunker";
    EXPECT_THAT(keys, Contains(progress_key(told)));
    for (const State state : {State::accepted, State::deleted, State::erased}) {
      told.state = state;
      EXPECT_THAT(keys, Not(Contains(progress_key(told))));
    }
  }
}

TEST(Erasure, takes_a_document_out_of_a_transcript_and_the_answer_with_it) {
  const auto is_d1 = [](std::string_view key) { return key == "mills/d1"; };
  Transcript transcript = transcript_of("mills", {"d0", "d1", "d2", "d1"});
  EXPECT_TRUE(erase_documents(transcript, is_d1));
  EXPECT_THAT(transcript.passages, SizeIs(2));
  EXPECT_THAT(transcript.answer.citations, SizeIs(2));
  EXPECT_EQ(transcript.answer.text, kErasedAnswer);
  EXPECT_EQ(transcript.query.question, "What does it grind?");
  EXPECT_FALSE(erase_documents(transcript, is_d1)) << "there is nothing left of it";
}

TEST(Erasure, leaves_transcripts_of_other_documents_and_collections_as_they_are) {
  const auto is_d1 = [](std::string_view key) { return key == "mills/d1"; };
  for (Transcript transcript : {transcript_of("mills", {"d2"}), transcript_of("barns", {"d1"})}) {
    const Transcript before = transcript;
    EXPECT_FALSE(erase_documents(transcript, is_d1));
    EXPECT_EQ(transcript, before);
  }
}

}  // namespace
}  // namespace millrace
