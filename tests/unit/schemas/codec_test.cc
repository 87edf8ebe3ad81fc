#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "schemas/answer.h"
#include "schemas/chunk.h"
#include "schemas/collection.h"
#include "schemas/dead_letter.h"
#include "schemas/document.h"
#include "schemas/event.h"
#include "schemas/query.h"

namespace millrace {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using State = DocumentProgress::State;

DocumentRef some_document() {
  DocumentRef document;
  document.collection = "default";
  document.document_id = "a";
  document.revision = "r1";
  return document;
}

Query some_query() {
  Query query;
  query.query_id = "q";
  return query;
}

// advances() from one status to another.
bool moves(const DocumentRef& from, State current, const DocumentRef& to, State next) {
  DocumentProgress before;
  before.document = from;
  before.state = current;
  DocumentProgress after;
  after.document = to;
  after.state = next;
  return advances(before, after);
}

template <class T>
std::string refusal(const Result<T>& result) {
  if (result) return "accepted";
  EXPECT_EQ(result.error().kind, Error::Kind::rejected);
  return result.error().message;
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(Event, is_refused_in_a_schema_version_that_is_not_known_naming_both) {
  Record record = to_record(Cancellation{"q", {}});
  record.set_header(headers::kSchemaVersion, "2");
  EXPECT_THAT(refusal(cancellation_from(record)),
              AllOf(HasSubstr("\"2\""), HasSubstr("version 1")));
  record.headers.clear();
  record.set_header(headers::kEventType, std::string{Cancellation::kType});
  EXPECT_THAT(refusal(cancellation_from(record)), HasSubstr("schema version \"\""));
}

TEST(Event, is_refused_as_another_type) {
  const Record record = to_record(Cancellation{"q", {}});
  EXPECT_THAT(refusal(query_from(record)),
              AllOf(HasSubstr("query"), HasSubstr("\"cancellation\"")));
}

TEST(Event, is_refused_when_it_is_a_tombstone) {
  EXPECT_THAT(refusal(collection_from(collection_tombstone("default"))), HasSubstr("tombstone"));
}

TEST(Event, is_refused_when_its_value_is_not_one_json_object) {
  Record record = to_record(Cancellation{"q", {}});
  for (const char* value :
       {"", "{", "[]", "17", "null", "{}{}", "\n{}", "{\"query_id\":\"\xff\"}"}) {
    record.value = value;
    EXPECT_NE(refusal(cancellation_from(record)), "accepted") << value;
  }
}

TEST(Event, is_refused_when_its_body_is_longer_or_shorter_than_body_bytes) {
  const Record record =
      to_record(DocumentEvent{some_document(), DocumentEvent::Operation::put, "abc"});
  Record longer = record;
  longer.value += "d";
  EXPECT_THAT(refusal(document_event_from(longer)), HasSubstr("body_bytes is 3"));
  Record shorter = record;
  shorter.value.pop_back();
  EXPECT_THAT(refusal(document_event_from(shorter)), HasSubstr("has 2 bytes"));
  Record unexpected = to_record(Cancellation{"q", {}});
  unexpected.value += "\nx";
  EXPECT_THAT(refusal(cancellation_from(unexpected)), HasSubstr("body_bytes is 0"));
}

TEST(Event, stays_on_one_line_when_metadata_has_line_breaks) {
  DocumentEvent event{some_document(), DocumentEvent::Operation::put, "body"};
  event.document.metadata = "{\n  \"a\":\r\n 1\n}";
  const Result<DocumentEvent> back = document_event_from(to_record(event));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->document.metadata, "{\"a\":1}");
  EXPECT_EQ(back->content, "body");
}

TEST(Event, holds_metadata_as_deep_as_clients_may_send_it) {
  std::string deep = "1";
  for (std::size_t i = 0; i < json::Limits{}.depth; ++i) deep = "{\"a\":" + deep + "}";
  Transcript transcript;
  transcript.query.query_id = "q";
  transcript.passages.emplace_back().metadata = deep;
  const Result<Transcript> back = transcript_from(to_record(transcript));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->passages.at(0).metadata, deep);
}

