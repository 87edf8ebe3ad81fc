#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "workers/stages.h"

namespace millrace {

// The runners of some stages. One thread starts and stops them.
class RunnerGroup {
 public:
  // Not yet started.
  RunnerGroup(const std::vector<const StageRow*>& rows, const StageResources& resources,
              const RunnerOptions& options);

  // All at once, since joining a group takes seconds; all of them or none, naming the stage that
  // failed. Once. `on_fatal` is called from a runner's thread.
  Status start(const std::function<void(const Error&)>& on_fatal);
  void stop();  // each finishes the batch in hand; all at once, as leaving a group takes its time

 private:
  struct Member {
    const StageRow* row;
    std::unique_ptr<Runner> runner;
  };
  std::vector<Member> members_;
};

}  // namespace millrace
