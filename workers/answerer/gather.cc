#include "workers/answerer/gather.h"

#include <algorithm>
#include <utility>

#include "workers/answerer/ranking.h"

namespace millrace {

void Gather::merge(Entry& entry, PassagesEvent event, Arrival arrival) {
  GatheredQuery& gathered = entry.gathered;
  gathered.positions.push_back(std::move(arrival.position));
  gathered.maybe_seen = gathered.maybe_seen || arrival.maybe_seen;
  if (!entry.partitions.insert(event.partition).second) return;
  gathered.traceparent = std::move(arrival.traceparent);
  gathered.embedding_us = std::max(gathered.embedding_us, event.embedding_us);
  gathered.search_us = std::max(gathered.search_us, event.search_us);
  if (!event.error.empty()) {
    if (gathered.error.empty()) gathered.error = std::move(event.error);
    ++entry.errors;
    return;
  }
  if (event.provenance && !gathered.provenance) {
    gathered.provenance = std::move(event.provenance);
  } else if (event.provenance) {
    auto& index = gathered.provenance->index;
    index.insert(index.end(), event.provenance->index.begin(), event.provenance->index.end());
    std::ranges::sort(index, {}, &Provenance::IndexPosition::partition);
  }
  entry.found.push_back(std::move(event));
}

GatheredQuery Gather::conclude(Entry entry) const {
  GatheredQuery gathered = std::move(entry.gathered);
  const std::size_t answered = entry.partitions.size();
  gathered.partial =
      answered < static_cast<std::size_t>(entry.partitions_total) || entry.errors > 0;
  gathered.failed = answered > 0 && entry.errors == answered;
  std::vector<Passage> candidates = fused(gathered.query, std::move(entry.found));
  if (keep_candidates_) gathered.candidates = candidates;
  gathered.passages = chosen(gathered.query, std::move(candidates));
  return gathered;
}

GatheredQuery Gather::close(Entries::iterator entry) {
  by_query_.erase(entry->gathered.query.query_id);
  Entry closed = std::move(*entry);
  open_.erase(entry);
  return conclude(std::move(closed));
}

std::vector<GatheredQuery> Gather::add(PassagesEvent event, Arrival arrival) {
  std::vector<GatheredQuery> done;
  auto found = by_query_.find(event.query.query_id);
  if (found == by_query_.end()) {
    Entry fresh;
    fresh.gathered.query = event.query;
    fresh.partitions_total = event.partitions;
    fresh.deadline = arrival.at + timeout_;
    if (event.partitions <= 1) {
      merge(fresh, std::move(event), std::move(arrival));
      done.push_back(conclude(std::move(fresh)));
      return done;
    }
    if (open_.size() >= open_max_) done.push_back(close(open_.begin()));
    open_.push_back(std::move(fresh));
    found = by_query_.emplace(event.query.query_id, std::prev(open_.end())).first;
  }
  const auto entry = found->second;
  merge(*entry, std::move(event), std::move(arrival));
  if (entry->partitions.size() >= static_cast<std::size_t>(entry->partitions_total)) {
    done.push_back(close(entry));
  }
  return done;
}

std::vector<GatheredQuery> Gather::expire(Clock::Steady now) {
  std::vector<GatheredQuery> done;
  while (!open_.empty() && open_.front().deadline <= now) done.push_back(close(open_.begin()));
  return done;
}

std::optional<GatheredQuery> Gather::take(std::string_view query_id) {
  const auto found = by_query_.find(std::string{query_id});
  if (found == by_query_.end()) return std::nullopt;
  return close(found->second);
}

std::optional<Clock::Steady> Gather::next_deadline() const {
  if (open_.empty()) return std::nullopt;
  return open_.front().deadline;
}

}  // namespace millrace