TEST(Event, numbers_out_of_their_bounds_are_refused) {
  Record record = to_record(some_query());
  record.value = replaced(record.value, "\"top_k\":6", "\"top_k\":0");
  EXPECT_THAT(refusal(query_from(record)), HasSubstr("top_k"));

  ChunkEvent event;
  event.document = some_document();
  Record chunks = to_record(event, 1);
  chunks.value = replaced(chunks.value, "\"batch\":0", "\"batch\":1");
  EXPECT_THAT(refusal(chunk_event_from(chunks)), HasSubstr("batch is 1; it must be from 0 to 0"));
  chunks.value = replaced(chunks.value, "\"batch\":1", "\"batch\":4294967296");
  EXPECT_THAT(refusal(chunk_event_from(chunks)), HasSubstr("4294967296"));
}

TEST(Document, id_may_be_any_printable_utf8_of_up_to_256_bytes) {
  EXPECT_TRUE(check_document_id("guides/größe 1.pdf").has_value());
  EXPECT_TRUE(check_document_id(std::string(256, 'a')).has_value());
  EXPECT_THAT(refusal(check_document_id("")), HasSubstr("empty"));
  EXPECT_THAT(refusal(check_document_id(std::string(257, 'a'))), HasSubstr("257"));
  EXPECT_THAT(refusal(check_document_id("a\nb")), HasSubstr("control"));
  EXPECT_THAT(refusal(check_document_id(std::string_view{"a\0b", 3})), HasSubstr("control"));
  EXPECT_THAT(refusal(check_document_id("a\x7f")), HasSubstr("control"));
  EXPECT_THAT(refusal(check_document_id("a\xc2\x85")), HasSubstr("control"));
  EXPECT_THAT(refusal(check_document_id("a\xff")), HasSubstr("UTF-8"));
}

TEST(Document, is_refused_with_an_id_or_a_collection_that_could_break_its_key) {
  DocumentEvent event{some_document(), DocumentEvent::Operation::put, "x"};
  event.document.document_id = std::string{"a\0b", 3};
  EXPECT_THAT(refusal(document_event_from(to_record(event))), HasSubstr("document_id"));
  event.document = some_document();
  event.document.collection = "a/b";
  EXPECT_THAT(refusal(document_event_from(to_record(event))), HasSubstr("collection"));
  event.document = some_document();
  event.document.revision = std::string{"r\0", 2};
  EXPECT_THAT(refusal(document_event_from(to_record(event))), HasSubstr("revision"));
}

TEST(Document, removal_carries_no_content) {
  const DocumentEvent event{some_document(), DocumentEvent::Operation::remove, "x"};
  EXPECT_THAT(refusal(document_event_from(to_record(event))), HasSubstr("no body"));
}

TEST(Text, is_refused_when_blocks_overlap_or_lie_outside_of_it) {
  TextEvent event;
  event.document = some_document();
  event.text = "größer";  // 6 code points, 8 bytes
  event.blocks = {{Block::Kind::paragraph, 0, 4, 0, {}}, {Block::Kind::paragraph, 4, 6, 0, {}}};
  EXPECT_EQ(refusal(text_event_from(to_record(event))), "accepted");
  event.blocks[1].start = 3;
  EXPECT_THAT(refusal(text_event_from(to_record(event))), HasSubstr("start is 3"));
  event.blocks[1] = {Block::Kind::paragraph, 5, 4, 0, {}};
  EXPECT_THAT(refusal(text_event_from(to_record(event))), HasSubstr("end is 4"));
  event.blocks[1] = {Block::Kind::paragraph, 4, 7, 0, {}};
  EXPECT_THAT(refusal(text_event_from(to_record(event))), HasSubstr("after the text"));
  event.blocks.clear();
  event.text = "\xff";
  EXPECT_THAT(refusal(text_event_from(to_record(event))), HasSubstr("UTF-8"));
}

