#pragma once

#include <cstdint>
#include <optional>

#include "common/clock.h"
#include "schemas/query.h"
#include "workers/drift/drift_probe.h"
#include "workers/embedder/embedding_cache.h"
#include "workers/model/embedding_model.h"
#include "workers/runtime/generations.h"
#include "workers/runtime/stage.h"

namespace millrace {

// `queries` to `searches.gN`, one record per index partition, of those that its generation answers.
// All questions that wait are embedded in one call, in a lane that bulk batches cannot hold up,
// but those whose vector is in the cache;
// those that are looked for by their words alone need no vector. One runner's thread; what it
// borrows outlives it.
class QueryEmbedder : public Stage {
 public:
  // `provenance`: how the generation's chunks are made; the model's name is put to it. Vectors of
  // people's questions are watched for drift.
  QueryEmbedder(EmbeddingModel& model, EmbeddingCache& cache, std::int32_t partitions,
                const Generations& generations, int generation, const Clock& clock,
                Provenance provenance = {}, const DriftOptions& drift = {});

  std::vector<Result<Outputs>> process(std::span<const Record> batch) override;
  // A `failed` answer, so that nobody waits in vain.
  Outputs given_up(const Record& record, const Error& error) override;

 private:
  // Empty: another generation's stage answers it.
  Result<std::optional<Query>> take(const Record& record) const;

  EmbeddingModel& model_;
  EmbeddingCache& cache_;
  const std::int32_t partitions_;
  const Generations& generations_;
  const int generation_;
  const Clock& clock_;
  const Provenance provenance_;
  QuestionDriftProbe drift_;
};

}  // namespace millrace
