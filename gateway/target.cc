#include "gateway/target.h"

#include "common/json.h"
#include "common/percent_encoding.h"

namespace millrace {
namespace {

bool decode_checked(std::string_view text, bool plus_is_space, std::string& out) {
  return percent_decode(text, plus_is_space, out) && json::valid_utf8(out) &&
         out.find('\0') == std::string::npos;
}

// The path of "http://host/path"; proxies send that form.
std::string_view without_origin(std::string_view target) {
  const auto scheme = target.find("://");
  if (target.starts_with('/') || scheme == std::string_view::npos) return target;
  const auto slash = target.find('/', scheme + 3);
  return slash == std::string_view::npos ? std::string_view{"/"} : target.substr(slash);
}

Status parse_query(std::string_view query, Target& out) {
  while (!query.empty()) {
    const auto amp = query.find('&');
    const std::string_view pair = query.substr(0, amp);
    query = amp == std::string_view::npos ? std::string_view{} : query.substr(amp + 1);
    if (pair.empty()) continue;
    const auto equals = pair.find('=');
    std::string name;
    std::string value;
    const std::string_view right =
        equals == std::string_view::npos ? std::string_view{} : pair.substr(equals + 1);
    if (!decode_checked(pair.substr(0, equals), true, name) ||
        !decode_checked(right, true, value)) {
      return rejected("the query has a broken %-escape or is not UTF-8");
    }
    if (!out.query.emplace(name, value).second) {
      return rejected("the query parameter \"" + name + "\" is given twice");
    }
  }
  return {};
}

}  // namespace

Reply<Target> parse_target(std::string_view target) {
  target = without_origin(target);
  if (!target.starts_with('/')) return bad_request("the request target must begin with \"/\"");
  target = target.substr(0, target.find('#'));
  const auto question = target.find('?');
  Target out;
  out.path = target.substr(0, question);
  std::string_view rest = std::string_view{out.path}.substr(1);
  for (;;) {
    const auto slash = rest.find('/');
    std::string segment;
    if (!decode_checked(rest.substr(0, slash), false, segment)) {
      return bad_request("the path has a broken %-escape or is not UTF-8");
    }
    out.segments.push_back(std::move(segment));
    if (slash == std::string_view::npos) break;
    rest = rest.substr(slash + 1);
  }
  if (question != std::string_view::npos) {
    if (const Status query = parse_query(target.substr(question + 1), out); !query) {
      return problem_from(query.error());
    }
  }
  return out;
}

}  // namespace millrace
