#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace millrace {

struct CrossEncoderOptions {
  // tokenizer.json of the BERT family and model.onnx, onnx/model.onnx, model.xml or
  // openvino_model.xml (with its .bin).
  std::filesystem::path folder;
  std::size_t threads = 0;          // of one inference; 0: one per core, at most 4
  std::size_t batch_tokens = 2048;  // padded tokens of one inference
  std::size_t max_tokens = 512;     // of question and passage together; longer passages are cut
};

// A sequence-pair classifier in process: how well a passage answers a question. ONNX or OpenVINO IR
// with input_ids, attention_mask and perhaps token_type_ids in i64, and logits [pairs, 1] (their
// sigmoid is the score) or [pairs, 2] (the share of the second in their softmax). One thread at a
// time.
class CrossEncoder {
 public:
  virtual ~CrossEncoder() = default;
  virtual std::string name() const = 0;
  // One score from 0 to 1 for each passage. Looks at `stop` between two inferences, so it goes on
  // for a moment only: `unavailable` then. `retryable` when inference failed.
  virtual Result<std::vector<double>> score(std::string_view question,
                                            std::span<const std::string> passages,
                                            const std::stop_token& stop) = 0;
};

// Loads it and runs a pair of the longest and of a usual length. `fatal`, naming what is wrong with
// the folder.
Result<std::unique_ptr<CrossEncoder>> load_cross_encoder(const CrossEncoderOptions& options);

}  // namespace millrace
