#pragma once

#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <string>

#include "workers/answerer/language_model.h"
#include "workers/model/embedding_model.h"

namespace millrace {

struct ExtractiveOptions {
  // Similarity of the question to the best evidence below which there is no answer; see README.
  double refusal_threshold = 0.4;
  std::size_t threads = 1;           // of embedding sentences
  std::size_t sentences_max = 4;     // of an answer
  std::size_t embedded_max = 4;      // candidates that the embedding model looks at
  std::size_t embedded_bytes = 240;  // of each of them: its beginning
};

// Answers without a language model: the sentences of the passages that are nearest to the question,
// word for word, each followed by its citation. Refuses when the evidence is weak.
class ExtractiveModel : public LanguageModel {
 public:
  // `model` outlives it.
  ExtractiveModel(EmbeddingModel& model, ExtractiveOptions options);
  ~ExtractiveModel() override;
  boost::asio::awaitable<Result<AnswerDraft>> answer(AnswerTask task,
                                                     DeltaHandler on_delta) override;
  std::string name() const override { return "extractive"; }
  std::string recipe() const override;

  // The same, blocking, without deltas.
  Result<AnswerDraft> extract(const AnswerTask& task) const;

 private:
  EmbeddingModel& model_;
  const ExtractiveOptions options_;
  boost::asio::thread_pool threads_;
};

}  // namespace millrace
