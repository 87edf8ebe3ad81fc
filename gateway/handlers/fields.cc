#include "gateway/handlers/fields.h"

#include <charconv>

#include "gateway/media_types.h"

namespace millrace {

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
  fields.has_filter = in.optional_any("filter").exists();
}

std::optional<Problem> check_question(const Services& services, std::string_view member,
                                      QuestionFields& fields) {
  const std::string where{member};
  const std::string& question = fields.query.question;
  if (question.find_first_not_of(" \t\r\n") == std::string::npos) {
    return bad_field(where, "is empty");
  }
  if (question.size() > services.options.question_bytes_max) {
    return bad_field(
        where, "is longer than " + std::to_string(services.options.question_bytes_max) + " bytes");
  }
  if (fields.has_filter) {
    return bad_field("filter",
                     "filters come with hybrid retrieval, which this version does not "
                     "have yet; leave it out");
  }
  if (fields.mode == "lexical") {
    return bad_field("mode",
                     "\"lexical\" comes with hybrid retrieval, which this version does not "
                     "have yet; use \"hybrid\" or \"dense\"");
  }
  if (fields.mode != "hybrid" && fields.mode != "dense") {
    return bad_field("mode", "must be \"hybrid\" or \"dense\"");
  }
  fields.query.mode = fields.mode == "dense" ? SearchMode::dense : SearchMode::hybrid;
  return std::nullopt;
}

}  // namespace millrace
