#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/error.h"
#include "workers/extractor/formats.h"

namespace millrace {

struct SandboxOptions {
  // What to start as the child; it must call run_sandbox_child() when given kSandboxFlag. Empty:
  // the running program itself (/proc/self/exe).
  std::filesystem::path program;
  std::chrono::milliseconds wall_time_max{30'000};  // of one file
  std::chrono::seconds cpu_time_max{30};            // of one file
  std::size_t memory_bytes_max = 1U << 30U;         // address space of the child
  FormatLimits limits;
};

inline constexpr std::string_view kSandboxFlag = "--extraction-child";

// Parses files in a child process: limited CPU, memory, output and time, no network, no new
// processes, no file to write (rlimits and seccomp). The child lives on from file to file and is
// started again after a crash. One file at a time: owned by one thread.
class Sandbox {
 public:
  virtual ~Sandbox() = default;
  // `rejected` with what is wrong with the file: the parser's message, "took longer than …",
  // "needed more than …", "crashed the parser". `unavailable` when no child can be started.
  virtual Result<ExtractedText> extract(std::string_view bytes, const DocumentRef& document) = 0;
};
std::unique_ptr<Sandbox> make_sandbox(SandboxOptions options);

// The child's side: main() calls it first thing when argv[1] is kSandboxFlag; returns the exit
// code.
int run_sandbox_child();

}  // namespace millrace
