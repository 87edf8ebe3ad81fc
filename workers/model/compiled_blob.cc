#include "workers/model/compiled_blob.h"

#include <fcntl.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "common/cpu.h"
#include "common/ids.h"
#include "common/logging.h"

namespace millrace {
namespace {

constexpr const char* kDevice = "CPU";
constexpr std::string_view kBlobPrefix = "embedding-model-";
constexpr std::string_view kBlobSuffix = ".blob";
constexpr std::string_view kTemporarySuffix = ".tmp";

Result<std::filesystem::path> find_onnx(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const char* name : {"model.onnx", "onnx/model.onnx"}) {
    if (std::filesystem::is_regular_file(folder / name, ignored)) return folder / name;
  }
  return fatal("neither model.onnx nor onnx/model.onnx is in " + folder.string());
}

std::string names_of(const std::vector<ov::Output<ov::Node>>& ports) {
  std::string out;
  for (const auto& port : ports) {
    if (!out.empty()) out += ", ";
    out += port.get_any_name() + " " + port.get_partial_shape().to_string();
  }
  return out;
}

bool is_token_embeddings(const ov::Output<ov::Node>& port) {
  const ov::PartialShape& shape = port.get_partial_shape();
  return shape.rank().is_static() && shape.rank().get_length() == 3 && shape[2].is_static() &&
         port.get_element_type() == ov::element::f32;
}

// The vectors of the tokens: by the names that exporters give, else the first of the right shape.
Result<ov::Output<ov::Node>> find_output(ov::Model& model) {
  const auto outputs = model.outputs();
  for (const char* name : {"output_0", "last_hidden_state", "token_embeddings"}) {
    for (const auto& output : outputs) {
      if (output.get_names().contains(name) && is_token_embeddings(output)) return output;
    }
  }
  const auto found = std::find_if(outputs.begin(), outputs.end(), is_token_embeddings);
  if (found != outputs.end()) return *found;
  return fatal("the model has no float output [batch, tokens, dimensions]; it has " +
               names_of(outputs));
}

Status check_inputs(const std::vector<ov::Output<ov::Node>>& inputs) {
  bool ids = false;
  bool mask = false;
  for (const auto& input : inputs) {
    const auto& names = input.get_names();
    const bool known =
        names.contains(kIdsInput) || names.contains(kMaskInput) || names.contains(kTypesInput);
    if (!known || input.get_element_type() != ov::element::i64) {
      return fatal("the model's input " + input.get_any_name() + " (" +
                   input.get_element_type().to_string() +
                   ") is not one of input_ids, attention_mask, token_type_ids in i64");
    }
    ids = ids || names.contains(kIdsInput);
    mask = mask || names.contains(kMaskInput);
  }
  if (!ids || !mask) {
    return fatal("the model needs the inputs input_ids and attention_mask; it has " +
                 names_of(inputs));
  }
  return {};
}

struct BlobName {
  std::string prefix;  // of all blobs of this model
  std::string file;
};

// What the blob depends on. The model by size and time: hashing 90 MB costs as much as importing.
Result<BlobName> blob_name(const std::filesystem::path& onnx, ov::Core& core, bool bf16) {
  std::error_code error;
  const auto path = std::filesystem::weakly_canonical(onnx, error);
  const auto size = error ? 0 : std::filesystem::file_size(path, error);
  if (error) return fatal(onnx.string() + ": " + error.message());
  const auto changed = std::filesystem::last_write_time(path, error);
  if (error) return fatal(onnx.string() + ": " + error.message());
  std::string key = path.string() + '\n' + std::to_string(size) + '\n' +
                    std::to_string(changed.time_since_epoch().count()) + '\n' +
                    ov::get_openvino_version().buildNumber + '\n' +
                    core.get_property(kDevice, ov::device::full_name) + '\n' +
                    (bf16 ? "bf16" : "f32");
  for (const std::string& capability : core.get_property(kDevice, ov::device::capabilities)) {
    key += '\n' + capability;
  }
  BlobName name;
  name.prefix = std::string{kBlobPrefix} + sha256_hex(path.string()).substr(0, 16) + "-";
  name.file = name.prefix + sha256_hex(key).substr(0, 16) + std::string{kBlobSuffix};
  return name;
}

// A crash leaves the old file or the whole new one.
Status sync_file(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const bool synced = file >= 0 && ::fsync(file) == 0;
  if (file >= 0) ::close(file);
  if (!synced) return fatal(path.string() + ": cannot be written to disk");
  return {};
}

// What other runtimes, CPUs or versions of the same model left, and what a crash left half written.
void remove_old_blobs(const std::filesystem::path& cache, const BlobName& name) {
  constexpr std::chrono::hours kWrittenLongAgo{1};
  std::error_code ignored;
  const auto now = std::filesystem::file_time_type::clock::now();
  for (const auto& entry : std::filesystem::directory_iterator{cache, ignored}) {
    const std::string file = entry.path().filename().string();
    const bool blob = file.starts_with(name.prefix) && file.ends_with(kBlobSuffix);
    const bool stale = file.starts_with(kBlobPrefix) && file.ends_with(kTemporarySuffix) &&
                       now - entry.last_write_time(ignored) > kWrittenLongAgo;
    if ((blob && file != name.file) || stale) std::filesystem::remove(entry.path(), ignored);
  }
}

// A name that no other process uses.
std::filesystem::path unique_path(const std::filesystem::path& folder) {
  return folder /
         (std::string{kBlobPrefix} + new_ulid(system_clock()) + std::string{kTemporarySuffix});
}

}  // namespace

