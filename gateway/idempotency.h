#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "common/clock.h"

namespace millrace {

// Answers to requests that carried an Idempotency-Key, for a day, at most kKeptMax of them, in this
// process only. What a lost entry costs is a second revision with the same content under the same
// document id, since ids come from the client or from the content. Thread-safe.
class IdempotencyCache {
 public:
  static constexpr std::size_t kKeptMax = 10'000;

  explicit IdempotencyCache(const Clock& clock) : clock_{clock} {}

  enum class Verdict { first, repeated, running, other_body };
  struct Claim {
    Verdict verdict = Verdict::first;
    std::string response;  // of `repeated`
  };
  // `key` names principal and collection too. `first`: the caller must finish() or forget() it.
  Claim claim(const std::string& key, const std::string& body_sha256);
  void finish(const std::string& key, std::string response);
  void forget(const std::string& key);

 private:
  struct Entry {
    std::string key;
    std::string body_sha256;
    std::string response;  // empty: still running
    Clock::Steady since;
  };
  void drop_old_locked();

  const Clock& clock_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // oldest first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace millrace