TEST(Collection, names_are_short_and_plain) {
  for (const char* good : {"a", "0", "default", "a-b_c9"}) {
    EXPECT_TRUE(valid_collection_name(good)) << good;
  }
  EXPECT_TRUE(valid_collection_name(std::string(64, 'a')));
  for (const char* bad : {"", "A", "-a", "_a", "a/b", "a b", "ä", "a.b"}) {
    EXPECT_FALSE(valid_collection_name(bad)) << bad;
  }
  EXPECT_FALSE(valid_collection_name(std::string(65, 'a')));
  EXPECT_FALSE(valid_collection_name(std::string_view{"a\0", 2}));
}

TEST(Chunk, id_differs_with_each_part_of_its_identity) {
  const DocumentRef document = some_document();
  const std::string id = chunk_id_for(document, 0);
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id, chunk_id_for(document, 0));
  EXPECT_NE(id, chunk_id_for(document, 1));
  for (std::string DocumentRef::*part :
       {&DocumentRef::collection, &DocumentRef::document_id, &DocumentRef::revision}) {
    DocumentRef other = document;
    other.*part += "x";
    EXPECT_NE(id, chunk_id_for(other, 0));
  }
  DocumentRef renamed = document;
  renamed.name = renamed.title = "other";
  EXPECT_EQ(id, chunk_id_for(renamed, 0));
}

TEST(Chunk, is_embedded_with_its_headings_or_else_the_title) {
  DocumentRef document = some_document();
  Chunk chunk;
  chunk.text = "The wheel turns.";
  EXPECT_EQ(text_to_embed(document, chunk), "The wheel turns.");
  document.title = "Mill";
  EXPECT_EQ(text_to_embed(document, chunk), "Mill\nThe wheel turns.");
  chunk.headings = {"Care", "Wheel"};
  EXPECT_EQ(text_to_embed(document, chunk), "Care > Wheel\nThe wheel turns.");
}

TEST(Embedding, is_refused_when_vectors_and_chunks_do_not_match) {
  EmbeddingEvent event;
  event.chunk_batch.document = some_document();
  event.chunk_batch.chunks.resize(2);
  event.dimensions = 3;
  event.vectors.assign(5, 0.5F);
  EXPECT_THAT(refusal(embedding_event_from(to_record(event, 1))),
              AllOf(HasSubstr("10 bytes"), HasSubstr("2 chunks have 12")));
  event.vectors.assign(6, 0.5F);
  EXPECT_EQ(refusal(embedding_event_from(to_record(event, 1))), "accepted");
  event.vectors[4] = 1e30F;  // infinity in float16
  EXPECT_THAT(refusal(embedding_event_from(to_record(event, 1))), HasSubstr("finite"));
}

TEST(Embedding, key_falls_into_the_documents_partition) {
  const DocumentRef document = some_document();
  const std::string key = embedding_key(document_key(document), document.revision, 12);
  EXPECT_EQ(key, std::string("default/a\0r1\0"
                             "12",
                             15));
}

