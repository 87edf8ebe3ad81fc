#include "workers/model/openvino_model.h"

#include <malloc.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <openvino/openvino.hpp>
#include <thread>

#include "common/clock.h"
#include "common/logging.h"
#include "workers/model/batch_plan.h"
#include "workers/model/compiled_blob.h"
#include "workers/model/pooling.h"

namespace millrace {
namespace {

// One inference of batch_tokens takes a second or two on a busy core; a minute means it hangs.
constexpr std::chrono::milliseconds kInferenceMax{60'000};
// Bulk threads give way to everything else in the process, a question's own inference first: it is
// as fast beside two bulk batches as alone, where with equal weights it takes twice as long.
constexpr int kBulkNiceness = 10;

// One inference request with the memory of its inputs.
struct Encoder {
  ov::InferRequest request;
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> mask;
  std::vector<std::int64_t> types;
};

// The idle encoders of a lane.
class EncoderPool {
 public:
  void add(std::unique_ptr<Encoder> encoder) {
    idle_.push_back(encoder.get());
    all_.push_back(std::move(encoder));
  }
  std::size_t size() const { return all_.size(); }
  Encoder* try_acquire() {
    const std::lock_guard lock{mutex_};
    return take();
  }
  // Waits for others to finish: only for callers that hold no encoder. Null after `wait`.
  Encoder* acquire(std::chrono::milliseconds wait) {
    std::unique_lock lock{mutex_};
    returned_.wait_for(lock, wait, [&] { return !idle_.empty(); });
    return take();
  }
  void release(Encoder* encoder) {
    {
      const std::lock_guard lock{mutex_};
      idle_.push_back(encoder);
    }
    returned_.notify_one();
  }

 private:
  Encoder* take() {
    if (idle_.empty()) return nullptr;
    Encoder* encoder = idle_.back();
    idle_.pop_back();
    return encoder;
  }

  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Encoder>> all_;
  std::vector<Encoder*> idle_;
};

// A compiled model with its encoders and figures.
struct LaneState {
  ov::CompiledModel compiled;
  EncoderPool pool;
  Histogram seconds;
  Counter tokens;
  Counter padding;
};

std::string_view name_of(EmbeddingModel::Lane lane) {
  return lane == EmbeddingModel::Lane::bulk ? "bulk" : "query";
}

class OpenVinoModel final : public EmbeddingModel {
 public:
  OpenVinoModel(const OpenVinoOptions& options, std::unique_ptr<Tokenizer> tokenizer,
                CompiledBlob blob, MetricsRegistry& metrics)
      : options_{options},
        name_{std::filesystem::weakly_canonical(options.folder).filename().string()},
        tokenizer_{std::move(tokenizer)},
        blob_{std::move(blob)} {
    for (const Lane lane : {Lane::bulk, Lane::query}) {
      const MetricLabels labels{{"lane", std::string{name_of(lane)}}};
      LaneState& state = lane_state(lane);
      state.seconds = metrics.histogram("rag_embedding_generation_duration",
                                        "Seconds of embedding one call's texts", labels);
      state.tokens = metrics.counter("embedding_tokens_total", "Tokens embedded", labels);
      state.padding = metrics.counter("embedding_padding_tokens_total",
                                      "Tokens computed only to fill batches", labels);
    }
  }

  Status start();

  std::string name() const override { return name_; }
  std::int32_t dimensions() const override { return static_cast<std::int32_t>(dimensions_); }
  std::size_t max_tokens() const override { return options_.max_tokens; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  Result<std::vector<float>> embed(std::span<const std::string> texts, Lane lane) override;

 private:
  using TokenIds = std::vector<std::vector<std::int32_t>>;
  struct Flight {
    Encoder* encoder;
    const PlannedBatch* batch;
  };

  LaneState& lane_state(Lane lane) { return lane == Lane::bulk ? bulk_ : query_; }
  void fill(const TokenIds& ids, const PlannedBatch& batch, Encoder& encoder) const;
  Status land(const Flight& flight, const TokenIds& ids, std::vector<float>& out) const;
  Status run(LaneState& lane, const TokenIds& ids, const std::vector<PlannedBatch>& batches,
             std::vector<float>& out);
  Status warm_up();

  const OpenVinoOptions options_;
  const std::string name_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  const CompiledBlob blob_;  // both lanes read their weights from it
  std::size_t dimensions_ = 0;
  LaneState bulk_;
  LaneState query_;
};

// Both lanes out of one blob. Two compiled models, since one with a stream more than there are
// cores gets no such stream: a question then waited 1.2 s behind bulk batches (README).
Status OpenVinoModel::start() {
  std::exception_ptr failed;
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t wanted = options_.encoders == 0 ? cores : options_.encoders;
  // The runtime's threads inherit the niceness of the one that makes them.
  std::thread loader{[&] {
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), kBulkNiceness);
    try {
      bulk_.compiled = blob_.import(wanted, wanted);
    } catch (...) {
      failed = std::current_exception();
    }
  }};
  loader.join();
  if (failed) std::rethrow_exception(failed);
  query_.compiled = blob_.single();

  const ov::PartialShape output = query_.compiled.output(0).get_partial_shape();
  dimensions_ = static_cast<std::size_t>(output[2].get_length());
  const auto streams = static_cast<std::size_t>(bulk_.compiled.get_property(ov::num_streams).num);
  for (std::size_t i = 0; i < std::clamp<std::size_t>(streams, 1, wanted); ++i) {
    bulk_.pool.add(
        std::make_unique<Encoder>(Encoder{bulk_.compiled.create_infer_request(), {}, {}, {}}));
  }
  query_.pool.add(
      std::make_unique<Encoder>(Encoder{query_.compiled.create_infer_request(), {}, {}, {}}));
  if (auto status = warm_up(); !status) return status;
  blob_.release_pages();
  ::malloc_trim(0);  // compiling leaves a hundred megabytes of freed memory behind
  log_event(LogLevel::info, "embedding_model_loaded",
            {{"model", name_},
             {"dimensions", dimensions_},
             {"max_tokens", options_.max_tokens},
             {"precision", blob_.precision()},
             {"encoders", bulk_.pool.size()}});
  return {};
}

// The longest text shows that the model takes max_tokens; the short ones are a question's shapes.
Status OpenVinoModel::warm_up() {
  for (const std::size_t tokens : {options_.max_tokens, std::size_t{8}, std::size_t{12},
                                   std::size_t{16}, std::size_t{20}, std::size_t{24}}) {
    const TokenIds ids{std::vector<std::int32_t>(std::min(tokens, options_.max_tokens), 1)};
    const std::size_t count = ids[0].size();
    std::vector<float> out(dimensions_);
    const auto batches = plan_batches({&count, 1}, {options_.batch_tokens, options_.max_tokens, 1});
    if (auto status = run(query_, ids, batches, out); !status) {
      return with_context("a text of " + std::to_string(count) + " tokens", status.error());
    }
  }
  return {};
}

void OpenVinoModel::fill(const TokenIds& ids, const PlannedBatch& batch, Encoder& encoder) const {
  const ov::Shape shape{batch.texts.size(), batch.length};
  const std::size_t size = ov::shape_size(shape);
  encoder.ids.assign(size, 0);
  encoder.mask.assign(size, 0);
  encoder.types.assign(size, 0);
  for (std::size_t row = 0; row < batch.texts.size(); ++row) {
    const std::vector<std::int32_t>& source = ids[batch.texts[row]];
    const auto at = static_cast<std::ptrdiff_t>(row * batch.length);
    std::copy(source.begin(), source.end(), encoder.ids.begin() + at);
    std::fill_n(encoder.mask.begin() + at, source.size(), 1);
  }
  for (const auto& [name, values] :
       {std::pair{kIdsInput, &encoder.ids}, std::pair{kMaskInput, &encoder.mask},
        std::pair{kTypesInput, &encoder.types}}) {
    if (!blob_.has_input(name)) continue;
    encoder.request.set_tensor(name, ov::Tensor{ov::element::i64, shape, values->data()});
  }
}

// Waits for the inference and puts its rows where they belong.
Status OpenVinoModel::land(const Flight& flight, const TokenIds& ids,
                           std::vector<float>& out) const {
  Encoder& encoder = *flight.encoder;
  if (!encoder.request.wait_for(kInferenceMax)) {
    encoder.request.cancel();
    encoder.request.wait();
    return retryable("inference took longer than a minute");
  }
  const PlannedBatch& batch = *flight.batch;
  const ov::Tensor hidden = encoder.request.get_output_tensor(0);
  if (hidden.get_shape() != ov::Shape{batch.texts.size(), batch.length, dimensions_}) {
    return retryable("the model's output has another shape than its input asks for");
  }
  const float* values = hidden.data<float>();
  const std::size_t row_values = batch.length * dimensions_;
  for (std::size_t row = 0; row < batch.texts.size(); ++row) {
    const std::size_t text = batch.texts[row];
    if (!mean_pool({values + row * row_values, row_values}, ids[text].size(),
                   {out.data() + text * dimensions_, dimensions_})) {
      return retryable("the model's output is not finite");
    }
  }
  return {};
}

// Keeps as many batches in flight as there are idle encoders. Whoever waits for another caller's
// encoder holds none, so nobody waits in a circle.
Status OpenVinoModel::run(LaneState& lane, const TokenIds& ids,
                          const std::vector<PlannedBatch>& batches, std::vector<float>& out) {
  std::deque<Flight> flights;
  Status status;
  const auto land_first = [&] {
    const Flight flight = flights.front();
    flights.pop_front();
    try {
      if (Status landed = land(flight, ids, out); !landed && status) status = landed;
    } catch (const std::exception& error) {
      if (status) status = retryable(error.what());
    }
    lane.pool.release(flight.encoder);
  };
  for (const PlannedBatch& batch : batches) {
    if (!status) break;
    Encoder* encoder = nullptr;
    while ((encoder = lane.pool.try_acquire()) == nullptr && !flights.empty()) land_first();
    if (encoder == nullptr) encoder = lane.pool.acquire(kInferenceMax);
    if (encoder == nullptr) {
      status = retryable("no encoder became idle within a minute");
      break;
    }
    try {
      fill(ids, batch, *encoder);
      encoder->request.start_async();
      flights.push_back({encoder, &batch});
    } catch (const std::exception& error) {
      lane.pool.release(encoder);
      status = retryable(error.what());
    }
  }
  while (!flights.empty()) land_first();
  return status;
}

Result<std::vector<float>> OpenVinoModel::embed(std::span<const std::string> texts, Lane lane) {
  const Clock::Steady began = system_clock().now();
  LaneState& state = lane_state(lane);
  TokenIds ids;
  std::vector<std::size_t> counts;
  ids.reserve(texts.size());
  counts.reserve(texts.size());
  for (const std::string& text : texts) {
    ids.push_back(tokenizer_->encode(text, options_.max_tokens));
    counts.push_back(ids.back().size());
  }
  const auto batches =
      plan_batches(counts, {options_.batch_tokens, options_.max_tokens, state.pool.size()});
  std::vector<float> out(texts.size() * dimensions_);
  if (auto status = run(state, ids, batches, out); !status) {
    return with_context("embed " + std::to_string(texts.size()) + " texts with " + name_,
                        status.error());
  }
  // A shape's first run on a thread repacks weights and leaves 50 MB of originals resident.
  if (lane == Lane::bulk) blob_.release_pages();
  std::size_t tokens = 0;
  for (const std::size_t count : counts) tokens += count;
  std::size_t padded = 0;
  for (const PlannedBatch& batch : batches) padded += batch.length * batch.texts.size();
  state.tokens.add(static_cast<double>(tokens));
  state.padding.add(static_cast<double>(padded - tokens));
  state.seconds.observe(std::chrono::duration<double>(system_clock().now() - began).count());
  return out;
}

}  // namespace

Result<std::unique_ptr<EmbeddingModel>> load_openvino_model(const OpenVinoOptions& options,
                                                            MetricsRegistry& metrics) {
  const std::string what = "embedding model " + options.folder.string();
  auto tokenizer = load_tokenizer(options.folder / "tokenizer.json");
  if (!tokenizer) return with_context(what, fatal(tokenizer.error().message));
  if (options.max_tokens <= (*tokenizer)->special_tokens()) {
    return fatal(what + ": max_tokens leaves no room for a text");
  }
  try {
    auto blob = CompiledBlob::open(options.folder, options.cache);
    if (!blob) return with_context(what, blob.error());
    auto model =
        std::make_unique<OpenVinoModel>(options, std::move(*tokenizer), std::move(*blob), metrics);
    if (auto status = model->start(); !status) {
      return with_context(what, fatal(status.error().message));
    }
    return std::unique_ptr<EmbeddingModel>{std::move(model)};
  } catch (const std::exception& error) {
    return fatal(what + ": " + error.what());
  }
}

}  // namespace millrace
