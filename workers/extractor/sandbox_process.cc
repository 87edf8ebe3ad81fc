#include "workers/extractor/sandbox_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "common/config.h"
#include "workers/extractor/sandbox.h"
#include "workers/extractor/sandbox_confine.h"

namespace millrace {
namespace {

// A child that closed its socket is about to end; one that does not is killed.
constexpr int kEndTimeMaxMs = 1'000;

Error cannot_start(const std::string& program, int code) {
  return unavailable("cannot start the extraction process " + program + ": " + std::strerror(code));
}

// What the child sees of the world: its socket, nothing else open, default signals, a process group
// of its own, so that Ctrl-C reaches the parent only, which stops in good order.
class SpawnSettings {
 public:
  explicit SpawnSettings(int socket) {
    posix_spawn_file_actions_init(&files_);
    posix_spawn_file_actions_addopen(&files_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    // Parsers print what hostile files make them print; sanitizers have something to say.
    if (kMemoryCanBeLimited) {
      posix_spawn_file_actions_addopen(&files_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    }
    posix_spawn_file_actions_adddup2(&files_, socket, sandbox_wire::kChildFd);
    posix_spawn_file_actions_addclosefrom_np(&files_, sandbox_wire::kChildFd + 1);
    posix_spawnattr_init(&attributes_);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&files_);
    posix_spawnattr_destroy(&attributes_);
  }
  const posix_spawn_file_actions_t* files() const { return &files_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t files_{};
  posix_spawnattr_t attributes_{};
};

}  // namespace

Result<SandboxProcess> SandboxProcess::start(const std::filesystem::path& program) {
  const std::string path = program.empty() ? "/proc/self/exe" : program.string();
  std::array<int, 2> sockets{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) != 0) {
    return cannot_start(path, errno);
  }
  const SpawnSettings settings{sockets[1]};
  std::string flag{kSandboxFlag};
  std::string name = "millrace-extraction";
  std::array<char*, 3> arguments{name.data(), flag.data(), nullptr};
  // No environment: it holds keys. Only the loader's path goes along, which the program may need.
  std::string library_path = "LD_LIBRARY_PATH=";
  library_path += process_environment()["LD_LIBRARY_PATH"];
  std::array<char*, 2> environment{library_path.data(), nullptr};
  pid_t pid = -1;
  const int code = posix_spawn(&pid, path.c_str(), settings.files(), settings.attributes(),
                               arguments.data(), environment.data());
  close(sockets[1]);
  if (code != 0) {
    close(sockets[0]);
    return cannot_start(path, code);
  }
  return SandboxProcess{pid, sockets[0]};
}

SandboxProcess::SandboxProcess(SandboxProcess&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)}, socket_{std::exchange(other.socket_, -1)} {}

SandboxProcess& SandboxProcess::operator=(SandboxProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(socket_, other.socket_);
  return *this;
}

SandboxProcess::~SandboxProcess() {
  if (socket_ >= 0) close(socket_);
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool SandboxProcess::wait_for(short events, Clock::Steady deadline, Broken& broken) const {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - system_clock().now());
    if (left.count() <= 0) {
      broken = Broken::timed_out;
      return false;
    }
    pollfd waiting{socket_, events, 0};
    const int ready =
        poll(&waiting, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (ready > 0) return true;  // also on hang-up: the next call says so
    if (ready < 0 && errno != EINTR) {
      broken = Broken::gone;
      return false;
    }
  }
}

bool SandboxProcess::send(std::string_view bytes, Clock::Steady deadline, Broken& broken) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(POLLOUT, deadline, broken)) return false;
    } else if (errno != EINTR) {
      broken = Broken::gone;
      return false;
    }
  }
  return true;
}

bool SandboxProcess::read_all(char* to, std::size_t bytes, Clock::Steady deadline, Broken& broken) {
  while (bytes > 0) {
    const ssize_t got = recv(socket_, to, bytes, MSG_DONTWAIT);
    if (got > 0) {
      to += got;
      bytes -= static_cast<std::size_t>(got);
    } else if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (!wait_for(POLLIN, deadline, broken)) return false;
    } else if (got == 0 || errno != EINTR) {
      broken = Broken::gone;
      return false;
    }
  }
  return true;
}

bool SandboxProcess::receive(sandbox_wire::FrameType& type, std::string& body,
                             std::size_t length_max, Clock::Steady deadline, Broken& broken) {
  std::array<char, sandbox_wire::kFrameHeadBytes> head_bytes{};
  if (!read_all(head_bytes.data(), head_bytes.size(), deadline, broken)) return false;
  const sandbox_wire::FrameHead head =
      sandbox_wire::decode_head({head_bytes.data(), head_bytes.size()});
  if (head.length > length_max) {
    broken = Broken::nonsense;
    return false;
  }
  type = head.type;
  body.assign(head.length, '\0');
  return read_all(body.data(), body.size(), deadline, broken);
}

SandboxProcess::Death SandboxProcess::reap() {
  const pid_t pid = std::exchange(pid_, -1);
  Death death;
  const auto watch = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (watch >= 0) {
    pollfd waiting{watch, POLLIN, 0};
    while (poll(&waiting, 1, kEndTimeMaxMs) < 0 && errno == EINTR) {
    }
    close(watch);
  }
  kill(pid, SIGKILL);  // nothing happens to one that has ended
  int status = 0;
  pid_t reaped = 0;
  while ((reaped = waitpid(pid, &status, 0)) < 0 && errno == EINTR) {
  }
  if (reaped != pid) return death;  // the host reaps its children itself
  if (WIFSIGNALED(status)) death.signal = WTERMSIG(status);
  if (WIFEXITED(status)) death.exit_code = WEXITSTATUS(status);
  return death;
}

}  // namespace millrace
