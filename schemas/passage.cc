#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/ids.h"
#include "schemas/codec.h"
#include "schemas/float16.h"
#include "schemas/query.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

// How often each term of one word occurs, for each word.
void write_counts(json::Writer& out, const std::vector<std::vector<std::int64_t>>& words) {
  out.key("counts").begin_array();
  for (const std::vector<std::int64_t>& terms : words) {
    out.begin_array();
    for (const std::int64_t count : terms) out.value(count);
    out.end_array();
  }
  out.end_array();
}

bool read_terms(json::Value terms, std::vector<std::int64_t>& out) {
  if (!terms.is_array() || terms.size() > LexicalEvidence::kTermsMax) return false;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    if (!terms[i].is_integer() || terms[i].as_integer() < 0) return false;
    out.push_back(terms[i].as_integer());
  }
  return true;
}

void read_counts(json::ObjectReader& in, std::vector<std::vector<std::int64_t>>& words) {
  const json::Value array = in.required_array("counts");
  if (!array.exists()) return;
  if (array.size() > LexicalEvidence::kWordsMax) return in.fail("counts has too many words");
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (!read_terms(array[i], words.emplace_back())) {
      return in.fail("counts are arrays of integers of at least 0, one for each term of a word");
    }
  }
}

}  // namespace

// Not in the anonymous namespace: codec.h's templates look them up in the type's own.
static void write_members(json::Writer& out, const ScoreExplanation& explanation) {
  out.field("dense", explanation.dense)
      .field("lexical", explanation.lexical)
      .field("dense_weight", explanation.dense_weight)
      .field("lexical_weight", explanation.lexical_weight);
  if (explanation.cosine) out.field("cosine", *explanation.cosine);
  if (explanation.bm25) out.field("bm25", *explanation.bm25);
  if (explanation.rerank) out.field("rerank", *explanation.rerank);
  if (!explanation.rerank_failure.empty()) out.field("rerank_failure", explanation.rerank_failure);
}

static void read_members(json::ObjectReader& in, ScoreExplanation& explanation) {
  read_share(in, "dense", explanation.dense);
  read_share(in, "lexical", explanation.lexical);
  read_share(in, "dense_weight", explanation.dense_weight);
  read_share(in, "lexical_weight", explanation.lexical_weight);
  double value = 0;
  if (in.optional("cosine", value)) explanation.cosine = value;
  if (in.optional("rerank", value)) explanation.rerank = value;
  in.optional("rerank_failure", explanation.rerank_failure);
  if (!in.optional("bm25", value)) return;
  explanation.bm25 = value;
  if (value < 0) in.fail("bm25 is below 0");
}

static void write_members(json::Writer& out, const PassageMatch& match) {
  // Of finite vectors, and yet the sum may be too great for a number; then it says nothing.
  if (match.cosine && std::isfinite(*match.cosine)) out.field("cosine", *match.cosine);
  out.field("length", match.length);
  write_counts(out, match.counts);
  if (!match.vector.empty()) out.field("vector", base64_encode(encode_float16(match.vector)));
}

static void read_members(json::ObjectReader& in, PassageMatch& match) {
  double cosine = 0;
  if (in.optional("cosine", cosine)) match.cosine = cosine;
  read_integer(in, "length", match.length, 0);
  read_counts(in, match.counts);
  std::string base64;
  std::string bytes;
  if (!in.optional("vector", base64)) return;
  if (!base64_decode(base64, bytes) || !decode_float16(bytes, match.vector)) {
    in.fail("vector is no base64 of finite float16 values");
  }
}

static void write_members(json::Writer& out, const LexicalEvidence& evidence) {
  out.field("rows", evidence.rows).field("terms", evidence.terms).key("words").begin_array();
  for (const LexicalEvidence::Word& word : evidence.words) {
    out.begin_object().field("word", word.word).field("rows", word.rows).end_object();
  }
  out.end_array();
}

static void read_members(json::ObjectReader& in, LexicalEvidence& evidence) {
  read_integer(in, "rows", evidence.rows, 0);
  read_integer(in, "terms", evidence.terms, 0);
  read_objects(in, "words", evidence.words,
               [](json::ObjectReader& inner, LexicalEvidence::Word& word) {
                 inner.required("word", word.word);
                 read_integer(inner, "rows", word.rows, 0);
               });
  if (evidence.words.size() > LexicalEvidence::kWordsMax) in.fail("there are too many words");
}

