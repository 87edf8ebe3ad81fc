#include "workers/runner_group.h"

#include <future>
#include <string>

namespace millrace {

RunnerGroup::RunnerGroup(const std::vector<const StageRow*>& rows, const StageResources& resources,
                         const RunnerOptions& options) {
  for (const StageRow* row : rows) {
    if (row->source && *row->source != resources.source) continue;
    members_.push_back({row, make_runner(*row, resources, options)});
  }
}

Status RunnerGroup::start(const std::function<void(const Error&)>& on_fatal) {
  std::vector<std::future<Status>> starting;
  for (const Member& each : members_) {
    starting.push_back(
        std::async(std::launch::async, [&] { return each.runner->start(on_fatal); }));
  }
  Status all;
  for (std::size_t i = 0; i < starting.size(); ++i) {
    const Status started = starting[i].get();
    if (!all || started) continue;
    all = with_context("start the stage " + std::string{members_[i].row->name}, started.error());
  }
  if (!all) stop();
  return all;
}

void RunnerGroup::stop() {
  std::vector<std::future<void>> stopping;
  for (const Member& each : members_) {
    stopping.push_back(std::async(std::launch::async, [&] { each.runner->stop(); }));
  }
}

}  // namespace millrace
