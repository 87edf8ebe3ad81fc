#include "workers/model/cross_encoder.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <openvino/openvino.hpp>
#include <set>
#include <thread>

#include "common/cpu.h"
#include "common/logging.h"
#include "workers/model/batch_plan.h"
#include "workers/model/compiled_blob.h"
#include "workers/model/pair_encoding.h"

namespace millrace {
namespace {

// An inference of batch_tokens takes a second on a busy core; a minute means that it hangs.
constexpr std::chrono::milliseconds kInferenceMax{60'000};

using Values = std::vector<std::int64_t>;
const std::array<std::string, 3> kInputs{kIdsInput, kMaskInput, kTypesInput};

std::string shown(const ov::Output<const ov::Node>& port) {
  return (port.get_names().empty() ? std::string{"(no name)"} : port.get_any_name()) + " " +
         port.get_element_type().to_string() + port.get_partial_shape().to_string();
}

template <class Ports>
std::string shown_all(const Ports& ports) {
  std::string out;
  for (const auto& port : ports) out += (out.empty() ? "" : ", ") + shown(port);
  return out;
}

Result<std::filesystem::path> find_model(const std::filesystem::path& folder) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(folder, ignored)) return fatal("there is no such folder");
  for (const char* name : {"model.onnx", "onnx/model.onnx", "model.xml", "openvino_model.xml"}) {
    if (std::filesystem::is_regular_file(folder / name, ignored)) return folder / name;
  }
  return fatal("it has none of model.onnx, onnx/model.onnx, model.xml, openvino_model.xml");
}

bool is_logits(const ov::Output<const ov::Node>& port) {
  const ov::PartialShape& shape = port.get_partial_shape();
  if (port.get_element_type() != ov::element::f32 || shape.rank().is_dynamic()) return false;
  if (shape.rank().get_length() != 2 || shape[1].is_dynamic()) return false;
  return shape[1].get_length() == 1 || shape[1].get_length() == 2;
}

double sigmoid(double logit) { return 1.0 / (1.0 + std::exp(-logit)); }

// Not finite where a logit is not. The softmax of two logits is the sigmoid of their difference.
double score_of(const float* logits, std::size_t labels) {
  const auto first = static_cast<double>(logits[0]);
  const double second = labels == 1 ? 0 : static_cast<double>(logits[1]);
  if (!std::isfinite(first) || !std::isfinite(second)) return std::nan("");
  return sigmoid(labels == 1 ? first : second - first);
}

class OpenVinoCrossEncoder final : public CrossEncoder {
 public:
  OpenVinoCrossEncoder(const CrossEncoderOptions& options, std::unique_ptr<Tokenizer> tokenizer)
      : options_{options},
        name_{std::filesystem::weakly_canonical(options.folder).filename().string()},
        tokenizer_{std::move(tokenizer)} {}

  // OpenVINO's exceptions pass through.
  Status load(const std::filesystem::path& file);

  std::string name() const override { return name_; }
  Result<std::vector<double>> score(std::string_view question,
                                    std::span<const std::string> passages,
                                    const std::stop_token& stop) override;

 private:
  Status check_inputs();
  Status check_outputs();
  Status warm_up();
  void fill(std::span<const EncodedPair> pairs, const PlannedBatch& batch);
  Status run(std::span<const EncodedPair> pairs, const PlannedBatch& batch,
             std::vector<double>& scores);

