#pragma once

#include <boost/asio/thread_pool.hpp>

#include "common/clock.h"
#include "workers/index/index_set.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `searches.gN` to `passages`: one record for each, from the index of the partition that the
// request stands in. An index that fails is said in the record, so that nobody waits for it. The
// records of a batch, such as a question's for all partitions, are searched side by side. One
// runner's thread; the set and the clock outlive it.
class Searcher : public Stage {
 public:
  Searcher(const IndexSet& indexes, const Clock& clock);

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  Outputs given_up(const Record& record, const Error& error) override;

 private:
  Result<Outputs> answer(const Record& record) const;

  const IndexSet& indexes_;
  const Clock& clock_;
  boost::asio::thread_pool helpers_;
};

}  // namespace millrace
