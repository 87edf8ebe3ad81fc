#pragma once

#include <filesystem>
#include <memory>
#include <openvino/openvino.hpp>
#include <set>
#include <string>

#include "common/error.h"
#include "common/mapped_file.h"

namespace millrace {

inline constexpr const char* kIdsInput = "input_ids";
inline constexpr const char* kMaskInput = "attention_mask";
inline constexpr const char* kTypesInput = "token_type_ids";

// Of one inference: the texts of a question have too few tokens for more.
inline constexpr std::size_t kSingleThreadsMax = 4;

// An ONNX encoder compiled for this machine, as a file that is mapped, not read: several compiled
// models can be imported out of it, and its pages go back to the system when they have been used.
// Needed while any of them lives. Internal to the OpenVINO wrapper.
class CompiledBlob {
 public:
  // Out of `cache` when it is there for this model, runtime and CPU; else compiled and left there.
  // An empty `cache`: a temporary file that is gone at once. OpenVINO's exceptions pass through.
  static Result<CompiledBlob> open(const std::filesystem::path& folder,
                                   const std::filesystem::path& cache);

  // With `streams` inferences at once, which share `threads` threads of its own.
  ov::CompiledModel import(std::size_t streams, std::size_t threads) const;
  // The one with a single stream that open() imported to see that the file is good: all its threads
  // work on the one inference, for a question that somebody waits for.
  const ov::CompiledModel& single() const { return single_; }
  bool has_input(const char* name) const { return inputs_.contains(name); }
  std::string_view precision() const { return bf16_ ? "bf16" : "f32"; }
  void release_pages() const { file_->release_pages(); }

 private:
  CompiledBlob() = default;
  Status compile(const std::filesystem::path& onnx, const std::filesystem::path& to);
  Status map(const std::filesystem::path& path);
  ov::AnyMap properties(std::size_t streams, std::size_t threads) const;

  std::unique_ptr<ov::Core> core_;
  std::unique_ptr<MappedFile> file_;
  ov::CompiledModel single_;
  std::set<std::string, std::less<>> inputs_;
  bool bf16_ = false;
};

}  // namespace millrace
