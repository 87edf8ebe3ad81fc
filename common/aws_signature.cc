#include "common/aws_signature.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <map>
#include <vector>

#include "common/http_url.h"
#include "common/ids.h"

namespace millrace {

namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(), &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char each : bytes) {
    const auto byte = static_cast<unsigned char>(each);
    out += kDigits[byte >> 4U];
    out += kDigits[byte & 15U];
  }
  return out;
}

// 20130524T000000Z out of 2013-05-24T00:00:00.000Z.
std::string basic_time(Clock::Wall now) {
  constexpr std::size_t kWithoutFraction = 19;
  std::string time = format_time(now).substr(0, kWithoutFraction);
  std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
  return time + "Z";
}

std::string canonical_query(std::string_view query) {
  std::vector<std::string> parameters;
  while (!query.empty()) {
    const std::string_view each = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), each.size() + 1));
    std::string& parameter = parameters.emplace_back(each);
    if (each.find('=') == std::string_view::npos) parameter += '=';
  }
  std::ranges::sort(parameters);
  std::string joined;
  for (const std::string& each : parameters) joined.append(joined.empty() ? "" : "&").append(each);
  return joined;
}

std::string lower(std::string_view name) {
  std::string out{name};
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

}  // namespace

Status sign_for_s3(HttpRequest& request, const AwsCredentials& credentials, std::string_view region,
                   Clock::Wall now) {
  const auto url = parse_http_url(request.url);
  if (!url) return url.error();
  const std::string body_hash = sha256_hex(request.body);
  const std::string time = basic_time(now);
  request.headers["x-amz-date"] = time;
  request.headers["x-amz-content-sha256"] = body_hash;
  if (!credentials.session_token.empty()) {
    request.headers["x-amz-security-token"] = credentials.session_token;
  }
  std::map<std::string, std::string> headers{{"host", url->host_header()}};
  for (const auto& [name, value] : request.headers) headers[lower(name)] = value;
  std::string fields;
  std::string names;
  for (const auto& [name, value] : headers) {
    fields.append(name).append(":").append(value).append("\n");
    names.append(names.empty() ? "" : ";").append(name);
  }
  const auto question = url->target.find('?');
  const std::string query =
      question == std::string::npos ? "" : canonical_query(url->target.substr(question + 1));
  const std::string canonical = request.method + "\n" + url->target.substr(0, question) + "\n" +
                                query + "\n" + fields + "\n" + names + "\n" + body_hash;
  const std::string date = time.substr(0, 8);
  const std::string scope = date + "/" + std::string{region} + "/s3/aws4_request";
  const std::string to_sign =
      std::string{kAlgorithm} + "\n" + time + "\n" + scope + "\n" + sha256_hex(canonical);
  std::string key = hmac_sha256("AWS4" + credentials.secret_access_key, date);
  for (const std::string_view each :
       {region, std::string_view{"s3"}, std::string_view{"aws4_request"}}) {
    key = hmac_sha256(key, each);
  }
  request.headers["authorization"] =
      std::string{kAlgorithm} + " Credential=" + credentials.access_key_id + "/" + scope +
      ",SignedHeaders=" + names + ",Signature=" + hex(hmac_sha256(key, to_sign));
  return {};
}

}  // namespace millrace
