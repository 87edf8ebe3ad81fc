#include "gateway/http_types.h"

#include <cassert>

namespace millrace {

std::string_view to_string(Verb verb) {
  switch (verb) {
    case Verb::get:
      return "GET";
    case Verb::post:
      return "POST";
    case Verb::put:
      return "PUT";
    case Verb::remove:
      break;
  }
  return "DELETE";
}

bool Principal::may_use(std::string_view collection) const {
  return collections.empty() ||
         std::find(collections.begin(), collections.end(), collection) != collections.end();
}

bool Principal::may_read(const std::vector<std::string>& allow) const {
  if (sees_everything || allow.empty()) return true;
  return std::any_of(allow.begin(), allow.end(), [this](const std::string& group) {
    return std::find(groups.begin(), groups.end(), group) != groups.end();
  });
}

std::string_view Request::field(std::string_view name) const {
  for (const auto& [known, value] : fields) {
    if (known == name) return value;
  }
  return {};
}

const std::string& Request::param(std::string_view name) const {
  const auto found = params.find(name);
  assert(found != params.end());
  return found->second;
}

std::optional<std::string> Request::argument(std::string_view name) const {
  const auto found = query.find(name);
  if (found == query.end()) return std::nullopt;
  return found->second;
}

}  // namespace millrace
