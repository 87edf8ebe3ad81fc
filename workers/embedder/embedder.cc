#include "workers/embedder/embedder.h"

#include <string>
#include <utility>

#include "schemas/chunk.h"
#include "schemas/document.h"

namespace millrace {
namespace {

constexpr std::string_view kStage = "embedder";

// A decoded record, and where its chunks' texts stand among all of the batch.
struct Work {
  Result<ChunkEvent> event;
  std::size_t first_text = 0;
};

std::vector<Work> decode(std::span<const Record> batch, std::vector<std::string>& texts) {
  std::vector<Work> work;
  work.reserve(batch.size());
  for (const Record& record : batch) {
    work.push_back({chunk_event_from(record), texts.size()});
    const Result<ChunkEvent>& event = work.back().event;
    if (!event) continue;
    for (const Chunk& chunk : event->chunks) {
      texts.push_back(text_to_embed(event->document, chunk));
    }
  }
  return work;
}

}  // namespace

Embedder::Embedder(EmbeddingModel& model, int generation, const Clock& clock)
    : model_{model}, generation_{generation}, clock_{clock} {}

std::vector<Result<Outputs>> Embedder::process(std::span<const Record> batch) {
  std::vector<std::string> texts;
  std::vector<Work> work = decode(batch, texts);
  Result<std::vector<float>> vectors = std::vector<float>{};
  if (!texts.empty()) vectors = model_.embed(texts, EmbeddingModel::Lane::bulk);

  const auto dimensions = static_cast<std::size_t>(model_.dimensions());
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  for (Work& each : work) {
    if (!each.event) {
      results.emplace_back(each.event.error());
      continue;
    }
    const std::size_t chunks = each.event->chunks.size();
    if (chunks != 0 && !vectors) {
      results.emplace_back(
          with_context("embed " + std::to_string(texts.size()) + " chunks", vectors.error()));
      continue;
    }
    EmbeddingEvent out;
    out.model = model_.name();
    out.dimensions = model_.dimensions();
    if (chunks != 0) {
      const auto first =
          vectors->begin() + static_cast<std::ptrdiff_t>(each.first_text * dimensions);
      out.vectors.assign(first, first + static_cast<std::ptrdiff_t>(chunks * dimensions));
    }
    out.chunk_batch = std::move(*each.event);
    const ChunkEvent& done = out.chunk_batch;
    Outputs outputs{to_record(out, generation_)};
    if (!done.removed && done.batch + 1 == done.batches) {
      outputs.push_back(to_record(
          progress_of(done, DocumentProgress::State::embedded, clock_.wall_now(), generation_)));
    }
    results.emplace_back(std::move(outputs));
  }
  return results;
}

Outputs Embedder::given_up(const Record& record, const Error& error) {
  const Result<ChunkEvent> event = chunk_event_from(record);
  if (!event) return {};  // nobody to tell: the dead letter has the record
  return {to_record(failure_of(*event, kStage, error, clock_.wall_now(), generation_))};
}

}  // namespace millrace