TEST(Query, id_tells_where_its_answers_begin) {
  constexpr std::string_view kUlid = "01KAB3M5J8Q2W4E6R7T9Y0Z1XE";
  for (const Offset offset :
       {Offset{0}, Offset{1}, Offset{35}, Offset{36}, Offset{46'655}, INT64_MAX}) {
    EXPECT_EQ(answers_from(query_id_for(kUlid, offset)), offset);
  }
  EXPECT_EQ(query_id_for(kUlid, 36), std::string{kUlid} + "-10");
}

TEST(Query, id_that_is_none_tells_nothing) {
  const std::string ulid = "01KAB3M5J8Q2W4E6R7T9Y0Z1XE";
  for (const std::string& bad :
       {std::string{}, ulid, ulid + "-", ulid + "1", ulid + "-A", ulid + "-1 ", ulid + "--1",
        ulid + "-01", ulid + "-1y2p0ij32e8e8", ulid + "-zzzzzzzzzzzzzzzzzzzz", "x" + ulid + "-1",
        ulid.substr(1) + "U-1"}) {
    EXPECT_EQ(answers_from(bad), -1) << bad;
  }
}

TEST(SearchRequest, goes_to_the_partition_that_it_names) {
  const Record record = to_record(SearchRequest{some_query(), 2, 4, 0, {}}, 1);
  EXPECT_EQ(record.partition, 2);
  EXPECT_EQ(record.key, "2");
}

TEST(SearchRequest, without_a_vector_is_a_lexical_one) {
  SearchRequest request{some_query(), 0, 1, 0, {}};
  EXPECT_THAT(refusal(search_request_from(to_record(request, 1))), HasSubstr("lexical"));
  request.query.mode = SearchMode::lexical;
  EXPECT_EQ(refusal(search_request_from(to_record(request, 1))), "accepted");
}

TEST(Query, leaves_out_what_it_does_not_ask_for) {
  EXPECT_EQ(
      to_record(some_query()).value,
      R"({"query_id":"q","kind":"answer","collection":"","question":"","top_k":6,)"
      R"("mode":"hybrid","sees_everything":false,"groups":[],"principal":"","asked_at_ms":0})");
}

TEST(Query, carries_its_filter_within_the_limits) {
  Query query = some_query();
  query.filter = *Filter::parse(R"({"year":{"gte":2020},"or":[{"tag":"a"},{"not":{"b":1}}]})", {});
  const Record record = to_record(query);
  const Result<Query> back = query_from(record);
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(*back, query);

  const auto with_filter = [&](const std::string& filter) {
    Record changed = to_record(some_query());
    changed.value = replaced(changed.value, "\"mode\":", "\"filter\":" + filter + ",\"mode\":");
    return refusal(query_from(changed));
  };
  EXPECT_EQ(with_filter(R"({"a":1})"), "accepted");
  EXPECT_THAT(with_filter(R"({"a":{"near":1}})"), AllOf(HasSubstr("filter"), HasSubstr("near")));
  EXPECT_THAT(with_filter(R"("a")"), HasSubstr("filter"));
  std::string deep = R"({"a":1})";
  for (int i = 0; i < 20; ++i) deep = R"({"not":)" + deep + "}";
  EXPECT_THAT(with_filter(deep), HasSubstr("filter"));
}

TEST(Query, has_a_diversity_from_0_to_1) {
  Query query = some_query();
  query.diversity = 0.25;
  Record record = to_record(query);
  for (const char* bad : {"-0.01", "1.01", "1e300"}) {
    Record changed = record;
    changed.value = replaced(changed.value, "0.25", bad);
    EXPECT_THAT(refusal(query_from(changed)), HasSubstr("diversity")) << bad;
  }
  for (const char* good : {"0", "1", "0.5"}) {
    Record changed = record;
    changed.value = replaced(changed.value, "0.25", good);
    EXPECT_EQ(refusal(query_from(changed)), "accepted") << good;
  }
}

Passage matched_passage() {
  Passage passage;
  passage.chunk_id = "c";
  passage.match = PassageMatch{.cosine = 0.5, .length = 7, .counts = {{1}}, .vector = {1.0F}};
  return passage;
}

TEST(Passage, shows_its_match_in_the_topic_passages_and_nowhere_else) {
  PassagesEvent found{some_query(), 0, 1, 0, 0, "", {9, 63, {{"mill", 4}}}, {matched_passage()}};
  EXPECT_EQ(passages_event_from(to_record(found)).value(), found);

  AnswerEvent event;
  event.type = AnswerEvent::Type::passages;
  event.passages = {matched_passage()};
  Transcript transcript;
  transcript.query = some_query();
  transcript.passages = {matched_passage()};
  json::Writer out;
  write_json(out, matched_passage());
  for (const std::string& text :
       {out.take(), client_json(event), to_record(event).value, to_record(transcript).value}) {
    EXPECT_THAT(text, AllOf(HasSubstr("chunk_id"), Not(HasSubstr("match"))));
    EXPECT_THAT(text, AllOf(Not(HasSubstr("counts")), Not(HasSubstr("cosine"))));
  }
  // Nor is one believed that stands elsewhere.
  Record forged = to_record(event);
  forged.value = replaced(forged.value, "\"metadata\":{}",
                          R"("metadata":{},"match":{"length":1,"counts":[[1]]})");
  EXPECT_FALSE(answer_event_from(forged).value().passages.at(0).match);
}

TEST(Passage, explains_its_score_to_clients) {
  AnswerEvent event;
  event.type = AnswerEvent::Type::passages;
  event.passages = {matched_passage()};
  ScoreExplanation& explanation = event.passages[0].explanation.emplace();
  explanation.dense = 0.5;
  explanation.lexical = 0.25;
  explanation.dense_weight = 0.75;
  explanation.lexical_weight = 0.25;
  EXPECT_THAT(client_json(event), HasSubstr(R"("explanation":{"dense":0.5,"lexical":0.25,)"
                                            R"("dense_weight":0.75,"lexical_weight":0.25})"));
}

TEST(PassagesEvent, is_refused_beyond_its_bounds) {
  const auto refused = [](const PassagesEvent& event) {
    return refusal(passages_event_from(to_record(event)));
  };
  PassagesEvent event;
  event.query = some_query();
  event.passages = {matched_passage()};
  PassageMatch& match = *event.passages[0].match;
  match.counts.assign(LexicalEvidence::kWordsMax, {0});
  match.counts.front().assign(LexicalEvidence::kTermsMax, 1);
  event.evidence.words.assign(LexicalEvidence::kWordsMax, {"w", 1});
  EXPECT_EQ(refused(event), "accepted");
  match.counts.emplace_back();
  EXPECT_THAT(refused(event), HasSubstr("too many words"));
  match.counts.pop_back();
  match.counts.front().push_back(1);
  EXPECT_THAT(refused(event), HasSubstr("counts"));
  match.counts = {{-1}};
  EXPECT_THAT(refused(event), HasSubstr("at least 0"));
  match.counts.clear();
  match.length = -1;
  EXPECT_THAT(refused(event), HasSubstr("length"));
  match.length = 0;
  event.evidence.words.push_back({"w", 1});
  EXPECT_THAT(refused(event), HasSubstr("too many words"));
  event.evidence.words = {{"w", -1}};
  EXPECT_THAT(refused(event), HasSubstr("rows"));
  event.evidence.words.clear();
  match.vector = {1e30F};  // infinity in float16
  EXPECT_THAT(refused(event), HasSubstr("vector"));
}

TEST(PassagesEvent, leaves_out_a_cosine_that_is_no_number) {
  for (const double cosine : {std::nan(""), HUGE_VAL}) {
    PassagesEvent event;
    event.query = some_query();
    event.passages = {matched_passage()};
    event.passages[0].match->cosine = cosine;
    EXPECT_FALSE(passages_event_from(to_record(event)).value().passages.at(0).match->cosine);
  }
}

TEST(Progress, advances_within_a_revision_and_never_back) {
  const std::vector<State> way{State::accepted, State::extracted, State::chunked, State::embedded,
                               State::indexed};
  const DocumentRef document = some_document();
  for (std::size_t from = 0; from < way.size(); ++from) {
    for (std::size_t to = 0; to < way.size(); ++to) {
      EXPECT_EQ(moves(document, way[from], document, way[to]), to > from);
    }
  }
  EXPECT_TRUE(moves(document, State::accepted, document, State::deleted));
  EXPECT_FALSE(moves(document, State::deleted, document, State::indexed));
}

TEST(Progress, failure_replaces_anything_but_the_end_of_the_way) {
  const DocumentRef document = some_document();
  for (const State state : {State::accepted, State::extracted, State::chunked, State::embedded}) {
    EXPECT_TRUE(moves(document, state, document, State::failed));
    EXPECT_FALSE(moves(document, State::failed, document, state));
  }
  EXPECT_FALSE(moves(document, State::indexed, document, State::failed));
  EXPECT_FALSE(moves(document, State::deleted, document, State::failed));
  EXPECT_TRUE(moves(document, State::failed, document, State::indexed))
      << "after a dead letter was sent again";
}

TEST(Progress, of_two_revisions_the_one_later_in_the_log_counts_whatever_its_state) {
  DocumentRef document = some_document();
  document.sequence = 7;
  DocumentRef newer = document;
  newer.revision = "r0";  // older by name: the log's order decides
  newer.sequence = 8;
  for (const State state : {State::accepted, State::indexed, State::deleted, State::failed}) {
    for (const State other : {State::accepted, State::extracted, State::failed}) {
      EXPECT_TRUE(moves(document, state, newer, other));
      EXPECT_FALSE(moves(newer, other, document, state));
    }
  }
}

TEST(Document, has_the_sequence_that_its_place_in_the_log_gives_it) {
  Record record = to_record(DocumentEvent{some_document(), DocumentEvent::Operation::put, "a"});
  EXPECT_EQ(document_event_from(record)->document.sequence, -1);
  record.offset = 41;
  const DocumentRef document = document_event_from(record)->document;
  EXPECT_EQ(document.sequence, 41);
  const Record text = to_record(TextEvent{document, true, {}, 0, ""});
  EXPECT_EQ(text_event_from(text)->document.sequence, 41);
}

TEST(Progress, states_have_names) {
  State state = State::failed;
  EXPECT_TRUE(state_from("embedded", state));
  EXPECT_EQ(state, State::embedded);
  EXPECT_FALSE(state_from("Embedded", state));
  EXPECT_EQ(state, State::embedded);
}

TEST(AnswerEvent, shows_clients_what_belongs_to_its_type_and_nothing_of_the_log) {
  using Type = AnswerEvent::Type;
  AnswerEvent event;
  event.query_id = "q";
  event.attempt = 7;
  event.index = 3;
  event.text = "slow\n";
  event.reason = "timeout";
  event.message = "took too long";
  event.embedding_us = 1'500;
  event.search_us = 250;
  event.partial = true;
  event.answer.text = "It turns [1].";
  event.answer.citations = {{1, "a", "r1", "c", "Mill", 0, 2, 6, "turn"}};
  event.answer.confidence = 0.5;
  event.answer.model = "m";
  event.answer.usage = {10, 2};
  event.answer.took_ms = 9;
  const auto shown = [&](Type type) {
    event.type = type;
    return client_json(event);
  };
  EXPECT_EQ(shown(Type::started), R"({"query_id":"q"})");
  EXPECT_EQ(shown(Type::passages), R"({"index":3,"passages":[],"partial":true,)"
                                   R"("timings":{"embedding_ms":1.5,"search_ms":0.25}})");
  EXPECT_EQ(shown(Type::delta), R"({"index":3,"text":"slow\n"})");
  EXPECT_EQ(shown(Type::reset), R"({"reason":"timeout"})");
  EXPECT_EQ(shown(Type::failed), R"({"reason":"timeout","message":"took too long"})");
  EXPECT_EQ(shown(Type::completed),
            R"({"index":3,"answer":"It turns [1].","citations":[{"number":1,"document_id":"a",)"
            R"("revision":"r1","chunk_id":"c","title":"Mill","start":2,"end":6,"quote":"turn"}],)"
            R"("confidence":0.5,"refused":false,"needs_human_review":false,"partial":false,)"
            R"("model":"m","usage":{"prompt_tokens":10,"completion_tokens":2},"took_ms":9})");
}

TEST(Passage, leaves_the_page_out_where_there_is_none) {
  Passage passage;
  json::Writer out;
  write_json(out, passage);
  EXPECT_THAT(out.take(), Not(HasSubstr("page")));
  passage.page = 3;
  write_json(out, passage);
  EXPECT_THAT(out.take(), HasSubstr("\"page\":3"));
}

TEST(DeadLetter, keeps_a_whole_record_byte_for_byte) {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<char>(i));
  DeadLetter letter;
  letter.source = {{"texts", 1}, 2};
  letter.source_key = letter.value = every_byte;
  letter.source_headers = {{"h", every_byte}};
  const Record record = to_record(letter);
  EXPECT_EQ(record.key, "texts:1:2");
  const Result<DeadLetter> back = dead_letter_from(record);
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->source_key, every_byte);
  EXPECT_EQ(back->value, every_byte);
  EXPECT_EQ(back->source_headers, letter.source_headers);
  const Record source = back->source_record();
  EXPECT_EQ(source.position(), letter.source);
  EXPECT_EQ(source.key, every_byte);
  EXPECT_EQ(source.value, every_byte);
  EXPECT_EQ(source.headers, letter.source_headers);
}

