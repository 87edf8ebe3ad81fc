#include "gateway/backup/moved_record.h"

#include <gtest/gtest.h>

#include "schemas/dead_letter.h"
#include "schemas/document.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

OffsetMap offsets() {
  OffsetMap map;
  map.add({"documents", 1}, 40, 0);
  map.add({"documents", 1}, 100, 1);
  map.add({"texts", 1}, 70, 2);
  return map;
}

DocumentRef ref(Offset sequence) {
  DocumentRef ref;
  ref.collection = "default";
  ref.document_id = "a";
  ref.revision = "R";
  ref.metadata = R"({"sequence":40,"deep":{"document":{"sequence":40}},"q\"sequence\":40":1.10})";
  ref.sequence = sequence;
  return ref;
}

Record text(Offset sequence) {
  TextEvent event;
  event.document = ref(sequence);
  event.text = "\"sequence\":40\nand a line";
  Record record = to_record(event);
  record.partition = 1;
  return record;
}

Offset sequence_of(const Record& record) { return document_ref_from(record)->sequence; }

TEST(MovedRecord, has_the_sequence_of_its_revision_or_an_older_one) {
  EXPECT_EQ(sequence_of(moved(text(100), offsets())), 1);
  EXPECT_EQ(sequence_of(moved(text(99), offsets())), 0) << "gone, and older than 100";
  EXPECT_EQ(sequence_of(moved(text(40), offsets())), 0);
  EXPECT_EQ(sequence_of(moved(text(39), offsets())), -1) << "older than all";
}

TEST(MovedRecord, differs_in_nothing_else) {
  Record expected = text(1);
  expected.set_header(headers::kTraceparent, "00-t");
  Record record = text(100);
  record.set_header(headers::kTraceparent, "00-t");
  const Record after = moved(record, offsets());
  EXPECT_EQ(after.value, expected.value);
  EXPECT_EQ(after.key, expected.key);
  EXPECT_EQ(after.headers, expected.headers);
}

TEST(MovedRecord, of_documents_is_as_it_was) {
  DocumentEvent event{ref(-1), DocumentEvent::Operation::put, R"({"document":{"sequence":40}})"};
  Record record = to_record(event);
  record.partition = 1;
  EXPECT_EQ(moved(record, offsets()).value, record.value);
}

TEST(MovedRecord, that_cannot_be_read_stays) {
  for (const char* value : {"", "{", R"({"document":7})", R"({"document":{"sequence":"x"}})",
                            R"({"document":{"sequence":)", R"({"document":{"sequence)"}) {
    Record record = text(100);
    record.value = value;
    EXPECT_EQ(moved(record, offsets()).value, value);
    record.topic = topics::kDeadLetters;
    EXPECT_EQ(moved(record, offsets()).value, value);
  }
}

TEST(MovedRecord, says_where_it_came_from_as_far_as_that_is_there) {
  Record record = text(100);
  record.set_header(headers::kSource, "documents:1:100");
  record.set_header(headers::kRedrivenFrom, "documents~1~40");
  EXPECT_EQ(moved(record, offsets()).header(headers::kSource), "documents:1:1");
  EXPECT_EQ(moved(record, offsets()).header(headers::kRedrivenFrom), "");
  record.set_header(headers::kSource, "documents:1:41");
  EXPECT_EQ(moved(record, offsets()).header(headers::kSource), "");
}

DeadLetter letter(const Position& source) {
  DeadLetter letter;
  letter.source = source;
  letter.source_key = "default/a";
  letter.stage = "chunker";
  letter.error = rejected("no");
  letter.source_headers = {{std::string{headers::kRedrivenFrom}, "documents~1~40"},
                           {std::string{headers::kSource}, "documents:1:100"}};
  letter.value = text(100).value;
  return letter;
}

DeadLetter moved_letter(const DeadLetter& before) {
  const Record record = moved(to_record(before), offsets());
  const auto after = dead_letter_from(record);
  EXPECT_TRUE(after) << after.error().message;
  EXPECT_EQ(record.key, format_position(after->source));
  return *after;
}

TEST(MovedRecord, of_a_dead_letter_names_the_new_places) {
  const DeadLetter after = moved_letter(letter({{"texts", 1}, 70}));
  EXPECT_EQ(format_position(after.source), "texts:1:2");
  EXPECT_EQ(after.source_header(headers::kRedrivenFrom), "documents~1~0");
  EXPECT_EQ(after.source_header(headers::kSource), "documents:1:1");
  EXPECT_EQ(after.value, text(1).value) << "which redriving reads";
}

TEST(MovedRecord, of_two_dead_letters_never_has_the_same_id) {
  const DeadLetter kept = moved_letter(letter({{"texts", 1}, 70}));
  const DeadLetter gone = moved_letter(letter({{"texts", 1}, 2}));
  EXPECT_NE(kept.source, gone.source);
  EXPECT_EQ(gone.source.offset, 2 + kGoneOffsets);
  EXPECT_EQ(moved_letter(gone).source.offset, 2 + 2 * kGoneOffsets) << "restored once more";
}

TEST(MovedRecord, of_a_redriven_or_purged_letter_too) {
  DeadLetter redriven = letter({{"texts", 1}, 70});
  redriven.value.clear();
  redriven.redriven = LetterRedriven{{}, "root", "R2", {{"documents", 1}, 100}, 12};
  const DeadLetter after = moved_letter(redriven);
  EXPECT_EQ(format_position(after.redriven->position), "documents:1:1");
  EXPECT_EQ(after.value_bytes, 12);
  const Record purged = moved(dead_letter_tombstone(redriven), offsets());
  EXPECT_TRUE(purged.tombstone);
  EXPECT_EQ(purged.key, "texts:1:2");
}

}  // namespace
}  // namespace millrace
