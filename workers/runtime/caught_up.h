#pragma once

#include <memory>
#include <vector>

#include "common/log/log.h"

namespace millrace {

// Which of a runner's partitions are processed up to where they ended when they were assigned: what
// is kept of them here is complete, as far as anybody could have asked for it by then. Told to
// `choice` whenever it changes. Of the runner's thread.
class CaughtUp {
 public:
  // Null: nobody wants to know.
  CaughtUp(const Log& log, std::shared_ptr<PartitionChoice> choice)
      : log_{log}, choice_{std::move(choice)} {}

  Status adopt(const std::vector<TopicPartition>& assignment);
  void processed(const Offsets& positions);

 private:
  void tell();

  const Log& log_;
  const std::shared_ptr<PartitionChoice> choice_;
  Offsets behind_;  // and what each has to reach
  std::set<TopicPartition> reached_;
};

}  // namespace millrace
