#include "workers/embedder/query_embedder.h"

#include <chrono>
#include <string>
#include <utility>

#include "schemas/answer.h"
#include "schemas/query.h"

namespace millrace {
namespace {

Outputs searches_for(const Query& query, std::span<const float> vector, std::int64_t embedding_us,
                     std::int32_t partitions, int generation, const Provenance& provenance) {
  SearchRequest request;
  request.query = query;
  request.partitions = partitions;
  request.provenance = provenance;
  if (vector.empty()) request.provenance->embedding_model.clear();
  request.embedding_us = embedding_us;
  request.vector.assign(vector.begin(), vector.end());
  Outputs outputs;
  for (request.partition = 0; request.partition < partitions; ++request.partition) {
    outputs.push_back(to_record(request, generation));
  }
  return outputs;
}

Provenance with_model(Provenance provenance, const EmbeddingModel& model) {
  provenance.embedding_model = model.name();
  return provenance;
}

bool needs_vector(const Query& query) { return query.mode != SearchMode::lexical; }

}  // namespace

QueryEmbedder::QueryEmbedder(EmbeddingModel& model, EmbeddingCache& cache, std::int32_t partitions,
                             const Generations& generations, int generation, const Clock& clock,
                             Provenance provenance, const DriftOptions& drift)
    : model_{model},
      cache_{cache},
      partitions_{partitions},
      generations_{generations},
      generation_{generation},
      clock_{clock},
      provenance_{with_model(std::move(provenance), model)},
      drift_{drift, generation} {}

Result<std::optional<Query>> QueryEmbedder::take(const Record& record) const {
  Result<Query> query = query_from(record);
  if (query && query->generation == generation_) return std::optional{std::move(*query)};
  // What no generation takes is the first one's to refuse.
  if (generation_ != 1) return std::optional<Query>{};
  if (!query) return query.error();
  if (generations_.covers(query->generation, query->collection)) return std::optional<Query>{};
  return rejected("generation " + std::to_string(query->generation) + " of the collection is gone");
}

std::vector<Result<Outputs>> QueryEmbedder::process(std::span<const Record> batch) {
  std::vector<Result<std::optional<Query>>> queries;
  std::vector<std::string> questions;
  for (const Record& record : batch) {
    const auto& taken = queries.emplace_back(take(record));
    if (taken && *taken && needs_vector(**taken)) questions.push_back((*taken)->question);
  }
  const Clock::Steady began = clock_.now();
  Result<std::vector<float>> vectors = std::vector<float>{};
  if (!questions.empty()) vectors = cache_.embed(model_, generation_, questions);
  const auto embedding_us =
      std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - began).count();

  const auto dimensions = static_cast<std::size_t>(model_.dimensions());
  std::vector<Result<Outputs>> results;
  std::size_t row = 0;
  for (const Result<std::optional<Query>>& taken : queries) {
    if (!taken) {
      results.emplace_back(taken.error());
    } else if (!*taken) {
      results.emplace_back(Outputs{});
    } else if (!needs_vector(**taken)) {
      results.emplace_back(searches_for(**taken, {}, 0, partitions_, generation_, provenance_));
    } else if (!vectors) {
      results.emplace_back(with_context("embed a question", vectors.error()));
    } else {
      const std::span<const float> all{*vectors};
      const std::span<const float> vector = all.subspan(row++ * dimensions, dimensions);
      if ((*taken)->origin == Query::Origin::person) drift_.asked(vector);
      results.emplace_back(
          searches_for(**taken, vector, embedding_us, partitions_, generation_, provenance_));
    }
  }
  return results;
}

Outputs QueryEmbedder::given_up(const Record& record, const Error& error) {
  const Result<Query> query = query_from(record);
  if (!query) return {};
  AnswerEvent failed;
  failed.query_id = query->query_id;
  failed.type = AnswerEvent::Type::failed;
  failed.last = true;
  failed.reason = "embedding_failed";
  failed.message = error.message;
  return {to_record(failed)};
}

}  // namespace millrace
