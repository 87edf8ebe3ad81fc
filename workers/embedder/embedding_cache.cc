#include "workers/embedder/embedding_cache.h"

#include <algorithm>

namespace millrace {
namespace {

constexpr std::size_t kRecentMax = 1'000;    // lookups that the rate is of
constexpr std::size_t kEntryOverhead = 256;  // of the list, the map and the allocator
constexpr const char* kLookups = "Questions looked up in the cache of their vectors";

}  // namespace

EmbeddingCache::EmbeddingCache(std::size_t bytes_max, MetricsRegistry& metrics)
    : bytes_max_{bytes_max},
      hits_{metrics.counter("embedding_cache_lookups_total", kLookups, {{"outcome", "hit"}})},
      misses_{metrics.counter("embedding_cache_lookups_total", kLookups, {{"outcome", "miss"}})},
      hit_rate_{metrics.gauge(
          "rag_cache_hit_rate",
          "Of the newest 1000 questions the part whose vector was in the cache, 0 to 1")},
      bytes_gauge_{metrics.gauge("embedding_cache_bytes", "Memory that cached vectors take")} {}

Result<std::vector<float>> EmbeddingCache::embed(EmbeddingModel& model, int generation,
                                                 std::span<const std::string> texts) {
  const auto dimensions = static_cast<std::size_t>(model.dimensions());
  std::vector<float> rows(texts.size() * dimensions);
  const std::vector<std::size_t> missing = take(generation, texts, rows);
  if (missing.empty()) return rows;
  // Each text once, however often it is asked for at this moment.
  std::map<std::string_view, std::size_t> places;
  std::vector<std::string> asked;
  for (const std::size_t i : missing) {
    if (places.emplace(texts[i], asked.size()).second) asked.push_back(texts[i]);
  }
  const Result<std::vector<float>> made = model.embed(asked, EmbeddingModel::Lane::query);
  if (!made) return made.error();
  const std::span<const float> all{*made};
  for (const std::size_t i : missing) {
    std::ranges::copy(all.subspan(places.at(texts[i]) * dimensions, dimensions),
                      rows.begin() + static_cast<std::ptrdiff_t>(i * dimensions));
  }
  const std::lock_guard lock{mutex_};
  for (std::size_t i = 0; i < asked.size(); ++i) {
    keep(generation, asked[i], all.subspan(i * dimensions, dimensions));
  }
  bytes_gauge_.set(static_cast<double>(bytes_));
  return rows;
}

std::vector<std::size_t> EmbeddingCache::take(int generation, std::span<const std::string> texts,
                                              std::span<float> rows) {
  std::vector<std::size_t> missing;
  if (texts.empty()) return missing;
  const std::size_t dimensions = rows.size() / texts.size();
  const std::lock_guard lock{mutex_};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const auto found = by_key_.find({generation, texts[i]});
    const bool hit = found != by_key_.end();
    count(hit);
    if (!hit) {
      missing.push_back(i);
      continue;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    std::ranges::copy(found->second->vector, rows.subspan(i * dimensions).begin());
  }
  hit_rate_.set(static_cast<double>(recent_hits_) / static_cast<double>(recent_.size()));
  return missing;
}

std::size_t EmbeddingCache::bytes_of(const Entry& entry) {
  // The text is in the list and in the map.
  return entry.vector.size() * sizeof(float) + 2 * entry.key.second.size() + kEntryOverhead;
}

void EmbeddingCache::keep(int generation, const std::string& text, std::span<const float> vector) {
  Key key{generation, text};
  if (by_key_.contains(key)) return;  // another embedder was faster
  Entry entry{key, {vector.begin(), vector.end()}};
  const std::size_t bytes = bytes_of(entry);
  if (bytes > bytes_max_) return;
  entries_.push_front(std::move(entry));
  by_key_.emplace(std::move(key), entries_.begin());
  bytes_ += bytes;
  while (bytes_ > bytes_max_) {
    bytes_ -= bytes_of(entries_.back());
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

void EmbeddingCache::count(bool hit) {
  (hit ? hits_ : misses_).add();
  if (recent_.size() < kRecentMax) {
    recent_.push_back(hit);
  } else {
    if (recent_[next_recent_]) --recent_hits_;
    recent_[next_recent_] = hit;
    next_recent_ = (next_recent_ + 1) % kRecentMax;
  }
  if (hit) ++recent_hits_;
}

}  // namespace millrace