Result<CompiledBlob> CompiledBlob::open(const std::filesystem::path& folder,
                                        const std::filesystem::path& cache) {
  const auto onnx = find_onnx(folder);
  if (!onnx) return onnx.error();
  CompiledBlob blob;
  blob.core_ = std::make_unique<ov::Core>();
  blob.bf16_ = cpu_has_amx_bf16();  // without, bf16 is slower than f32 on every CPU tried
  std::error_code error;
  if (cache.empty()) {
    const auto path = unique_path(std::filesystem::temp_directory_path());
    Status status = blob.compile(*onnx, path);
    if (status) status = blob.map(path);
    std::filesystem::remove(path, error);
    if (!status) return status.error();
    return blob;
  }
  const auto name = blob_name(*onnx, *blob.core_, blob.bf16_);
  if (!name) return name.error();
  std::filesystem::create_directories(cache, error);
  const auto path = cache / name->file;
  if (std::filesystem::exists(path, error)) {
    try {
      if (blob.map(path)) return blob;
    } catch (const ov::Exception& failure) {
      log_event(LogLevel::warning, "compiled_model_unusable",
                {{"file", path.string()}, {"error", failure.what()}});
    }
  }
  const auto temporary = unique_path(cache);
  Status status = blob.compile(*onnx, temporary);
  if (status) status = sync_file(temporary);
  if (status) std::filesystem::rename(temporary, path, error);
  if (!status || error) {
    const std::string why = error ? temporary.string() + ": " + error.message() : std::string{};
    std::filesystem::remove(temporary, error);
    return status ? fatal(why) : status.error();
  }
  remove_old_blobs(cache, *name);
  if (status = blob.map(path); !status) return status.error();
  return blob;
}

ov::AnyMap CompiledBlob::properties(std::size_t streams, std::size_t threads) const {
  return {ov::num_streams(static_cast<std::int32_t>(streams)),
          ov::inference_num_threads(static_cast<std::int32_t>(threads)),
          ov::hint::inference_precision(bf16_ ? ov::element::bf16 : ov::element::f32),
          ov::hint::enable_cpu_pinning(false)};  // the cores are not ours alone
}

Status CompiledBlob::compile(const std::filesystem::path& onnx, const std::filesystem::path& to) {
  auto model = core_->read_model(onnx.string());
  if (auto status = check_inputs(model->inputs()); !status) return status;
  const auto output = find_output(*model);
  if (!output) return output.error();
  // Other outputs (the pooler's) would be computed for nothing.
  model = std::make_shared<ov::Model>(ov::OutputVector{*output}, model->get_parameters());
  ov::CompiledModel compiled = core_->compile_model(model, kDevice, properties(1, 1));
  std::ofstream out{to, std::ios::binary};
  compiled.export_model(out);
  out.close();
  if (!out) return fatal(to.string() + ": cannot be written");
  return {};
}

Status CompiledBlob::map(const std::filesystem::path& path) {
  auto file = MappedFile::open(path);
  if (!file) return file.error();
  file_ = std::make_unique<MappedFile>(std::move(*file));
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  single_ = import(1, std::min(cores, kSingleThreadsMax));
  inputs_.clear();
  for (const auto& input : single_.inputs()) {
    for (const std::string& name : input.get_names()) inputs_.insert(name);
  }
  return {};
}

ov::CompiledModel CompiledBlob::import(std::size_t streams, std::size_t threads) const {
  // The runtime only reads it, though its tensors know no const.
  const ov::Tensor bytes{ov::element::u8, {file_->size()}, const_cast<void*>(file_->bytes())};
  return core_->import_model(bytes, kDevice, properties(streams, threads));
}

}  // namespace millrace
