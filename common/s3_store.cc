#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include "common/aws_signature.h"
#include "common/http_client.h"
#include "common/http_url.h"
#include "common/object_store.h"
#include "common/percent_encoding.h"

namespace millrace {

namespace {

constexpr int kAttempts = 4;
constexpr std::chrono::milliseconds kPause{250};  // before the second attempt; doubles
// An object goes out in one write: what a slow line needs for the largest one.
constexpr std::chrono::minutes kIdleTimeout{5};
constexpr std::size_t kErrorBytesMax = 300;
constexpr std::size_t kPagesMax = 10'000;  // of a listing; each names 1,000 objects

bool is_bucket(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
  return !name.empty() && name.size() <= 255 &&
         name.find_first_not_of(kAllowed) == std::string_view::npos;
}

// What stands between <name> and </name>, from `at` on; moves `at` behind it.
std::optional<std::string_view> element(std::string_view xml, std::string_view name,
                                        std::size_t& at) {
  const std::string open = "<" + std::string{name} + ">";
  const std::string close = "</" + std::string{name} + ">";
  const auto begin = xml.find(open, at);
  if (begin == std::string_view::npos) return std::nullopt;
  const auto end = xml.find(close, begin + open.size());
  if (end == std::string_view::npos) return std::nullopt;
  at = end + close.size();
  return xml.substr(begin + open.size(), end - begin - open.size());
}

std::string unescaped(std::string_view text) {
  constexpr std::pair<std::string_view, char> kEntities[] = {
      {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
  std::string out;
  while (!text.empty()) {
    const auto* const found = std::ranges::find_if(
        kEntities, [&](const auto& each) { return text.starts_with(each.first); });
    const bool is_entity = found != std::end(kEntities);
    out += is_entity ? found->second : text.front();
    text.remove_prefix(is_entity ? found->first.size() : 1);
  }
  return out;
}

struct Page {
  std::vector<StoredObject> objects;  // with the names as the bucket has them
  std::string next;                   // empty: the last one
};

Result<Page> parse_page(std::string_view xml) {
  Page page;
  if (xml.find("<ListBucketResult") == std::string_view::npos) {
    return rejected("the answer is no listing of a bucket");
  }
  std::size_t at = 0;
  while (const auto contents = element(xml, "Contents", at)) {
    std::size_t inner = 0;
    const auto key = element(*contents, "Key", inner);
    inner = 0;
    const auto size = element(*contents, "Size", inner);
    std::uint64_t bytes = 0;
    if (!key || !size ||
        std::from_chars(size->data(), size->data() + size->size(), bytes).ec != std::errc{}) {
      return rejected("the listing of the bucket has an object without a name or size");
    }
    page.objects.push_back({unescaped(*key), bytes});
  }
  at = 0;
  const auto next = element(xml, "NextContinuationToken", at);
  if (next) page.next = unescaped(*next);
  return page;
}

bool passes(unsigned status) { return status >= 500 || status == 429 || status == 408; }

// AWS Signature Version 4, path-style addresses: every S3-compatible store takes them.
class S3Store final : public ObjectStore {
 public:
  S3Store(std::string bucket, std::string prefix, S3Options options, const Clock& clock)
      : bucket_{std::move(bucket)},
        prefix_{std::move(prefix)},
        options_{std::move(options)},
        clock_{clock} {}

  Status put(const std::string& name, std::string bytes) override {
    const auto done = call("PUT", name, "", std::move(bytes));
    return done ? Status{} : Status{done.error()};
  }

  Result<std::string> get(const std::string& name) const override {
    auto found = call("GET", name, "", {});
    if (!found) return found.error();
    return std::move(found->body);
  }

  Result<std::vector<StoredObject>> list(const std::string& prefix) const override {
    std::vector<StoredObject> found;
    std::string next;
    for (std::size_t i = 0; i < kPagesMax; ++i) {
      std::string query = "list-type=2&prefix=" + percent_encode(prefix_ + prefix);
      if (!next.empty()) query += "&continuation-token=" + percent_encode(next);
      const auto answer = call("GET", std::nullopt, query, {});
      if (!answer) return answer.error();
      auto page = parse_page(answer->body);
      if (!page) return with_context("list " + where(prefix), page.error());
      for (StoredObject& each : page->objects) {
        if (!each.name.starts_with(prefix_)) continue;
        each.name.erase(0, prefix_.size());
        found.push_back(std::move(each));
      }
      next = std::move(page->next);
      if (!next.empty()) continue;
      std::ranges::sort(found, {}, &StoredObject::name);
      return found;
    }
    return rejected("list " + where(prefix) + ": it has more than " +
                    std::to_string(kPagesMax * 1000) + " objects");
  }

  Status remove(const std::string& name) override {
    const auto done = call("DELETE", name, "", {});
    return done ? Status{} : Status{done.error()};
  }

  std::string where(std::string_view name) const override {
    return "s3://" + bucket_ + "/" + prefix_ + std::string{name};
  }

 private:
  // A 2xx answer. Without a name it is about the bucket. Tried again while the store is busy.
  Result<HttpResponse> call(const std::string& method, const std::optional<std::string>& name,
                            const std::string& query, std::string body) const {
    HttpRequest request;
    request.method = method;
    request.url = options_.endpoint + "/" + percent_encode(bucket_);
    if (name) request.url += "/" + percent_encode(prefix_ + *name, "/");
    if (!query.empty()) request.url += "?" + query;
    request.idle_timeout = kIdleTimeout;
    request.response_bytes_max = kObjectBytesMax;
    request.body = std::move(body);
    const std::string doing = method + " " + where(name.value_or(""));
    auto pause = kPause;
    for (int attempt = 1;; ++attempt, pause *= 2) {
      Result<HttpResponse> response = exchange(request);
      const bool passing =
          response ? passes(response->status) : response.error().kind != Error::Kind::rejected;
      if (!passing || attempt == kAttempts) return judged(doing, std::move(response));
      clock_.sleep_for(pause, {});
    }
  }

  Result<HttpResponse> exchange(HttpRequest request) const {
    const AwsCredentials credentials{options_.access_key_id, options_.secret_access_key,
                                     options_.session_token};
    if (Status done = sign_for_s3(request, credentials, options_.region, clock_.wall_now());
        !done) {
      return done.error();
    }
    return http_exchange_blocking(std::move(request));
  }

  static Result<HttpResponse> judged(const std::string& doing, Result<HttpResponse> response) {
    if (!response) return with_context(doing, response.error());
    if (response->status / 100 == 2) return response;
    std::size_t at = 0;
    const auto code = element(response->body, "Code", at);
    const auto message = element(response->body, "Message", at);
    std::string why = "the store answered " + std::to_string(response->status);
    if (code) why.append(" ").append(code->substr(0, kErrorBytesMax));
    if (message) why.append(": ").append(message->substr(0, kErrorBytesMax));
    return passes(response->status) ? unavailable(doing + ": " + why)
                                    : rejected(doing + ": " + why);
  }

  const std::string bucket_;
  const std::string prefix_;  // empty, or ends in '/'
  const S3Options options_;
  const Clock& clock_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_s3_store(std::string_view bucket, std::string_view prefix,
                                                   const S3Options& options, const Clock& clock) {
  if (!is_bucket(bucket)) {
    return rejected("\"s3://" + std::string{bucket} + "\" names no bucket: say s3://BUCKET/PREFIX");
  }
  if (options.access_key_id.empty() || options.secret_access_key.empty()) {
    return rejected(
        "s3://" + std::string{bucket} +
        " needs credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment");
  }
  S3Options complete = options;
  if (complete.endpoint.empty()) {
    complete.endpoint = "https://s3." + complete.region + ".amazonaws.com";
  }
  while (complete.endpoint.ends_with('/')) complete.endpoint.pop_back();
  if (const auto url = parse_http_url(complete.endpoint); !url) {
    return with_context("s3_endpoint", url.error());
  }
  std::string folder{prefix};
  while (folder.ends_with('/')) folder.pop_back();
  if (!folder.empty()) folder += '/';
  return std::make_unique<S3Store>(std::string{bucket}, std::move(folder), std::move(complete),
                                   clock);
}

}  // namespace millrace
