#include "common/http_url.h"

#include <algorithm>
#include <charconv>

namespace millrace {
namespace {

constexpr std::size_t kUrlBytesMax = 8192;  // what servers commonly take for a request line

Error bad_url(std::string_view url, std::string_view why) {
  constexpr std::size_t kShownBytesMax = 200;
  std::string shown{url.substr(0, std::min(url.find('?'), kShownBytesMax))};
  const std::size_t at = shown.rfind('@');  // what is before it may be a password
  if (at != std::string::npos) shown.erase(0, at);
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return rejected("URL '" + shown + "' " + std::string{why});
}

bool is_printable(char c) { return c > ' ' && c <= '~'; }

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

bool is_host(std::string_view host, bool brackets) {
  const std::string_view allowed =
      brackets ? "0123456789abcdefABCDEF:."
               : "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !host.empty() && host.size() <= 255 &&
         host.find_first_not_of(allowed) == std::string_view::npos;
}

// Cuts "SCHEME://" off.
bool take_scheme(std::string_view& rest, bool& tls) {
  const std::size_t end = rest.find("://");
  std::string scheme{rest.substr(0, end)};
  std::transform(scheme.begin(), scheme.end(), scheme.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  if (end == std::string_view::npos || (scheme != "http" && scheme != "https")) return false;
  tls = scheme == "https";
  rest.remove_prefix(end + 3);
  return true;
}

}  // namespace

std::string HttpUrl::host_header() const {
  std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
  if (port != (tls ? "443" : "80")) text += ":" + port;
  return text;
}

std::string HttpUrl::shown() const {
  return (tls ? "https://" : "http://") + host_header() + target.substr(0, target.find('?'));
}

Result<HttpUrl> parse_http_url(std::string_view url) {
  if (url.size() > kUrlBytesMax) return bad_url(url, "is longer than 8192 bytes");
  if (!std::all_of(url.begin(), url.end(), is_printable)) {
    return bad_url(url, "has blanks or characters that must be percent-encoded");
  }
  HttpUrl parsed;
  std::string_view rest = url;
  if (!take_scheme(rest, parsed.tls))
    return bad_url(url, "does not begin with http:// or https://");
  if (rest.find('#') != std::string_view::npos) return bad_url(url, "has a fragment (#)");

  const std::size_t path = std::min(rest.find_first_of("/?"), rest.size());
  std::string_view authority = rest.substr(0, path);
  parsed.target = rest.substr(path);
  if (!parsed.target.starts_with('/')) parsed.target.insert(0, "/");
  if (authority.find('@') != std::string_view::npos) return bad_url(url, "has a user name (@)");

  const bool brackets = authority.starts_with('[');
  const std::size_t host_end = brackets ? authority.find(']') : authority.find(':');
  const std::string_view host = authority.substr(brackets ? 1 : 0, host_end - (brackets ? 1 : 0));
  if ((brackets && host_end == std::string_view::npos) || !is_host(host, brackets)) {
    return bad_url(url, "has no valid host");
  }
  parsed.host = host;
  authority.remove_prefix(std::min(host_end, authority.size()));
  if (brackets) authority.remove_prefix(1);
  if (authority.empty()) {
    parsed.port = parsed.tls ? "443" : "80";
    return parsed;
  }
  authority.remove_prefix(1);
  if (!is_port(authority)) return bad_url(url, "has no port from 1 to 65535 behind its host");
  parsed.port = authority;
  return parsed;
}

}  // namespace millrace
