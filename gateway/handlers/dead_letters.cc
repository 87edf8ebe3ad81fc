#include "gateway/handlers/dead_letters.h"

#include <functional>

#include "gateway/dead_letter_json.h"
#include "gateway/handlers/fields.h"
#include "gateway/stored_letter.h"
#include "schemas/filter_value.h"

namespace millrace {
namespace {

constexpr std::int64_t kListMax = 1'000;
constexpr std::int64_t kListDefault = 100;
constexpr std::int64_t kRedriveMax = 100;  // each is two appends to the log, one after the other
constexpr std::int64_t kPurgeMax = 1'000;
constexpr std::size_t kNameBytesMax = 256;  // of a stage, a topic, the beginning of a document id
constexpr std::int64_t kMillisecondsMax = INT64_MAX / 1'000 - 1;

// What anybody else must not even count: letters hold documents of every collection.
std::optional<Problem> check_caller(const Request& request) {
  if (request.caller.principal.sees_every_document()) return std::nullopt;
  Problem problem = bad_request(
      "dead letters are of every collection: only an admin's key without `collections` may see "
      "them");
  problem.status = 403;
  return problem;
}

Reply<Position> letter_of(const Request& request) {
  const std::string& id = request.param("id");
  const auto source = parse_letter_id(id);
  if (!source) {
    return bad_field("id", "must be TOPIC~PARTITION~OFFSET, as GET /v1/dead-letters lists it");
  }
  return *source;
}

std::optional<Error::Kind> kind_named(std::string_view name) {
  for (const auto kind : {Error::Kind::retryable, Error::Kind::unavailable, Error::Kind::rejected,
                          Error::Kind::fatal}) {
    if (to_string(kind) == name) return kind;
  }
  return std::nullopt;
}

std::optional<Clock::Wall> time_named(std::string_view text) {
  const auto instant = parse_instant(text);
  if (!instant || instant->seconds < 0 || instant->seconds > kMillisecondsMax) return std::nullopt;
  std::string digits{instant->fraction.substr(0, 3)};
  digits.resize(3, '0');
  return Clock::Wall{std::chrono::seconds{instant->seconds} +
                     std::chrono::milliseconds{std::stoi(digits)}};
}

// The value of a member or query parameter; empty: it is not there.
using Member = std::function<std::optional<std::string>(std::string_view name)>;

Reply<LetterFilter> read_names(const Member& member) {
  LetterFilter filter;
  const std::pair<std::string_view, std::string*> names[] = {{"stage", &filter.stage},
                                                             {"topic", &filter.topic},
                                                             {"collection", &filter.collection},
                                                             {"document", &filter.document}};
  for (const auto& [name, out] : names) {
    const auto value = member(name);
    if (!value) continue;
    if (value->empty() || value->size() > kNameBytesMax) {
      return bad_field(std::string{name}, "must have 1 to 256 bytes");
    }
    *out = *value;
  }
  if (!filter.collection.empty() && !valid_collection_name(filter.collection)) {
    return bad_field("collection",
                     "a name is 1 to 64 of a-z, 0-9, \"-\" and \"_\", beginning with a letter or "
                     "digit");
  }
  return filter;
}

Reply<LetterFilter> read_filter(const Member& member) {
  auto filter = read_names(member);
  if (!filter) return filter;
  if (const auto kind = member("kind")) {
    filter->kind = kind_named(*kind);
    if (!filter->kind) {
      return bad_field("kind", "must be one of retryable, unavailable, rejected, fatal");
    }
  }
  if (const auto state = member("state")) {
    if (*state != "waiting" && *state != "redriven") {
      return bad_field("state", "must be waiting or redriven");
    }
    filter->redriven = *state == "redriven";
  }
  const std::pair<std::string_view, std::optional<Clock::Wall>*> times[] = {
      {"after", &filter->after}, {"before", &filter->before}};
  for (const auto& [name, out] : times) {
    const auto value = member(name);
    if (!value) continue;
    *out = time_named(*value);
    if (!*out) {
      return bad_field(std::string{name},
                       "must be a date or time since 1970 as RFC 3339 has it: "
                       "2026-11-22T13:00:00Z");
    }
  }
  return filter;
}

Reply<std::string> read_cursor(const std::optional<std::string>& given) {
  if (!given) return std::string{};
  auto order = parse_letter_cursor(*given);
  if (!order) return bad_field("cursor", "must be `next` of the page before");
  return std::move(*order);
}

// The body of a request about many. It says something about which, or that it means all.
Reply<LetterRange> read_range(const Request& request, std::int64_t limit_max) {
  const auto body = parse_json_body(request);
  if (!body) return body.error();
  json::ObjectReader in{body->root(), "filter"};
  LetterRange range;
  bool all = false;
  std::string cursor;
  const bool goes_on = in.optional("cursor", cursor);
  range.limit = limit_max;
  in.optional("limit", range.limit, 1, limit_max);
  in.optional("all", all);
  auto filter = read_filter([&in](std::string_view name) {
    std::string value;
    return in.optional(name, value) ? std::optional{value} : std::nullopt;
  });
  if (const Status read = in.finish(); !read) return problem_from(read.error());
  if (!filter) return filter.error();
  range.filter = std::move(*filter);
  if (range.filter.empty() != all) {
    return bad_field("all", all ? "goes with no condition: it means every dead letter"
                                : "must be true where there is no condition, or give one of stage, "
                                  "topic, kind, state, collection, document, after, before");
  }
  const auto at = read_cursor(goes_on ? std::optional{cursor} : std::nullopt);
  if (!at) return at.error();
  range.cursor = *at;
  return range;
}

Response letter_response(unsigned status, const DeadLetter& letter) {
  json::Writer out;
  write_json(out, letter);
  return Response{status, out.take()};
}

}  // namespace

net::awaitable<Response> list_dead_letters(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  const auto limit = integer_argument(request, "limit", kListDefault, 1, kListMax);
  if (!limit) co_return Response{limit.error()};
  auto filter = read_filter([&](std::string_view name) { return request.argument(name); });
  if (!filter) co_return Response{filter.error()};
  const auto cursor = read_cursor(request.argument("cursor"));
  if (!cursor) co_return Response{cursor.error()};
  LetterRange range{std::move(*filter), *cursor, *limit};
  const auto page = co_await services.dead_letters.list(std::move(range));
  if (!page) co_return Response{page.error()};
  co_return Response{200, to_json(*page)};
}

net::awaitable<Response> get_dead_letter(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  const auto source = letter_of(request);
  if (!source) co_return Response{source.error()};
  const auto details = co_await services.dead_letters.get(*source);
  if (!details) co_return Response{details.error()};
  co_return Response{200, to_json(*details)};
}

net::awaitable<Response> get_dead_letter_bytes(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  const auto source = letter_of(request);
  if (!source) co_return Response{source.error()};
  auto letter = co_await services.dead_letters.whole(*source);
  if (!letter) co_return Response{letter.error()};
  Response response{200, std::move(letter->value)};
  response.content_type = "application/octet-stream";
  response.fields.emplace_back("Content-Disposition",
                               "attachment; filename=\"" + letter_id(*source) + "\"");
  co_return response;
}

net::awaitable<Response> redrive_dead_letter(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  const auto source = letter_of(request);
  if (!source) co_return Response{source.error()};
  const auto letter = co_await services.dead_letters.redrive(request.caller, *source);
  if (!letter) co_return Response{letter.error()};
  co_return letter_response(202, *letter);
}

net::awaitable<Response> redrive_dead_letters(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  auto range = read_range(request, kRedriveMax);
  if (!range) co_return Response{range.error()};
  const auto changed =
      co_await services.dead_letters.redrive_all(request.caller, std::move(*range));
  if (!changed) co_return Response{changed.error()};
  co_return Response{202, to_json(*changed, "redriven")};
}

net::awaitable<Response> purge_dead_letter(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  const auto source = letter_of(request);
  if (!source) co_return Response{source.error()};
  const auto letter = co_await services.dead_letters.purge(request.caller, *source);
  if (!letter) co_return Response{letter.error()};
  json::Writer out;
  out.begin_object().field("id", letter_id(*source)).field("state", "purged").end_object();
  co_return Response{200, out.take()};
}

net::awaitable<Response> purge_dead_letters(const Request& request, Services& services) {
  if (auto refused = check_caller(request)) co_return Response{std::move(*refused)};
  auto range = read_range(request, kPurgeMax);
  if (!range) co_return Response{range.error()};
  const auto changed = co_await services.dead_letters.purge_all(request.caller, std::move(*range));
  if (!changed) co_return Response{changed.error()};
  co_return Response{200, to_json(*changed, "purged")};
}

}  // namespace millrace
