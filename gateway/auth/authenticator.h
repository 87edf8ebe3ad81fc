#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/config.h"
#include "gateway/http_types.h"

namespace millrace {

// Who a request comes from, by its API key. Immutable.
class Authenticator {
 public:
  // `rejected` for an unknown role or a hash that is not 64 hex digits.
  static Result<Authenticator> make(const std::vector<ApiKeySetting>& keys);

  bool open() const { return keys_.empty(); }  // no key configured
  // 401 where a key is needed and none, or an unknown one, is given.
  Reply<Principal> identify(std::string_view authorization, std::string_view api_key) const;

  // Without keys the server answers to its loopback names only, so that no web page reaches it by a
  // name of its own (DNS rebinding), and takes no write that another site's page sends.
  static bool loopback_name(std::string_view host);
  // The origin is a loopback one, or absent.
  static bool same_site(std::string_view origin);

 private:
  struct Key {
    std::string sha256;
    Principal principal;
  };
  std::vector<Key> keys_;
};

}  // namespace millrace
