#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "schemas/chunk.h"

namespace millrace {

inline constexpr std::size_t kChunksPerDocument = 8;

// Chunks and questions about them, the same in each run.
struct BenchCorpus {
  std::size_t dimensions = 0;
  std::vector<float> vectors;  // of the chunks, each of length 1
  std::vector<std::string> texts;
  std::vector<float> question_vectors;
  std::vector<std::string> questions;

  std::size_t chunks() const { return texts.size(); }
  std::span<const float> question_vector(std::size_t number) const {
    return std::span{question_vectors}.subspan(number * dimensions, dimensions);
  }
  // One document of kChunksPerDocument chunks from `chunk` on, each with its number as its id.
  EmbeddingEvent document(std::size_t chunk, const std::string& id,
                          const std::string& revision) const;
};

// Topics, documents about them and chunks of these, each vector its parent's and noise: among the
// neighbours of a question are the chunk that it is about, others of the document, and others of
// the topic. Words are Zipf's, a fifth of them the topic's own.
BenchCorpus made_corpus(std::size_t chunks, std::size_t questions);

// What `bench_encoder … FOLDER` left: texts.jsonl and vectors.f32. Each fiftieth chunk is no chunk
// but a question.
BenchCorpus read_corpus(const std::filesystem::path& folder);

}  // namespace millrace
