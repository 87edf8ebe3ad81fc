// The embedding model alone, as `make bench` compares with: cuts documents as the pipeline does,
// then embeds their chunks in bulk. Prints one JSON object.
//   bench_encoder MODEL_FOLDER DOCUMENTS.jsonl [THREADS [OUT]]   (objects with id, title, text; 0,
//                                                   one thread per core, when not said)
// Into the folder OUT go the chunks, for bench_index: texts.jsonl and vectors.f32, in one order.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <optional>
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

// What is embedded, and the vectors, as the machine has them.
class ChunkFiles {
 public:
  explicit ChunkFiles(const std::string& folder)
      : texts_{folder + "/texts.jsonl"}, vectors_{folder + "/vectors.f32", std::ios::binary} {}
  void add(std::span<const std::string> texts, const std::vector<float>& vectors) {
    for (const std::string& text : texts) {
      json::Writer line;
      line.begin_object()
          .field("dimensions", static_cast<std::int64_t>(vectors.size() / texts.size()))
          .field("text", text)
          .end_object();
      texts_ << line.take() << '\n';
    }
    vectors_.write(reinterpret_cast<const char*>(vectors.data()),
                   static_cast<std::streamsize>(vectors.size() * sizeof(float)));
    if (!texts_ || !vectors_) fail(unavailable("the chunks cannot be written"));
  }

 private:
  std::ofstream texts_;
  std::ofstream vectors_;
};

int run(const char* model_folder, const char* documents, std::size_t threads, const char* out) {
  MetricsRegistry metrics;
  OpenVinoOptions options;
  options.folder = model_folder;
  options.encoders = threads;
  const Result<std::unique_ptr<EmbeddingModel>> model = load_openvino_model(options, metrics);
  if (!model) fail(model.error());
  const std::vector<std::string> texts = texts_to_embed(documents, **model);
  const auto embed = [&](std::size_t first, std::size_t count) {
    Result<std::vector<float>> vectors =
        (*model)->embed(std::span{texts}.subspan(first, count), EmbeddingModel::Lane::bulk);
    if (!vectors) fail(vectors.error());
    return *std::move(vectors);
  };
  embed(0, std::min(texts.size(), kTextsPerCall));  // warm up: shapes are compiled on first use
  const Clock::Steady began = system_clock().now();
  std::optional<ChunkFiles> files;
  if (out != nullptr) files.emplace(out);
  for (std::size_t first = 0; first < texts.size(); first += kTextsPerCall) {
    const std::size_t count = std::min(kTextsPerCall, texts.size() - first);
    const std::vector<float> vectors = embed(first, count);
    if (files) files->add(std::span{texts}.subspan(first, count), vectors);
  }
  const std::chrono::duration<double> seconds = system_clock().now() - began;
  std::printf("{\"chunks\": %zu, \"seconds\": %.3f, \"chunks_per_second\": %.3f}\n", texts.size(),
              seconds.count(), static_cast<double>(texts.size()) / seconds.count());
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc < 3 || argc > 5) {
    std::cerr << "usage: bench_encoder MODEL_FOLDER DOCUMENTS.jsonl [THREADS [OUT]]\n";
    return 2;
  }
  const std::size_t threads = argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 0;
  return millrace::run(argv[1], argv[2], threads, argc > 4 ? argv[4] : nullptr);
}
