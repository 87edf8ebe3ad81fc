#include "workers/indexer/searcher.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <cassert>
#include <chrono>
#include <latch>
#include <optional>
#include <thread>
#include <utility>

#include "common/logging.h"
#include "common/trace.h"
#include "schemas/query.h"
#include "workers/text/analyzer.h"

namespace millrace {
namespace {

// Beside the runner's thread. A scan is bound by the memory, which a few cores use up.
const std::size_t kHelpers = std::clamp(std::thread::hardware_concurrency(), 2U, 8U) - 1;

// Of the best passages some do not stay where documents may have only one, or where those that say
// the same fall behind: a partition then gives this many times as many, up to the bound.
constexpr std::size_t kSpareTimes = 4;
constexpr std::size_t kSpareMax = 100;

static_assert(LexicalEvidence::kWordsMax >= kQueryWordsMax);

PassagesEvent passages_for(const SearchRequest& request, const Record& record) {
  PassagesEvent event;
  event.query = request.query;
  event.partition = record.partition;
  event.partitions = request.partitions;
  event.embedding_us = request.embedding_us;
  event.provenance = request.provenance;
  return event;
}

// Borrows from the request.
IndexSearch search_for(const SearchRequest& request, std::size_t candidates_min) {
  const Query& query = request.query;
  IndexSearch wanted;
  wanted.collection = query.collection;
  if (query.mode != SearchMode::dense) wanted.question = query.question;
  if (query.mode != SearchMode::lexical) wanted.vector = request.vector;
  wanted.top_k = static_cast<std::size_t>(std::max<std::int64_t>(query.top_k, 0));
  wanted.with_vectors = query.diversity > 0;
  if (query.one_per_document || query.diversity > 0) {
    wanted.top_k =
        std::max(wanted.top_k, std::min(wanted.top_k, kSpareMax / kSpareTimes) * kSpareTimes);
  }
  wanted.top_k = std::max(wanted.top_k, candidates_min);
  wanted.sees_everything = query.sees_everything;
  wanted.groups = query.groups;
  wanted.filter = query.filter;
  return wanted;
}

// None of a question that is looked for by its words alone, and where nothing is found.
std::optional<double> best_cosine(std::span<const Passage> passages) {
  std::optional<double> best;
  for (const Passage& each : passages) {
    if (!each.match || !each.match->cosine) continue;
    best = std::max(best.value_or(-1), *each.match->cosine);
  }
  return best;
}

}  // namespace

// A record of the batch and what becomes of it.
struct Searcher::Asked {
  const Record* record = nullptr;
  Result<SearchRequest> request;
  Outputs outputs = {};
};

Searcher::Searcher(const IndexSet& indexes, const Clock& clock, std::size_t candidates_min,
                   const DriftOptions& drift)
    : indexes_{indexes},
      clock_{clock},
      candidates_min_{candidates_min},
      drift_{drift, indexes.generation()},
      helpers_{kHelpers} {}

std::vector<Result<Outputs>> Searcher::process(std::span<const Record> batch) {
  std::vector<Asked> asked;
  asked.reserve(batch.size());
  std::vector<Asked*> readable;
  for (const Record& record : batch) {
    asked.push_back({&record, search_request_from(record)});
    if (asked.back().request) readable.push_back(&asked.back());
  }
  const auto partition_of = [](const Asked* each) { return each->record->partition; };
  std::ranges::stable_sort(readable, {}, partition_of);
  // No part is more than a core's share, lest the others wait for the one with a busy partition.
  const std::size_t part_max = readable.size() / (kHelpers + 1) + 1;
  std::vector<std::span<Asked*>> parts;
  for (std::size_t begin = 0, end = 0; begin < readable.size(); begin = end) {
    while (end < readable.size() && end - begin < part_max &&
           partition_of(readable[end]) == partition_of(readable[begin])) {
      ++end;
    }
    parts.push_back(std::span{readable}.subspan(begin, end - begin));
  }
  side_by_side(parts);
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  for (Asked& each : asked) {
    if (each.request) {
      results.emplace_back(std::move(each.outputs));
    } else {
      results.emplace_back(each.request.error());
    }
  }
  return results;
}

void Searcher::side_by_side(std::span<const std::span<Asked*>> parts) {
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < parts.size(); i = next++) answer(parts[i]);
  };
  const std::size_t helping = std::min(kHelpers, std::max<std::size_t>(parts.size(), 1) - 1);
  std::latch helped{static_cast<std::ptrdiff_t>(helping)};
  for (std::size_t i = 0; i < helping; ++i) {
    boost::asio::post(helpers_, [&] {
      work();
      helped.count_down();
    });
  }
  work();
  helped.wait();
}

void Searcher::answer(std::span<Asked* const> part) {
  const Clock::Steady started = clock_.now();
  const PartitionIndex* index = indexes_.find(part.front()->record->partition);
  const Offset position = index == nullptr ? 0 : index->position();  // before it is searched
  std::vector<Result<IndexHits>> found = search(part);
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - started);
  for (std::size_t i = 0; i < part.size(); ++i) {
    const SearchRequest& request = *part[i]->request;
    PassagesEvent event = passages_for(request, *part[i]->record);
    event.search_us = took.count();
    if (found[i]) {
      if (event.provenance) event.provenance->index.push_back({event.partition, position});
      const auto best = best_cosine(found[i]->passages);
      if (best && request.query.origin == Query::Origin::person) {
        drift_.found(*best, static_cast<std::size_t>(request.partitions));
      }
      event.passages = std::move(found[i]->passages);
      event.evidence = std::move(found[i]->evidence);
    } else {
      event.error = found[i].error().message;
      log_event(LogLevel::error, "search_failed",
                {{"partition", event.partition},
                 {"query_id", request.query.query_id},
                 {"trace_id", trace_id_of(part[i]->record->header(headers::kTraceparent))},
                 {"error", event.error}});
    }
    part[i]->outputs.push_back(to_record(event));
  }
}

std::vector<Result<IndexHits>> Searcher::search(std::span<Asked* const> part) const {
  const std::int32_t partition = part.front()->record->partition;
  const PartitionIndex* index = indexes_.find(partition);
  if (index == nullptr) {
    const Error error = rejected("there is no index for partition " + std::to_string(partition) +
                                 ", only " + std::to_string(indexes_.partitions()));
    return std::vector<Result<IndexHits>>(part.size(), error);
  }
  std::vector<IndexSearch> searches;
  searches.reserve(part.size());
  for (const Asked* each : part) searches.push_back(search_for(*each->request, candidates_min_));
  std::vector<Result<IndexHits>> found = index->search(searches);
  assert(found.size() == part.size());
  return found;
}

Outputs Searcher::given_up(const Record& record, const Error& error) {
  Outputs outputs;
  const Result<SearchRequest> request = search_request_from(record);
  if (!request) return outputs;  // nobody can say who waits: the dead letter has it
  PassagesEvent event = passages_for(*request, record);
  event.error = error.message;
  outputs.push_back(to_record(event));
  return outputs;
}

}  // namespace millrace
