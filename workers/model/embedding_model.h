#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/error.h"
#include "workers/model/tokenizer.h"

namespace millrace {

// Texts to vectors of length 1. Thread-safe.
class EmbeddingModel {
 public:
  // A question must never wait behind a bulk batch: it has a lane (an encoder) of its own.
  enum class Lane { bulk, query };

  virtual ~EmbeddingModel() = default;
  virtual std::string name() const = 0;
  virtual std::int32_t dimensions() const = 0;
  virtual std::size_t max_tokens() const = 0;  // of one text, special tokens included
  virtual const Tokenizer& tokenizer() const = 0;

  // texts.size() * dimensions() floats, row by row. Longer texts are cut. `unavailable` when the
  // model cannot be reached, `retryable` when inference failed.
  virtual Result<std::vector<float>> embed(std::span<const std::string> texts, Lane lane) = 0;
};

}  // namespace millrace
