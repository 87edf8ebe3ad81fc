#include "gateway/auth/authenticator.h"

#include <algorithm>

#include "common/ids.h"

namespace millrace {
namespace {

constexpr std::string_view kBearer = "bearer ";

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool role_from(std::string_view name, Role& out) {
  if (name == "reader") {
    out = Role::reader;
  } else if (name == "writer") {
    out = Role::writer;
  } else if (name == "admin") {
    out = Role::admin;
  } else {
    return false;
  }
  return true;
}

Problem unauthorized(std::string detail) {
  Problem problem = bad_request(std::move(detail));
  problem.status = 401;
  problem.fields.emplace_back("WWW-Authenticate", "Bearer realm=\"millrace\"");
  return problem;
}

}  // namespace

Result<Authenticator> Authenticator::make(const std::vector<ApiKeySetting>& keys) {
  Authenticator made;
  for (const ApiKeySetting& setting : keys) {
    Key key;
    key.sha256 = lower(setting.sha256);
    const bool hex = key.sha256.size() == 64 &&
                     key.sha256.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!hex) {
      return rejected("API key \"" + setting.name + "\": sha256 must be 64 hex digits");
    }
    if (!role_from(setting.role, key.principal.role)) {
      return rejected("API key \"" + setting.name + "\": role must be reader, writer or admin");
    }
    key.principal.name = setting.name;
    key.principal.collections = setting.collections;
    key.principal.groups = setting.groups;
    key.principal.sees_everything = key.principal.role == Role::admin;
    made.keys_.push_back(std::move(key));
  }
  return made;
}

Reply<Principal> Authenticator::identify(std::string_view authorization,
                                         std::string_view api_key) const {
  if (open()) {
    Principal everybody;
    everybody.role = Role::admin;
    everybody.sees_everything = true;
    return everybody;
  }
  if (lower(authorization.substr(0, kBearer.size())) == kBearer) {
    api_key = authorization.substr(kBearer.size());
  }
  if (api_key.empty()) {
    return unauthorized("an API key is needed: Authorization: Bearer KEY, or X-API-Key: KEY");
  }
  const std::string presented = sha256_hex(api_key);
  const Key* found = nullptr;
  for (const Key& key : keys_) {  // all of them, so that the time tells nothing
    if (constant_time_equal(key.sha256, presented)) found = &key;
  }
  if (found == nullptr) return unauthorized("the API key is not known");
  return found->principal;
}

bool Authenticator::loopback_name(std::string_view host) {
  std::string name = lower(host);
  if (name.starts_with('[')) {
    name = name.substr(0, name.find(']') + 1);
  } else {
    name = name.substr(0, name.find(':'));
  }
  if (name == "localhost" || name == "[::1]" || name.ends_with(".localhost")) return true;
  return name.starts_with("127.") && name.find_first_not_of("0123456789.") == std::string::npos &&
         std::count(name.begin(), name.end(), '.') == 3;
}

bool Authenticator::same_site(std::string_view origin) {
  if (origin.empty()) return true;
  const auto scheme = origin.find("://");
  return scheme != std::string_view::npos && loopback_name(origin.substr(scheme + 3));
}

}  // namespace millrace
