#include "gateway/problem.h"

#include "common/json.h"

namespace millrace {
namespace {

struct StatusRow {
  unsigned status;
  std::string_view phrase;
};

constexpr StatusRow kStatuses[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {417, "Expectation Failed"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {507, "Insufficient Storage"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
};

// ObjectReader quotes the member it speaks of first: `query: "top_k" must be …`.
std::string member_named_in(std::string_view message) {
  const auto open = message.find('"');
  if (open == std::string_view::npos) return {};
  const auto close = message.find('"', open + 1);
  if (close == std::string_view::npos) return {};
  return std::string{message.substr(open + 1, close - open - 1)};
}

}  // namespace

std::string_view reason_phrase(unsigned status) {
  for (const StatusRow& row : kStatuses) {
    if (row.status == status) return row.phrase;
  }
  return "Error";
}

std::string Problem::json(std::string_view instance) const {
  json::Writer out;
  out.begin_object();
  out.field("type", "about:blank");
  out.field("title", reason_phrase(status));
  out.field("status", static_cast<std::int64_t>(status));
  out.field("detail", detail);
  out.field("instance", instance);
  if (!errors.empty()) {
    out.key("errors").begin_array();
    for (const FieldProblem& error : errors) {
      out.begin_object().field("where", error.where).field("detail", error.detail).end_object();
    }
    out.end_array();
  }
  out.end_object();
  return out.take();
}

Problem bad_request(std::string detail) {
  Problem problem;
  problem.status = 400;
  problem.detail = std::move(detail);
  return problem;
}

Problem bad_field(std::string where, std::string detail) {
  Problem problem = bad_request(where + ": " + detail);
  problem.errors.push_back({std::move(where), std::move(detail)});
  return problem;
}

Problem not_found(std::string detail) {
  Problem problem = bad_request(std::move(detail));
  problem.status = 404;
  return problem;
}

Problem conflict(std::string detail) {
  Problem problem = bad_request(std::move(detail));
  problem.status = 409;
  return problem;
}

Problem no_room(std::string detail) {
  Problem problem = bad_request(std::move(detail));
  problem.status = 507;
  return problem;
}

Problem busy(std::string detail, int retry_after_s) {
  Problem problem = bad_request(std::move(detail));
  problem.status = 503;
  problem.fields.emplace_back("Retry-After", std::to_string(retry_after_s));
  return problem;
}

Problem problem_from(const Error& error) {
  switch (error.kind) {
    case Error::Kind::retryable:
    case Error::Kind::unavailable:
      return busy(error.message);
    case Error::Kind::rejected: {
      Problem problem = bad_request(error.message);
      const std::string member = member_named_in(error.message);
      if (!member.empty()) problem.errors.push_back({member, error.message});
      return problem;
    }
    case Error::Kind::fatal:
      break;
  }
  Problem problem = bad_request(error.message);
  problem.status = 500;
  return problem;
}

}  // namespace millrace