static void write_members(json::Writer& out, const Passage& passage) {
  out.field("document_id", passage.document_id)
      .field("revision", passage.revision)
      .field("chunk_id", passage.chunk_id)
      .field("title", passage.title)
      .field("name", passage.name)
      .field("text", passage.text)
      .field("score", passage.score);
  if (passage.page != 0) out.field("page", passage.page);
  out.field("start", passage.start).field("end", passage.end);
  out.strings("headings", passage.headings);
  write_embedded(out, "metadata", passage.metadata);
  if (passage.explanation) write_object(out, "explanation", *passage.explanation);
}

void write_json(json::Writer& out, const Passage& passage) {
  out.begin_object();
  write_members(out, passage);
  out.end_object();
}

void read_members(json::ObjectReader& in, Passage& passage) {
  in.required("document_id", passage.document_id);
  in.required("revision", passage.revision);
  in.required("chunk_id", passage.chunk_id);
  in.required("title", passage.title);
  in.required("name", passage.name);
  in.required("text", passage.text);
  in.required("score", passage.score);
  read_page(in, passage.page);
  read_integer(in, "start", passage.start, 0);
  read_integer(in, "end", passage.end, passage.start);
  in.required("headings", passage.headings);
  read_embedded(in, "metadata", passage.metadata);
  read_optional(in, "explanation", passage.explanation);
}

Result<Passage> passage_from(json::Value value) {
  json::ObjectReader in{value, "passage", json::ObjectReader::Unknown::ignore};
  Passage passage;
  read_members(in, passage);
  if (Status status = in.finish(); !status) return status.error();
  return passage;
}

Record to_record(const PassagesEvent& event) {
  json::Writer out;
  out.begin_object();
  write_object(out, "query", event.query);
  out.field("partition", event.partition)
      .field("partitions", event.partitions)
      .field("embedding_us", event.embedding_us)
      .field("search_us", event.search_us);
  if (!event.error.empty()) out.field("error", event.error);
  if (event.evidence != LexicalEvidence{}) write_object(out, "evidence", event.evidence);
  if (event.provenance) write_object(out, "provenance", *event.provenance);
  out.key("passages").begin_array();
  for (const Passage& passage : event.passages) {
    out.begin_object();
    write_members(out, passage);
    if (passage.match) write_object(out, "match", *passage.match);
    out.end_object();
  }
  out.end_array().end_object();
  return make_event(topics::kPassages, event.query.query_id, PassagesEvent::kType, out.take());
}

Result<PassagesEvent> passages_event_from(const Record& record) {
  return decode_event<PassagesEvent>(record, [](json::ObjectReader& in, std::string_view,
                                                PassagesEvent& event) {
    read_object(in, "query", event.query);
    read_integer(in, "partitions", event.partitions, 1);
    read_integer(in, "partition", event.partition, 0, std::int64_t{event.partitions} - 1);
    read_integer(in, "embedding_us", event.embedding_us, 0);
    read_integer(in, "search_us", event.search_us, 0);
    in.optional("error", event.error);
    read_optional(in, "provenance", event.provenance);
    std::optional<LexicalEvidence> evidence;
    read_optional(in, "evidence", evidence);
    if (evidence) event.evidence = std::move(*evidence);
    read_objects(in, "passages", event.passages, [](json::ObjectReader& inner, Passage& passage) {
      read_members(inner, passage);
      read_optional(inner, "match", passage.match);
    });
  });
}

Record to_record(const Cancellation& cancellation) {
  json::Writer out;
  out.begin_object().field("query_id", cancellation.query_id);
  write_time(out, "at_ms", cancellation.at);
  out.end_object();
  return make_event(topics::kCancellations, cancellation.query_id, Cancellation::kType, out.take());
}

Result<Cancellation> cancellation_from(const Record& record) {
  return decode_event<Cancellation>(
      record, [](json::ObjectReader& in, std::string_view, Cancellation& cancellation) {
        in.required("query_id", cancellation.query_id);
        read_time(in, "at_ms", cancellation.at);
      });
}

}  // namespace millrace
