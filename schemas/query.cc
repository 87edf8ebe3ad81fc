#include "schemas/query.h"

#include <array>
#include <utility>

#include "common/ids.h"
#include "schemas/codec.h"
#include "schemas/float16.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::array<Named<SearchMode>, 3> kModes{{{"hybrid", SearchMode::hybrid},
                                                   {"dense", SearchMode::dense},
                                                   {"lexical", SearchMode::lexical}}};
constexpr std::array<Named<Query::Kind>, 2> kKinds{
    {{"answer", Query::Kind::answer}, {"search", Query::Kind::search}}};
constexpr std::array<Named<Query::Origin>, 4> kOrigins{{{"person", Query::Origin::person},
                                                        {"eval", Query::Origin::eval},
                                                        {"replay", Query::Origin::replay},
                                                        {"shadow", Query::Origin::shadow}}};

constexpr std::size_t kUlidDigits = 26;
constexpr Offset kBase = 36;
constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";

void read_filter(json::ObjectReader& in, Filter& filter) {
  Result<Filter> read = Filter::from(in.optional_any("filter"), Filter::Limits{});
  if (!read) return in.fail(read.error().message);
  filter = std::move(*read);
}

// Absent: a person asks.
void read_origin(json::ObjectReader& in, Query::Origin& origin) {
  std::string text;
  if (!in.optional("origin", text) || find_named(kOrigins, text, origin)) return;
  in.fail("origin is " + json::quote(text) + "; known are person, eval, replay, shadow");
}

}  // namespace

std::string_view to_string(SearchMode mode) { return name_of(kModes, mode); }

void write_members(json::Writer& out, const Query& query) {
  out.field("query_id", query.query_id).field("kind", name_of(kKinds, query.kind));
  if (query.origin != Query::Origin::person) out.field("origin", name_of(kOrigins, query.origin));
  out.field("collection", query.collection)
      .field("question", query.question)
      .field("top_k", query.top_k)
      .field("mode", to_string(query.mode));
  if (!query.filter.empty()) out.key("filter").raw(query.filter.serialize());
  if (query.explain) out.field("explain", true);
  if (query.one_per_document) out.field("one_per_document", true);
  if (query.diversity > 0) out.field("diversity", query.diversity);
  out.field("sees_everything", query.sees_everything)
      .strings("groups", query.groups)
      .field("principal", query.principal);
  write_generation(out, query.generation);
  write_time(out, "asked_at_ms", query.asked_at);
}

void read_members(json::ObjectReader& in, Query& query) {
  in.required("query_id", query.query_id);
  read_enum(in, "kind", query.kind, kKinds);
  read_origin(in, query.origin);
  in.required("collection", query.collection);
  in.required("question", query.question);
  read_integer(in, "top_k", query.top_k, 1);
  read_enum(in, "mode", query.mode, kModes);
  read_filter(in, query.filter);
  in.optional("explain", query.explain);
  in.optional("one_per_document", query.one_per_document);
  if (in.optional("diversity", query.diversity)) check_share(in, "diversity", query.diversity);
  in.required("sees_everything", query.sees_everything);
  in.required("groups", query.groups);
  in.required("principal", query.principal);
  read_generation(in, query.generation);
  read_time(in, "asked_at_ms", query.asked_at);
  if (!in.failed() && query.query_id.empty()) in.fail("query_id is empty");
}

Record to_record(const Query& query) {
  json::Writer out;
  out.begin_object();
  write_members(out, query);
  out.end_object();
  return make_event(topics::kQueries, query.query_id, Query::kType, out.take());
}

Result<Query> query_from(const Record& record) {
  return decode_event<Query>(record, [](json::ObjectReader& in, std::string_view, Query& query) {
    read_members(in, query);
  });
}

std::string query_id_for(std::string_view ulid, Offset answers_from) {
  std::string digits;
  for (Offset rest = answers_from; rest > 0 || digits.empty(); rest /= kBase) {
    digits.insert(digits.begin(), kDigits[static_cast<std::size_t>(rest % kBase)]);
  }
  return std::string{ulid} + "-" + digits;
}

Offset answers_from(std::string_view query_id) {
  if (query_id.size() < kUlidDigits + 2 || query_id[kUlidDigits] != '-' ||
      !is_ulid(query_id.substr(0, kUlidDigits))) {
    return -1;
  }
  const std::string_view digits = query_id.substr(kUlidDigits + 1);
  if (digits.front() == '0' && digits.size() > 1) return -1;
  Offset offset = 0;
  for (const char c : digits) {
    const std::size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return -1;
    if (offset > (INT64_MAX - static_cast<Offset>(digit)) / kBase) return -1;
    offset = offset * kBase + static_cast<Offset>(digit);
  }
  return offset;
}

Record to_record(const SearchRequest& request, int generation) {
  const std::string body = encode_float32(request.vector);
  json::Writer out;
  out.begin_object();
  write_object(out, "query", request.query);
  out.field("partition", request.partition)
      .field("partitions", request.partitions)
      .field("embedding_us", request.embedding_us);
  if (request.provenance) write_object(out, "provenance", *request.provenance);
  write_body_bytes(out, body.size());
  out.end_object();
  Record record = make_event(topics::searches(generation), std::to_string(request.partition),
                             SearchRequest::kType, out.take(), body);
  record.partition = request.partition;
  return record;
}

Result<SearchRequest> search_request_from(const Record& record) {
  return decode_event<SearchRequest>(
      record, [](json::ObjectReader& in, std::string_view body, SearchRequest& request) {
        read_object(in, "query", request.query);
        read_integer(in, "partitions", request.partitions, 1);
        read_integer(in, "partition", request.partition, 0, std::int64_t{request.partitions} - 1);
        read_integer(in, "embedding_us", request.embedding_us, 0);
        read_optional(in, "provenance", request.provenance);
        if (!decode_float32(body, request.vector))
          in.fail("the body is no vector of finite values");
        if (request.vector.empty() && request.query.mode != SearchMode::lexical)
          in.fail("only a lexical search goes without a vector");
      });
}

}  // namespace millrace
