// The embedding model alone, as `make bench` compares with: cuts documents as the pipeline does,
// then embeds their chunks in bulk. Prints one JSON object.
//   bench_encoder MODEL_FOLDER DOCUMENTS.jsonl [THREADS]    (objects with id, title, text; 0, one
//                                                           thread per core, when not said)
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <span>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/json.h"
#include "common/metrics.h"
#include "workers/chunker/splitter.h"
#include "workers/model/openvino_model.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

constexpr std::size_t kTextsPerCall = 512;  // about what a full poll gives the embedder

[[noreturn]] void fail(const Error& error) {
  std::cerr << "bench_encoder: " << error.message << '\n';
  std::exit(1);
}

std::vector<std::string> texts_to_embed(const char* path, const EmbeddingModel& model) {
  std::vector<std::string> texts;
  std::ifstream in{path};
  for (std::string line; std::getline(in, line);) {
    const Result<json::Document> row = json::Document::parse(line);
    if (!row) fail(row.error());
    TextEvent event;
    event.document.title = row->root().member("title").as_string();
    event.text = row->root().member("text").as_string();
    event.blocks.push_back({Block::Kind::paragraph, 0, code_points(event.text), 0, {}});
    ChunkerOptions options;
    options.max_tokens = model.max_tokens();
    for (const Chunk& chunk : split(event, model.tokenizer(), options)) {
      texts.push_back(text_to_embed(event.document, chunk));
    }
  }
  return texts;
}

int run(const char* model_folder, const char* documents, std::size_t threads) {
  MetricsRegistry metrics;
  OpenVinoOptions options;
  options.folder = model_folder;
  options.encoders = threads;
  const Result<std::unique_ptr<EmbeddingModel>> model = load_openvino_model(options, metrics);
  if (!model) fail(model.error());
  const std::vector<std::string> texts = texts_to_embed(documents, **model);
  const auto embed = [&](std::size_t first, std::size_t count) {
    const Result<std::vector<float>> vectors =
        (*model)->embed(std::span{texts}.subspan(first, count), EmbeddingModel::Lane::bulk);
    if (!vectors) fail(vectors.error());
  };
  embed(0, std::min(texts.size(), kTextsPerCall));  // warm up: shapes are compiled on first use
  const Clock::Steady began = system_clock().now();
  for (std::size_t first = 0; first < texts.size(); first += kTextsPerCall) {
    embed(first, std::min(kTextsPerCall, texts.size() - first));
  }
  const std::chrono::duration<double> seconds = system_clock().now() - began;
  std::printf("{\"chunks\": %zu, \"seconds\": %.3f, \"chunks_per_second\": %.3f}\n", texts.size(),
              seconds.count(), static_cast<double>(texts.size()) / seconds.count());
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    std::cerr << "usage: bench_encoder MODEL_FOLDER DOCUMENTS.jsonl [THREADS]\n";
    return 2;
  }
  const std::size_t threads = argc == 4 ? std::strtoul(argv[3], nullptr, 10) : 0;
  return millrace::run(argv[1], argv[2], threads);
}
