#pragma once

#include <filesystem>
#include <memory>

#include "common/error.h"
#include "common/metrics.h"
#include "workers/model/embedding_model.h"

namespace millrace {

struct OpenVinoOptions {
  std::filesystem::path folder;     // model.onnx (or onnx/model.onnx) and tokenizer.json
  std::filesystem::path cache;      // compiled model; empty: none
  std::size_t encoders = 0;         // bulk batches at a time, one thread each; 0: one per core
  std::size_t batch_tokens = 2048;  // padded tokens of one inference
  std::size_t max_tokens = 256;     // of one text
};

// A sentence-transformers model in process: ONNX through OpenVINO, mean pooling over the mask, L2
// norm. bf16 where the CPU has AMX, else f32. embed() may be called from several threads.
Result<std::unique_ptr<EmbeddingModel>> load_openvino_model(const OpenVinoOptions& options,
                                                            MetricsRegistry& metrics);

}  // namespace millrace
