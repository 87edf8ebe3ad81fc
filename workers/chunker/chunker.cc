#include "workers/chunker/chunker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "schemas/chunk.h"
#include "schemas/document.h"

namespace millrace {
namespace {

constexpr std::string_view kStage = "chunker";

}  // namespace

Chunker::Chunker(const Tokenizer& tokenizer, ChunkerOptions options, const Generations& generations,
                 int generation, const Clock& clock)
    : tokenizer_{tokenizer},
      options_{options},
      generations_{generations},
      generation_{generation},
      clock_{clock} {}

std::vector<Result<Outputs>> Chunker::process(std::span<const Record> batch) {
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  for (const Record& record : batch) {
    if (!generations_.covers(generation_, collection_of(record.key))) {
      results.emplace_back(Outputs{});
      continue;
    }
    const Result<TextEvent> event = text_event_from(record);
    if (event) {
      results.emplace_back(chunk(*event));
    } else {
      results.emplace_back(event.error());
    }
  }
  return results;
}

Outputs Chunker::chunk(const TextEvent& event) const {
  std::vector<Chunk> chunks;
  if (!event.removed) chunks = split(event, tokenizer_, options_);

  ChunkEvent out;
  out.document = event.document;
  out.removed = event.removed;
  out.pages = event.pages;
  out.chunks_total = static_cast<std::int64_t>(chunks.size());
  out.batches = static_cast<std::int32_t>(
      std::max<std::size_t>(1, (chunks.size() + kChunksPerRecord - 1) / kChunksPerRecord));
  Outputs outputs;
  for (out.batch = 0; out.batch < out.batches; ++out.batch) {
    const std::size_t first = static_cast<std::size_t>(out.batch) * kChunksPerRecord;
    const std::size_t count = std::min(kChunksPerRecord, chunks.size() - first);
    const auto begin = std::make_move_iterator(chunks.begin() + static_cast<std::ptrdiff_t>(first));
    out.chunks.assign(begin, begin + static_cast<std::ptrdiff_t>(count));
    outputs.push_back(to_record(out, generation_));
  }
  if (!event.removed) {
    outputs.push_back(to_record(
        progress_of(out, DocumentProgress::State::chunked, clock_.wall_now(), generation_)));
  }
  return outputs;
}

Outputs Chunker::given_up(const Record& record, const Error& error) {
  const Result<TextEvent> event = text_event_from(record);
  if (!event) return {};  // nobody to tell: the dead letter has the record
  return {to_record(failure_of(*event, kStage, error, clock_.wall_now(), generation_))};
}

}  // namespace millrace