  const CrossEncoderOptions options_;
  const std::string name_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  ov::Core core_;
  ov::CompiledModel compiled_;
  ov::InferRequest request_;
  std::size_t output_ = 0;
  std::size_t labels_ = 1;
  std::set<std::string, std::less<>> inputs_;
  std::array<Values, 3> values_;  // the inputs' memory, as in kInputs
};

Status OpenVinoCrossEncoder::load(const std::filesystem::path& file) {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t threads =
      options_.threads == 0 ? std::min(cores, kSingleThreadsMax) : options_.threads;
  const bool bf16 = cpu_has_amx_bf16();
  compiled_ = core_.compile_model(
      file.string(), "CPU",
      ov::AnyMap{ov::num_streams(1), ov::inference_num_threads(static_cast<std::int32_t>(threads)),
                 ov::hint::inference_precision(bf16 ? ov::element::bf16 : ov::element::f32),
                 ov::hint::enable_cpu_pinning(false)});  // the cores are not ours alone
  if (Status checked = check_inputs(); !checked) return checked;
  if (Status checked = check_outputs(); !checked) return checked;
  request_ = compiled_.create_infer_request();
  if (Status warm = warm_up(); !warm) return warm;
  log_event(LogLevel::info, "rerank_model_loaded",
            {{"model", name_},
             {"labels", labels_},
             {"max_tokens", options_.max_tokens},
             {"precision", bf16 ? "bf16" : "f32"}});
  return {};
}

Status OpenVinoCrossEncoder::check_inputs() {
  const auto& inputs = compiled_.inputs();
  for (const auto& input : inputs) {
    const auto& names = input.get_names();
    const auto known = std::ranges::find_if(kInputs, [&](const std::string& name) {
      return names.contains(name) && input.get_element_type() == ov::element::i64;
    });
    if (known == kInputs.end()) {
      return fatal("its input " + shown(input) +
                   " is not one of input_ids, attention_mask, token_type_ids in i64");
    }
    inputs_.insert(*known);
  }
  if (inputs_.contains(kIdsInput) && inputs_.contains(kMaskInput)) return {};
  return fatal("it needs the inputs input_ids and attention_mask; it has " + shown_all(inputs));
}

Status OpenVinoCrossEncoder::check_outputs() {
  const auto& outputs = compiled_.outputs();
  for (output_ = 0; output_ < outputs.size(); ++output_) {
    if (!is_logits(outputs[output_])) continue;
    labels_ = static_cast<std::size_t>(outputs[output_].get_partial_shape()[1].get_length());
    return {};
  }
  return fatal(
      "it has no float output [pairs, 1] or [pairs, 2], as a model that scores pairs of "
      "texts has; it has " +
      shown_all(outputs));
}

// The longest pair shows that the model takes max_tokens; the other one is a usual shape.
Status OpenVinoCrossEncoder::warm_up() {
  const std::size_t longest = options_.max_tokens;
  for (const std::size_t tokens : {longest, std::min<std::size_t>(longest, 256)}) {
    const EncodedPair pair{std::vector<std::int32_t>(tokens, 1), tokens / 2};
    std::vector<double> scores(1);
    if (Status status = run({&pair, 1}, {tokens, {0}}, scores); !status) {
      return with_context("a pair of " + std::to_string(tokens) + " tokens", status.error());
    }
  }
  return {};
}

void OpenVinoCrossEncoder::fill(std::span<const EncodedPair> pairs, const PlannedBatch& batch) {
  const ov::Shape shape{batch.texts.size(), batch.length};
  for (Values& values : values_) values.assign(ov::shape_size(shape), 0);
  auto& [ids, mask, types] = values_;
  for (std::size_t row = 0; row < batch.texts.size(); ++row) {
    const EncodedPair& pair = pairs[batch.texts[row]];
    const auto at = static_cast<std::ptrdiff_t>(row * batch.length);
    std::ranges::copy(pair.ids, ids.begin() + at);
    std::fill_n(mask.begin() + at, pair.ids.size(), 1);
    std::fill_n(types.begin() + at + static_cast<std::ptrdiff_t>(pair.first),
                pair.ids.size() - pair.first, 1);
  }
  for (std::size_t i = 0; i < kInputs.size(); ++i) {
    if (!inputs_.contains(kInputs[i])) continue;
    request_.set_tensor(kInputs[i], ov::Tensor{ov::element::i64, shape, values_[i].data()});
  }
}

Status OpenVinoCrossEncoder::run(std::span<const EncodedPair> pairs, const PlannedBatch& batch,
                                 std::vector<double>& scores) {
  fill(pairs, batch);
  request_.start_async();
  if (!request_.wait_for(kInferenceMax)) {
    request_.cancel();
    request_.wait();
    return retryable("inference took longer than a minute");
  }
  const ov::Tensor logits = request_.get_output_tensor(output_);
  if (logits.get_shape() != ov::Shape{batch.texts.size(), labels_}) {
    return retryable("the model's output has another shape than its input asks for");
  }
  const float* values = logits.data<float>();
  for (std::size_t row = 0; row < batch.texts.size(); ++row) {
    const double score = score_of(values + row * labels_, labels_);
    if (!std::isfinite(score)) return retryable("the model's output is not a number");
    scores[batch.texts[row]] = score;
  }
  return {};
}

Result<std::vector<double>> OpenVinoCrossEncoder::score(std::string_view question,
                                                        std::span<const std::string> passages,
                                                        const std::stop_token& stop) {
  const auto encoder = PairEncoder::make(*tokenizer_, question, options_.max_tokens);
  if (!encoder) return encoder.error();
  std::vector<EncodedPair> pairs;
  std::vector<std::size_t> counts;
  for (const std::string& passage : passages) {
    if (stop.stop_requested()) return unavailable("stopped");
    pairs.push_back(encoder->encode(*tokenizer_, passage));
    counts.push_back(pairs.back().ids.size());
  }
  std::vector<double> scores(passages.size());
  try {
    for (const PlannedBatch& batch :
         plan_batches(counts, {options_.batch_tokens, options_.max_tokens, 1})) {
      if (stop.stop_requested()) return unavailable("stopped");
      if (Status status = run(pairs, batch, scores); !status) return status.error();
    }
  } catch (const std::exception& error) {
    return retryable(error.what());
  }
  return scores;
}

}  // namespace

Result<std::unique_ptr<CrossEncoder>> load_cross_encoder(const CrossEncoderOptions& options) {
  const std::string what = "re-ranking model " + options.folder.string();
  const auto file = find_model(options.folder);
  if (!file) return with_context(what, file.error());
  auto tokenizer = load_tokenizer(options.folder / "tokenizer.json");
  if (!tokenizer) return with_context(what, fatal(tokenizer.error().message));
  const auto pairs = PairEncoder::make(**tokenizer, "", options.max_tokens);
  if (!pairs) return with_context(what, fatal(pairs.error().message));
  try {
    auto model = std::make_unique<OpenVinoCrossEncoder>(options, std::move(*tokenizer));
    if (Status loaded = model->load(*file); !loaded) {
      return with_context(what, fatal(loaded.error().message));
    }
    return std::unique_ptr<CrossEncoder>{std::move(model)};
  } catch (const std::exception& error) {
    return fatal(what + ": " + error.what());
  }
}

}  // namespace millrace
