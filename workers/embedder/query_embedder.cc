#include "workers/embedder/query_embedder.h"

#include <chrono>
#include <string>
#include <utility>

#include "schemas/answer.h"
#include "schemas/query.h"

namespace millrace {
namespace {

Outputs searches_for(const Query& query, std::span<const float> vector, std::int64_t embedding_us,
                     std::int32_t partitions, int generation) {
  SearchRequest request;
  request.query = query;
  request.partitions = partitions;
  request.embedding_us = embedding_us;
  request.vector.assign(vector.begin(), vector.end());
  Outputs outputs;
  for (request.partition = 0; request.partition < partitions; ++request.partition) {
    outputs.push_back(to_record(request, generation));
  }
  return outputs;
}

bool needs_vector(const Query& query) { return query.mode != SearchMode::lexical; }

}  // namespace

QueryEmbedder::QueryEmbedder(EmbeddingModel& model, std::int32_t partitions,
                             const Generations& generations, int generation, const Clock& clock)
    : model_{model},
      partitions_{partitions},
      generations_{generations},
      generation_{generation},
      clock_{clock} {}

// The first generation's also has what no other one takes: what cannot be read, and what is for a
// generation that is gone.
bool QueryEmbedder::is_ours(const Result<Query>& query) const {
  if (query && query->generation == generation_) return true;
  if (generation_ != 1) return false;
  return !query || !generations_.covers(query->generation, query->collection);
}

std::vector<Result<Outputs>> QueryEmbedder::process(std::span<const Record> batch) {
  std::vector<Result<Query>> queries;
  std::vector<std::string> questions;
  for (const Record& record : batch) {
    queries.push_back(query_from(record));
    if (queries.back() && queries.back()->generation == generation_ &&
        needs_vector(*queries.back())) {
      questions.push_back(queries.back()->question);
    }
  }
  const Clock::Steady began = clock_.now();
  Result<std::vector<float>> vectors = std::vector<float>{};
  if (!questions.empty()) vectors = model_.embed(questions, EmbeddingModel::Lane::query);
  const auto embedding_us =
      std::chrono::duration_cast<std::chrono::microseconds>(clock_.now() - began).count();

  const auto dimensions = static_cast<std::size_t>(model_.dimensions());
  std::vector<Result<Outputs>> results;
  std::size_t row = 0;
  for (const Result<Query>& query : queries) {
    if (!is_ours(query)) {
      results.emplace_back(Outputs{});
    } else if (!query) {
      results.emplace_back(query.error());
    } else if (query->generation != generation_) {
      results.emplace_back(rejected("generation " + std::to_string(query->generation) +
                                    " of the collection is gone"));
    } else if (!needs_vector(*query)) {
      results.emplace_back(searches_for(*query, {}, 0, partitions_, generation_));
    } else if (!vectors) {
      results.emplace_back(with_context("embed a question", vectors.error()));
    } else {
      const std::span<const float> all{*vectors};
      results.emplace_back(searches_for(*query, all.subspan(row++ * dimensions, dimensions),
                                        embedding_us, partitions_, generation_));
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
