#include "workers/extracting_chunker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "schemas/document.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::string_view kStageName = "chunker";

}  // namespace

ExtractingChunker::ExtractingChunker(std::unique_ptr<Stage> extractor,
                                     std::unique_ptr<Stage> chunker, const Generations& generations,
                                     int generation)
    : extractor_{std::move(extractor)},
      chunker_{std::move(chunker)},
      generations_{generations},
      generation_{generation} {}

std::vector<Result<Outputs>> ExtractingChunker::process(std::span<const Record> batch) {
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  for (const Record& record : batch) {
    // Before it is extracted, which is what costs.
    if (generations_.covers(generation_, collection_of(record.key))) {
      results.push_back(process_one(record));
    } else {
      results.emplace_back(Outputs{});
    }
  }
  return results;
}

Result<Outputs> ExtractingChunker::process_one(const Record& record) {
  Result<Outputs> extracted = std::move(extractor_->process({&record, 1}).front());
  if (!extracted) return extracted.error();
  Outputs outputs;
  for (const Record& text : *extracted) {
    if (text.topic != topics::kTexts) continue;
    Result<Outputs> chunked = std::move(chunker_->process({&text, 1}).front());
    if (!chunked) return chunked.error();
    std::ranges::move(*chunked, std::back_inserter(outputs));
  }
  return outputs;
}

Outputs ExtractingChunker::given_up(const Record& record, const Error& error) {
  Outputs outputs;
  for (const Record& told : extractor_->given_up(record, error)) {
    Result<DocumentProgress> progress = document_progress_from(told);
    if (!progress) continue;
    progress->generation = generation_;
    progress->error_stage = kStageName;  // the extractor's own mistakes are all generations'
    outputs.push_back(to_record(*progress));
  }
  return outputs;
}

}  // namespace millrace
