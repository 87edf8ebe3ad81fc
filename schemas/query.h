#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/error.h"
#include "common/json.h"
#include "common/log/record.h"

namespace millrace {

enum class SearchMode { hybrid, dense };
std::string_view to_string(SearchMode mode);

// Topic `queries`, key: the query id. Both kinds take the same way; a search ends with its
// passages.
struct Query {
  enum class Kind { answer, search };
  std::string query_id;  // see query_id_for()
  Kind kind = Kind::answer;
  std::string collection;
  std::string question;
  std::int64_t top_k = 6;
  SearchMode mode = SearchMode::hybrid;
  bool sees_everything = false;     // no key configured, or an admin: allow lists do not apply
  std::vector<std::string> groups;  // of the asker, for allow lists
  std::string principal;            // name of the API key; empty: none configured
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
// body: float32, little-endian.
struct SearchRequest {
  Query query;
  std::int32_t partition = 0;
  std::int32_t partitions = 1;
  std::int64_t embedding_us = 0;  // what embedding the question took
  std::vector<float> vector;
  static constexpr std::string_view kType = "search";
  bool operator==(const SearchRequest&) const = default;
};
Record to_record(const SearchRequest& request, int generation);
Result<SearchRequest> search_request_from(const Record& record);

// A chunk found for a query.
struct Passage {
  std::string document_id;
  std::string revision;
  std::string chunk_id;
  std::string title;
  std::string name;
  std::string text;
  double score = 0;  // cosine similarity, -1 to 1, for dense
  std::int32_t page = 0;
  std::int64_t start = 0;  // code points of the document's text
  std::int64_t end = 0;
  std::vector<std::string> headings;
  std::string metadata = "{}";
  bool operator==(const Passage&) const = default;
};
void write_json(json::Writer& out, const Passage& passage);  // an object; page left out when 0
Result<Passage> passage_from(json::Value value);
void read_members(json::ObjectReader& in, Passage& passage);

// Topic `passages`, key: the query id: what one index partition found, best first.
struct PassagesEvent {
  Query query;
  std::int32_t partition = 0;
  std::int32_t partitions = 1;
  std::int64_t embedding_us = 0;
  std::int64_t search_us = 0;
  std::string error;  // not empty: this partition could not be searched
  std::vector<Passage> passages;
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
