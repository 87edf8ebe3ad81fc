#include "workers/indexer/searcher.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <chrono>
#include <latch>
#include <optional>
#include <thread>
#include <utility>

#include "common/logging.h"
#include "schemas/query.h"

namespace millrace {
namespace {

// Beside the runner's thread. A scan is bound by the memory, which a few cores use up.
const std::size_t kHelpers = std::clamp(std::thread::hardware_concurrency(), 2U, 8U) - 1;

PassagesEvent passages_for(const SearchRequest& request, const Record& record) {
  PassagesEvent event;
  event.query = request.query;
  event.partition = record.partition;
  event.partitions = request.partitions;
  event.embedding_us = request.embedding_us;
  return event;
}

Result<std::vector<Passage>> search(const IndexSet& indexes, const Record& record,
                                    const SearchRequest& request) {
  const PartitionIndex* index = indexes.find(record.partition);
  if (index == nullptr) {
    return rejected("there is no index for partition " + std::to_string(record.partition) +
                    ", only " + std::to_string(indexes.partitions()));
  }
  IndexSearch wanted;
  wanted.collection = request.query.collection;
  wanted.vector = request.vector;
  wanted.top_k = static_cast<std::size_t>(std::max<std::int64_t>(request.query.top_k, 0));
  wanted.sees_everything = request.query.sees_everything;
  wanted.groups = request.query.groups;
  return index->search(wanted);
}

}  // namespace

Searcher::Searcher(const IndexSet& indexes, const Clock& clock)
    : indexes_{indexes}, clock_{clock}, helpers_{kHelpers} {}

std::vector<Result<Outputs>> Searcher::process(std::span<const Record> batch) {
  std::vector<std::optional<Result<Outputs>>> answers(batch.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < batch.size(); i = next++) answers[i] = answer(batch[i]);
  };
  const std::size_t helping = std::min(kHelpers, std::max<std::size_t>(batch.size(), 1) - 1);
  std::latch helped{static_cast<std::ptrdiff_t>(helping)};
  for (std::size_t i = 0; i < helping; ++i) {
    boost::asio::post(helpers_, [&] {
      work();
      helped.count_down();
    });
  }
  work();
  helped.wait();
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  for (std::optional<Result<Outputs>>& each : answers) results.push_back(*std::move(each));
  return results;
}

Result<Outputs> Searcher::answer(const Record& record) const {
  const Result<SearchRequest> request = search_request_from(record);
  if (!request) return request.error();
  PassagesEvent event = passages_for(*request, record);
  const Clock::Steady started = clock_.now();
  Result<std::vector<Passage>> passages = search(indexes_, record, *request);
  event.search_us =
      std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - started).count();
  if (passages) {
    event.passages = std::move(*passages);
  } else {
    event.error = passages.error().message;
    log_event(LogLevel::error, "search_failed",
              {{"partition", record.partition},
               {"query_id", request->query.query_id},
               {"error", event.error}});
  }
  Outputs outputs;
  outputs.push_back(to_record(event));
  return outputs;
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