TEST(DeadLetter, has_a_head_that_is_read_without_the_value) {
  DeadLetter letter;
  letter.source = {{"documents", 1}, 2};
  letter.source_headers = {{"redriven-from", "documents:1:1"}};
  letter.value = "1234\n6";
  const std::string value = to_record(letter).value;
  const Result<DeadLetter> head = dead_letter_head_from(value.substr(0, value.find('\n')));
  ASSERT_TRUE(head.has_value()) << head.error().message;
  EXPECT_EQ(head->source, letter.source);
  EXPECT_EQ(head->source_header("redriven-from"), "documents:1:1");
  EXPECT_EQ(head->source_header("traceparent"), "");
  EXPECT_EQ(head->value_bytes, 6);
  EXPECT_TRUE(head->value.empty());
  for (const char* wrong : {"", "{}", "[1]", "{\"source\":1}"}) {
    EXPECT_FALSE(dead_letter_head_from(wrong)) << wrong;
  }
}

TEST(DeadLetter, leaves_the_value_out_once_it_was_sent_again) {
  DeadLetter letter;
  letter.source = {{"documents", 1}, 2};
  letter.value = "bytes";
  letter.redriven = {
      Clock::Wall{std::chrono::milliseconds{7}}, "ops", "r2", {{"documents", 1}, 9}, 5};
  const Result<DeadLetter> back = dead_letter_from(to_record(letter));
  ASSERT_TRUE(back.has_value()) << back.error().message;
  EXPECT_EQ(back->redriven, letter.redriven);
  EXPECT_EQ(back->value, "");
  EXPECT_EQ(back->value_bytes, 5);
  EXPECT_TRUE(dead_letter_tombstone(letter).tombstone);
  EXPECT_EQ(dead_letter_tombstone(letter).key, "documents:1:2");
}

TEST(Document, is_known_from_any_event_of_its_way_even_from_a_damaged_one) {
  Record event = to_record(DocumentEvent{some_document(), DocumentEvent::Operation::put, "a"});
  event.offset = 41;
  EXPECT_EQ(document_ref_from(event)->sequence, 41);
  DocumentRef document = some_document();
  document.sequence = 41;
  Record text = to_record(TextEvent{document, false, {}, 0, "a"});
  text.offset = 7;
  text.value += "more than body_bytes says";
  EXPECT_FALSE(text_event_from(text));
  EXPECT_EQ(document_ref_from(text).value(), document);
  EXPECT_FALSE(document_ref_from(to_record(Cancellation{"q", {}})));
  text.value = "{";
  EXPECT_FALSE(document_ref_from(text));
}

}  // namespace
}  // namespace millrace
