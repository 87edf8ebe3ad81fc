#include "gateway/idempotency.h"

namespace millrace {
namespace {

constexpr std::chrono::hours kKept{24};

}  // namespace

void IdempotencyCache::drop_old_locked() {
  while (!entries_.empty()) {
    const bool old = clock_.now() - entries_.front().since > kKept;
    if (!old && entries_.size() <= kKeptMax) return;
    by_key_.erase(entries_.front().key);
    entries_.pop_front();
  }
}

IdempotencyCache::Claim IdempotencyCache::claim(const std::string& key,
                                                const std::string& body_sha256) {
  const std::lock_guard lock{mutex_};
  drop_old_locked();
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) {
    entries_.push_back({key, body_sha256, {}, clock_.now()});
    by_key_[key] = std::prev(entries_.end());
    return {};
  }
  const Entry& entry = *found->second;
  if (entry.body_sha256 != body_sha256) return {Verdict::other_body, {}};
  if (entry.response.empty()) return {Verdict::running, {}};
  return {Verdict::repeated, entry.response};
}

void IdempotencyCache::finish(const std::string& key, std::string response) {
  const std::lock_guard lock{mutex_};
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) found->second->response = std::move(response);
}

void IdempotencyCache::forget(const std::string& key) {
  const std::lock_guard lock{mutex_};
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  entries_.erase(found->second);
  by_key_.erase(found);
}

}  // namespace millrace
