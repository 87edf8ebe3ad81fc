#pragma once

#include "common/clock.h"
#include "workers/model/embedding_model.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `chunks.gN` to `embeddings.gN`, and `document-events` (embedded) with the last batch of a
// revision. All chunks of a polled batch go to the model in one call, so that sorting by length
// works over many documents. One runner's thread; model and clock outlive it.
class Embedder : public Stage {
 public:
  Embedder(EmbeddingModel& model, int generation, const Clock& clock);

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  Outputs given_up(const Record& record, const Error& error) override;

 private:
  EmbeddingModel& model_;
  const int generation_;
  const Clock& clock_;
};

}  // namespace millrace
