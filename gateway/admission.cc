#include "gateway/admission.h"

#include <algorithm>

#include "common/ids.h"

namespace millrace {
namespace {

constexpr std::size_t kRequestIdBytesMax = 128;

std::string_view field_of(const RequestHead& head, std::string_view name) {
  for (const auto& [known, value] : head.fields) {
    if (known == name) return value;
  }
  return {};
}

Problem with_status(unsigned status, std::string detail) {
  Problem problem = bad_request(std::move(detail));
  problem.status = status;
  return problem;
}

bool verb_from(std::string_view method, Verb& verb, bool& head_only) {
  head_only = method == "HEAD";
  if (method == "GET" || head_only) {
    verb = Verb::get;
  } else if (method == "POST") {
    verb = Verb::post;
  } else if (method == "PUT") {
    verb = Verb::put;
  } else if (method == "DELETE") {
    verb = Verb::remove;
  } else {
    return false;
  }
  return true;
}

Problem method_not_allowed(std::string_view method, const std::vector<Verb>& allowed) {
  std::string names;
  for (const Verb verb : allowed) {
    names += (names.empty() ? "" : ", ") + std::string{to_string(verb)};
    if (verb == Verb::get) names += ", HEAD";
  }
  Problem problem =
      with_status(405, std::string{method} + " is not allowed here; allowed are " + names);
  problem.fields.emplace_back("Allow", names);
  return problem;
}

std::optional<Problem> check_host(const RequestHead& head, const Authenticator& authenticator,
                                  Verb verb) {
  if (head.http_1_1 && head.hosts != 1) {
    return bad_field("Host", "must be there exactly once");
  }
  if (!authenticator.open()) return std::nullopt;
  const std::string_view host = field_of(head, "host");
  if (!host.empty() && !Authenticator::loopback_name(host)) {
    return with_status(421,
                       "without API keys this server answers to localhost only; the Host was "
                       "something else");
  }
  if (verb != Verb::get && !Authenticator::same_site(field_of(head, "origin"))) {
    return with_status(403, "a page of another site may not write here");
  }
  return std::nullopt;
}

std::optional<Problem> check_rights(const Route& route, const Request& request) {
  const auto in_path = request.params.find("c");
  const bool named = in_path != request.params.end();
  if (named && !valid_collection_name(in_path->second)) {
    return bad_field("collection",
                     "a name is 1 to 64 of a-z, 0-9, \"-\" and \"_\", beginning with "
                     "a letter or digit");
  }
  if (!route.role) return std::nullopt;
  const Principal& principal = request.caller.principal;
  if (principal.role < *route.role) {
    return with_status(403, "this API key's role may not do that");
  }
  const std::string_view collection = named ? std::string_view{in_path->second} : route.collection;
  if (!collection.empty() && !principal.may_use(collection)) {
    return with_status(403,
                       "this API key may not use collection \"" + std::string{collection} + "\"");
  }
  return std::nullopt;
}

std::optional<Problem> check_arguments(const Route& route, const Request& request) {
  for (const auto& [name, value] : request.query) {
    if (knows_argument(route, name)) continue;
    std::string known{route.arguments};
    if (known.empty()) known = "none";
    return bad_field(name.substr(0, 64), "is no query parameter of this route; known: " + known);
  }
  return std::nullopt;
}

std::optional<Problem> check_body(const RequestHead& head, Admitted& admitted,
                                  const GatewayOptions& options) {
  const Route::Body body = admitted.route->body;
  if (body == Route::Body::none) {
    if (head.has_body) return bad_request("this route takes no body");
    return std::nullopt;
  }
  admitted.body_bytes_max = options.body_bytes_max;
  if (body != Route::Body::upload) {
    admitted.body_bytes_max = std::min(admitted.body_bytes_max, kSmallBodyBytesMax);
  }
  if (head.content_length && *head.content_length > admitted.body_bytes_max) {
    return with_status(413, "the body has " + std::to_string(*head.content_length) +
                                " bytes; this route takes at most " +
                                std::to_string(admitted.body_bytes_max));
  }
  const std::string_view expect = field_of(head, "expect");
  if (!expect.empty() && expect != "100-continue") {
    return with_status(417, "only Expect: 100-continue is known");
  }
  return std::nullopt;
}

}  // namespace

std::string request_id(const RequestHead& head, const Clock& clock) {
  const std::string_view given = field_of(head, "x-request-id");
  const bool plain = !given.empty() && given.size() <= kRequestIdBytesMax &&
                     std::all_of(given.begin(), given.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
                     });
  return plain ? std::string{given} : new_ulid(clock);
}

Reply<Admitted> admit(RequestHead head, const SessionShared& shared, const Route*& route) {
  Admitted admitted;
  auto target = parse_target(head.target);
  if (!target) return target.error();
  Verb verb = Verb::get;
  const bool known_verb = verb_from(head.method, verb, admitted.head_only);
  if (auto wrong = check_host(head, shared.authenticator, verb)) return std::move(*wrong);
  RouteMatch match = find_route(verb, target->segments);
  if (match.allowed.empty()) return not_found("there is nothing at " + target->path);
  if (!known_verb || match.route == nullptr) {
    return method_not_allowed(head.method, match.allowed);
  }
  route = match.route;
  admitted.route = match.route;
  Request& request = admitted.request;
  request.verb = verb;
  request.path = std::move(target->path);
  request.params = std::move(match.params);
  request.query = std::move(target->query);
  if (route->role) {
    auto principal =
        shared.authenticator.identify(field_of(head, "authorization"), field_of(head, "x-api-key"));
    if (!principal) return principal.error();
    request.caller.principal = std::move(*principal);
  }
  request.caller.traceparent = std::move(head.traceparent);
  if (auto wrong = check_rights(*route, request)) return std::move(*wrong);
  if (auto wrong = check_arguments(*route, request)) return std::move(*wrong);
  if (auto wrong = check_body(head, admitted, shared.services.options)) return std::move(*wrong);
  request.fields = std::move(head.fields);
  return admitted;
}

}  // namespace millrace
