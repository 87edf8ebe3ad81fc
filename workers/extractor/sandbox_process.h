#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "common/clock.h"
#include "common/error.h"
#include "workers/extractor/sandbox_wire.h"

namespace millrace {

// How a conversation with the child went wrong.
enum class Broken { timed_out, gone, nonsense };

// A running child and our end of its socket. Kills and reaps it at the end. Owned by one thread.
class SandboxProcess {
 public:
  // Starts `program`. `unavailable` when that is not possible.
  static Result<SandboxProcess> start(const std::filesystem::path& program);
  SandboxProcess(SandboxProcess&& other) noexcept;
  SandboxProcess& operator=(SandboxProcess&& other) noexcept;
  ~SandboxProcess();

  // False when the deadline passed or the child is gone; `broken` says which.
  bool send(std::string_view bytes, Clock::Steady deadline, Broken& broken);
  // Reads one frame of at most `length_max` bytes.
  bool receive(sandbox_wire::FrameType& type, std::string& body, std::size_t length_max,
               Clock::Steady deadline, Broken& broken);

  // Ends the child if it has not ended by itself, and says how it went: "signal 11 (Segmentation
  // fault)". To be called once.
  struct Death {
    int signal = 0;
    int exit_code = 0;
  };
  Death reap();

 private:
  SandboxProcess(pid_t pid, int socket) : pid_{pid}, socket_{socket} {}
  bool wait_for(short events, Clock::Steady deadline, Broken& broken) const;
  bool read_all(char* to, std::size_t bytes, Clock::Steady deadline, Broken& broken);

  pid_t pid_ = -1;
  int socket_ = -1;
};

}  // namespace millrace
