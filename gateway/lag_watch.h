#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/log/table.h"
#include "common/metrics.h"
#include "schemas/collection.h"

namespace millrace {

// The consumer group of a stage and the topics that it works through.
struct StageInputs {
  std::string group;  // also the stage's name: GROUP.gN for another than the first generation
  std::vector<std::string> topics;
};
// Of the stages that a generation has, on the way of a document or of a question; with the first
// one come those that all generations share.
std::vector<StageInputs> stage_inputs(int generation, GenerationSettings::Source source);

// Measures by the log itself how far the stages are, so that a stage that runs nowhere, or whose
// process stands still, is seen as well. Of the first generation and of those that serve or are
// kept: one that is being built has its own figures (GenerationKeeper). Every gateway has one.
class LagWatch {
 public:
  // All that it borrows outlives it.
  LagWatch(const Log& log, const Table& collections, const Clock& clock, MetricsRegistry& metrics);

  void start();  // a thread that looks every ten seconds
  void stop();
  // Sets the gauges to what the log says now. Blocks. A stage that the log tells nothing about
  // keeps what it had. One thread.
  void look();

 private:
  struct Stage {
    Gauge stalled;
    std::vector<Gauge> lags;  // by partition
    Offset committed = -1;    // all partitions together
    Clock::Steady since{};    // when that was seen first
  };

  void measure(const StageInputs& inputs);
  Result<std::map<TopicPartition, GroupOffsets>> ask(const StageInputs& inputs) const;
  Stage& stage(const std::string& name, std::size_t partitions);
  void tell_of_failure(const std::string& group, const std::string& why);

  const Log& log_;
  const Table& collections_;
  const Clock& clock_;
  MetricsRegistry& metrics_;
  std::map<std::string, Stage> stages_;
  std::map<std::string, std::string> told_;  // by group: why it is not known now
  std::jthread thread_;
};

}  // namespace millrace
