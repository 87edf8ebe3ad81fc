#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/json.h"
#include "common/log/record.h"
#include "schemas/filter.h"
#include "schemas/provenance.h"

namespace millrace {

enum class SearchMode { hybrid, dense, lexical };
std::string_view to_string(SearchMode mode);

// Topic `queries`, key: the query id. Both kinds take the same way; a search ends with its
// passages.
struct Query {
  enum class Kind { answer, search };
  // Why it is asked. What counts people's questions passes over the others.
  enum class Origin { person, eval, replay, shadow };
  std::string query_id;  // see query_id_for()
  Kind kind = Kind::answer;
  Origin origin = Origin::person;
  std::string collection;
  std::string question;
  std::int64_t top_k = 6;
  SearchMode mode = SearchMode::hybrid;
  Filter filter;                    // on the documents' metadata
  bool explain = false;             // each passage says how its score came about
  bool one_per_document = false;    // the best passage of each document only
  double diversity = 0;             // 0 to 1: what a passage loses that is like those before it
  bool sees_everything = false;     // no key configured, or an admin: allow lists do not apply
  std::vector<std::string> groups;  // of the asker, for allow lists
  std::string principal;            // name of the API key; empty: none configured
  int generation = 1;               // of the collection: which one answers
  Clock::Wall asked_at{};
  static constexpr std::string_view kType = "query";
  bool operator==(const Query&) const = default;
};
Record to_record(const Query& query);
Result<Query> query_from(const Record& record);
void write_members(json::Writer& out, const Query& query);
void read_members(json::ObjectReader& in, Query& query);

// ULID "-" OFFSET, where OFFSET (base 36) is the end of the query's partition of `answers` when it
// was accepted: every event of its answer stands at or after it, so any replica knows where to
// read.
std::string query_id_for(std::string_view ulid, Offset answers_from);
// The offset, or -1 when this is no query id.
Offset answers_from(std::string_view query_id);

// Topic `searches.gN`, one record per index partition (record.partition is set). The vector is the
// body: float32, little-endian; a lexical search may have none.
struct SearchRequest {
  Query query;
  std::int32_t partition = 0;
  std::int32_t partitions = 1;
  std::int64_t embedding_us = 0;  // what embedding the question took
  std::vector<float> vector;
  std::optional<Provenance> provenance = {};  // without what comes later on the way
  static constexpr std::string_view kType = "search";
  bool operator==(const SearchRequest&) const = default;
};
Record to_record(const SearchRequest& request, int generation);
Result<SearchRequest> search_request_from(const Record& record);

// What an index partition knows of a passage, for whoever makes one order of all partitions' ones.
struct PassageMatch {
  std::optional<double> cosine;  // to the question; none where that has no vector
  std::int64_t length = 0;       // of the chunk, in terms, as BM25 counts it
  // How often each term of each word of the question occurs; words as in LexicalEvidence.
  std::vector<std::vector<std::int64_t>> counts;
  std::vector<float> vector;  // float16 on the wire; of questions with a diversity only
  bool operator==(const PassageMatch&) const = default;
};

// How a passage's score came about: dense_weight * dense + lexical_weight * lexical, which are
// shares of the most that they can be (workers/index/fusion.h).
struct ScoreExplanation {
  double dense = 0;
  double lexical = 0;
  double dense_weight = 0;
  double lexical_weight = 0;
  std::optional<double> cosine;
  // Only for who sees everything: with the text at hand it tells how many chunks have a word.
  std::optional<double> bm25;
  // The re-ranker's, by which the passages it has read are in order; as it gives it, in any range.
  std::optional<double> rerank;
  std::string rerank_failure;  // failed, timeout or overloaded: the order is that of the scores
  bool operator==(const ScoreExplanation&) const = default;
};

// What BM25 has to know of the chunks of the question's collection in one partition. Those of
// several add up, so that a word weighs the same wherever a chunk lies.
struct LexicalEvidence {
  static constexpr std::size_t kWordsMax = 1024;
  static constexpr std::size_t kTermsMax = 64;  // of a word: it has one for each stemmer at most
  struct Word {
    std::string word;       // as it is compared, not stemmed: the same in all partitions
    std::int64_t rows = 0;  // that have one of its terms, about
    bool operator==(const Word&) const = default;
  };
  std::int64_t rows = 0;
  std::int64_t terms = 0;  // the sum of the rows' lengths
  std::vector<Word> words;
  bool operator==(const LexicalEvidence&) const = default;
};

// A chunk found for a query.
struct Passage {
  std::string document_id;
  std::string revision;
  std::string chunk_id;
  std::string title;
  std::string name;
  std::string text;
  double score = 0;  // 0 to 1, over all partitions; 0 as an index partition gives it
  std::int32_t page = 0;
  std::int64_t start = 0;  // code points of the document's text
  std::int64_t end = 0;
  std::vector<std::string> headings;
  std::string metadata = "{}";
  std::optional<PassageMatch> match;            // in the topic `passages` only
  std::optional<ScoreExplanation> explanation;  // where the query asks for it
  bool operator==(const Passage&) const = default;
};
// An object as clients may have it: never with `match`. What is not there is left out.
void write_json(json::Writer& out, const Passage& passage);
Result<Passage> passage_from(json::Value value);
void read_members(json::ObjectReader& in, Passage& passage);  // `match` is passed over

// Topic `passages`, key: the query id: what one index partition found. Its passages are those that
// may be among the query's, whatever the other partitions have; in no order.
struct PassagesEvent {
  Query query;
  std::int32_t partition = 0;
  std::int32_t partitions = 1;
  std::int64_t embedding_us = 0;
  std::int64_t search_us = 0;
  std::string error;  // not empty: this partition could not be searched
  LexicalEvidence evidence;
  std::vector<Passage> passages;
  std::optional<Provenance> provenance = {};  // with this partition's place in its topic
  static constexpr std::string_view kType = "passages";
  bool operator==(const PassagesEvent&) const = default;
};
Record to_record(const PassagesEvent& event);
Result<PassagesEvent> passages_event_from(const Record& record);

// Topic `cancellations`, key: the query id.
struct Cancellation {
  std::string query_id;
  Clock::Wall at{};
  static constexpr std::string_view kType = "cancellation";
  bool operator==(const Cancellation&) const = default;
};
Record to_record(const Cancellation& cancellation);
Result<Cancellation> cancellation_from(const Record& record);

}  // namespace millrace
