#pragma once

#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "workers/runtime/stage.h"

namespace millrace {

// A stage made of one function per record.
class FunctionStage : public Stage {
 public:
  using Function = std::function<Result<Outputs>(const Record&)>;

  explicit FunctionStage(Function function) : function_{std::move(function)} {}

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override {
    std::vector<Result<Outputs>> results;
    for (const Record& record : batch) results.push_back(function_(record));
    return results;
  }

 private:
  Function function_;
};

inline std::unique_ptr<Stage> stage_of(FunctionStage::Function function) {
  return std::make_unique<FunctionStage>(std::move(function));
}

}  // namespace millrace
