#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "workers/index/index_set.h"
#include "workers/runner_group.h"
#include "workers/runtime/generations.h"

namespace millrace {

struct GenerationHostOptions {
  std::vector<const StageRow*> rows;  // of this process; those that a generation has of its own
  StageResources resources;           // of the first generation
  RunnerOptions runner;
  IndexSetOptions indexes;  // where some stage needs them
};

// The stages of the generations beside the first one, in this process: started and stopped as the
// records of `collections` say, which a thread of it follows. What a generation that is gone left
// in this process's folder is removed.
class GenerationHost {
 public:
  // `generations` is what it tells the stages. It and all that `options` borrows outlive it.
  GenerationHost(GenerationHostOptions options, Generations& generations,
                 std::function<void(const Error&)> on_fatal);
  ~GenerationHost();  // stops

  // Reads `collections` as far as it goes now, and starts what it says. Once. `unavailable` where
  // the log does not give it in time.
  Status start();
  void stop();

 private:
  struct Hosted {
    std::unique_ptr<IndexSet> indexes;
    std::unique_ptr<RunnerGroup> runners;
  };

  Status read_all();
  void follow(const std::stop_token& stop);
  void apply(const std::vector<Record>& records);
  Status reconcile();
  Result<Hosted> host(const Generation& generation) const;
  void remove_folders(const std::vector<Generation>& known) const;

  const GenerationHostOptions options_;
  Generations& generations_;
  const std::function<void(const Error&)> on_fatal_;
  std::unique_ptr<LogReader> reader_;
  std::map<int, Hosted> hosted_;
  std::jthread thread_;
};

}  // namespace millrace
