#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/log/record.h"
#include "schemas/query.h"

namespace millrace {

// Where and when a record of `passages` came in.
struct Arrival {
  Position position;
  std::string traceparent;
  bool maybe_seen = false;  // an earlier run may have begun to answer it
  Clock::Steady at{};
};

// A query with all the passages it will get.
struct GatheredQuery {
  Query query;
  std::vector<Passage> passages;    // in one order: see ranking.h
  std::vector<Passage> candidates;  // for a re-ranker, where Gather is told to keep them: fused()
  bool partial = false;             // a partition is missing or failed
  bool failed = false;              // every partition that answered failed
  std::string error;                // of the first partition that failed
  std::int64_t embedding_us = 0;
  std::int64_t search_us = 0;       // of the slowest partition
  std::vector<Position> positions;  // the records it is made of
  std::string traceparent;          // of the last one
  bool maybe_seen = false;
  std::optional<Provenance> provenance;  // of the partitions that answered
};

// Collects what the index partitions found for each query, until all have answered or the first
// record is `timeout` old. At most `open_max` queries are being gathered: beyond that the oldest
// goes on with what it has. Pure logic, not thread-safe.
class Gather {
 public:
  Gather(std::chrono::milliseconds timeout, std::size_t open_max, bool keep_candidates = false)
      : timeout_{timeout}, open_max_{open_max}, keep_candidates_{keep_candidates} {}

  // The queries that this record completes: its own, or the one it crowds out. A second record of
  // the same partition changes nothing.
  std::vector<GatheredQuery> add(PassagesEvent event, Arrival arrival);
  // Those whose deadline has passed.
  std::vector<GatheredQuery> expire(Clock::Steady now);
  // Gives up gathering for this query; empty when it is not being gathered.
  std::optional<GatheredQuery> take(std::string_view query_id);

  std::optional<Clock::Steady> next_deadline() const;
  std::size_t open() const { return open_.size(); }

 private:
  struct Entry {
    GatheredQuery gathered;             // without its passages yet
    std::vector<PassagesEvent> found;   // of the partitions that did not fail
    std::set<std::int32_t> partitions;  // that have answered
    std::int32_t partitions_total = 1;
    std::size_t errors = 0;
    Clock::Steady deadline{};
  };
  using Entries = std::list<Entry>;  // by deadline: every query has the same timeout

  static void merge(Entry& entry, PassagesEvent event, Arrival arrival);
  GatheredQuery conclude(Entry entry) const;
  GatheredQuery close(Entries::iterator entry);

  std::chrono::milliseconds timeout_;
  std::size_t open_max_;
  bool keep_candidates_;
  Entries open_;
  std::unordered_map<std::string, Entries::iterator> by_query_;
};

}  // namespace millrace
