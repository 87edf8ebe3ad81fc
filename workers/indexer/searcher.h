#pragma once

#include <boost/asio/thread_pool.hpp>
#include <span>
#include <vector>

#include "common/clock.h"
#include "workers/drift/drift_probe.h"
#include "workers/index/index_set.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `searches.gN` to `passages`: one record for each, from the index of the partition that the
// request stands in. An index that fails is said in the record, so that nobody waits for it. What
// waits for one partition is searched together; partitions, such as those that a question is for,
// are searched side by side. One runner's thread; the set and the clock outlive it.
class Searcher : public Stage {
 public:
  // `candidates_min`: passages that each partition gives at least, whatever the question shows.
  // What is found for people's questions is watched for drift.
  Searcher(const IndexSet& indexes, const Clock& clock, std::size_t candidates_min = 0,
           const DriftOptions& drift = {});

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  Outputs given_up(const Record& record, const Error& error) override;

 private:
  struct Asked;
  void side_by_side(std::span<const std::span<Asked*>> parts);
  // Of a part of the batch, all for one partition.
  void answer(std::span<Asked* const> part);
  std::vector<Result<IndexHits>> search(std::span<Asked* const> part) const;

  const IndexSet& indexes_;
  const Clock& clock_;
  const std::size_t candidates_min_;
  ScoreDriftProbe drift_;
  boost::asio::thread_pool helpers_;
};

}  // namespace millrace
