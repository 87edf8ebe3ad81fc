#include "gateway/handlers/fields.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "gateway/media_types.h"

namespace millrace {
namespace {

std::optional<SearchMode> mode_named(std::string_view name) {
  for (const SearchMode mode : {SearchMode::hybrid, SearchMode::dense, SearchMode::lexical}) {
    if (to_string(mode) == name) return mode;
  }
  return std::nullopt;
}

// Of nothing that one could look for, in whatever script the blanks are.
bool is_blank(std::string_view text) {
  constexpr std::string_view kBlanks[] = {
      " ",      "\t",     "\n",     "\r",     "\v",     "\f",     "\u0085", "\u00A0", "\u1680",
      "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
      "\u2009", "\u200A", "\u200B", "\u2028", "\u2029", "\u202F", "\u205F", "\u3000", "\uFEFF"};
  while (!text.empty()) {
    const auto blank = std::find_if(std::begin(kBlanks), std::end(kBlanks),
                                    [&](std::string_view each) { return text.starts_with(each); });
    if (blank == std::end(kBlanks)) return false;
    text.remove_prefix(blank->size());
  }
  return true;
}

// A filter's mistakes begin with their place: `filter.and[1].year: expected …`.
Problem bad_filter(const Error& error) {
  const auto colon = error.message.find(": ");
  if (colon == std::string::npos) return bad_field("filter", error.message);
  return bad_field(error.message.substr(0, colon), error.message.substr(colon + 2));
}

}  // namespace

Reply<json::Document> parse_json_body(const Request& request) {
  const std::string bare = bare_media_type(request.field("content-type"));
  if (!bare.empty() && bare != "application/json") {
    Problem problem =
        bad_field("Content-Type", "\"" + bare + "\" is not known here; send application/json");
    problem.status = 415;
    return problem;
  }
  if (request.body.empty()) return bad_request("the body is empty; send a JSON object");
  auto parsed = json::Document::parse(request.body);
  if (!parsed) return bad_request("the body is not valid JSON: " + parsed.error().message);
  return std::move(*parsed);
}

Reply<std::int64_t> integer_argument(const Request& request, std::string_view name,
                                     std::int64_t fallback, std::int64_t min, std::int64_t max) {
  const auto text = request.argument(name);
  if (!text) return fallback;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  const bool whole = error == std::errc{} && end == text->data() + text->size();
  if (!whole || value < min || value > max) {
    return bad_field(std::string{name}, "must be an integer from " + std::to_string(min) + " to " +
                                            std::to_string(max));
  }
  return value;
}

Reply<bool> flag_argument(const Request& request, std::string_view name) {
  const auto text = request.argument(name);
  if (!text || *text == "false") return false;
  if (*text == "true") return true;
  return bad_field(std::string{name}, "must be true or false");
}

std::string last_event_id(const Request& request) {
  const std::string_view field = request.field("last-event-id");
  if (!field.empty()) return std::string{field};
  return request.argument("last_event_id").value_or("");
}

bool accepts_event_stream(const Request& request) {
  return request.field("accept").find("text/event-stream") != std::string_view::npos;
}

void read_question_options(json::ObjectReader& in, const Services& services,
                           QuestionFields& fields) {
  in.optional("top_k", fields.query.top_k, 1, services.options.top_k_max);
  in.optional("mode", fields.mode);
  fields.filter = in.optional_any("filter");
  in.optional("one_per_document", fields.query.one_per_document);
  in.optional("diversity", fields.query.diversity);
}

std::optional<Problem> check_question(const Services& services, std::string_view member,
                                      QuestionFields& fields) {
  const std::string where{member};
  const std::string& question = fields.query.question;
  if (is_blank(question)) return bad_field(where, "is empty");
  if (question.size() > services.options.question_bytes_max) {
    return bad_field(
        where, "is longer than " + std::to_string(services.options.question_bytes_max) + " bytes");
  }
  const auto mode = mode_named(fields.mode);
  if (!mode) return bad_field("mode", R"(must be "hybrid", "dense" or "lexical")");
  fields.query.mode = *mode;
  if (fields.origin != "person" && fields.origin != "eval") {
    return bad_field("origin", R"(must be "person", or "eval" for questions that measure)");
  }
  if (fields.origin == "eval") fields.query.origin = Query::Origin::eval;
  if (fields.query.diversity < 0 || fields.query.diversity > 1) {
    return bad_field("diversity", "must be a number from 0 to 1");
  }
  auto filter = Filter::from(fields.filter, Filter::Limits{});
  if (!filter) return bad_filter(filter.error());
  fields.query.filter = std::move(*filter);
  return std::nullopt;
}

}  // namespace millrace
