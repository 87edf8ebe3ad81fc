#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
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
  // Of the name that a generation's settings have.
  std::function<Result<std::unique_ptr<EmbeddingModel>>(const std::string& name)> load_model;
  std::filesystem::path data_dir;
  std::uint64_t disk_reserve = 0;  // bytes; while the disk has fewer, nothing is built
};

// The stages of the generations beside the first one, in this process: started and stopped as the
// records of `collections` say, which a thread of it follows. Those that are being built give way
// to the others (precedence.h), and wait while the disk is nearly full. What a generation that is
// gone left in this process's folder is removed.
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
    std::shared_ptr<std::atomic<bool>> background;
    std::unique_ptr<EmbeddingModel> model;  // null: the process's
    std::unique_ptr<IndexSet> indexes;
    std::unique_ptr<RunnerGroup> runners;
  };

  Status read_all();
  void follow(const std::stop_token& stop);
  void apply(const std::vector<Record>& records);
  Status reconcile();
  Status host(const Generation& generation);
  Result<Hosted> make(const Generation& generation) const;
  bool look_at_disk();
  void remove_folders(const std::vector<Generation>& known) const;

  const GenerationHostOptions options_;
  Generations& generations_;
  const std::function<void(const Error&)> on_fatal_;
  std::unique_ptr<LogReader> reader_;
  std::map<int, Hosted> hosted_;
  bool has_room_ = true;
  bool behind_ = false;  // what the records say could not be done
  const Gauge held_;
  std::jthread thread_;
};

}  // namespace millrace
