// A child for the sandbox that does what the file says: to see what the sandbox makes of it.
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "workers/extractor/sandbox.h"
#include "workers/extractor/sandbox_confine.h"
#include "workers/extractor/sandbox_wire.h"

namespace {

using namespace millrace;
using sandbox_wire::FrameType;

void send(FrameType type, std::string_view body = {}) {
  const std::string frame = sandbox_wire::encode_head({type, body.size()}) + std::string{body};
  if (write(sandbox_wire::kChildFd, frame.data(), frame.size()) < 0) _exit(0);
}

std::string receive() {
  const auto read_all = [](std::size_t bytes) {
    std::string out;
    char c = 0;
    while (out.size() < bytes) {
      if (read(sandbox_wire::kChildFd, &c, 1) != 1) _exit(0);
      out += c;
    }
    return out;
  };
  return read_all(sandbox_wire::decode_head(read_all(sandbox_wire::kFrameHeadBytes)).length);
}

std::string refused(std::string_view name, bool failed) {
  return std::string{name} + (failed ? "=refused " : "=ALLOWED ");
}

// What a parser that was taken over would try.
std::string try_to_break_out() {
  const bool confined = static_cast<bool>(confine_process());
  std::string found = confined ? "confined " : "NOT CONFINED ";
  found += refused("socket", socket(AF_INET, SOCK_STREAM, 0) < 0);
  found += refused("unix", socket(AF_UNIX, SOCK_STREAM, 0) < 0);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  found += refused("fork", child < 0);
  char program[] = "/bin/true";
  char* arguments[] = {program, nullptr};
  found += refused("exec", execve(program, arguments, nullptr) < 0);
  found += refused("write", open("/tmp/millrace-sandbox-escape", O_WRONLY | O_CREAT, 0600) < 0);
  found += refused("append", open("/dev/null", O_RDWR) < 0);
  found += refused("unlink", unlink("/tmp/millrace-sandbox-escape") < 0 && errno == EPERM);
  found += refused("kill", kill(getppid(), 0) < 0);
  found += refused("open", open("/nonexistent", O_RDONLY) < 0);
  return found;
}

void serve(const std::string& content) {
  if (content == "die unread") _exit(7);
  send(FrameType::begun);
  if (content == "crash") {
    signal(SIGABRT, SIG_DFL);
    std::abort();
  }
  if (content == "exit") _exit(9);
  if (content == "hang") {
    while (true) pause();
  }
  if (content == "compute") {
    for (volatile bool busy = true; busy;) {
    }
  }
  if (content == "nonsense") send(FrameType::text, "\x01\x02\x03");
  if (content == "endless") send(FrameType::text, std::string(1, 'x')), send(FrameType::text);
  if (content == "huge") {
    const std::string head = sandbox_wire::encode_head({FrameType::text, UINT64_MAX});
    if (write(sandbox_wire::kChildFd, head.data(), head.size()) < 0) _exit(0);
  }
  if (content == "break out") send(FrameType::refusal, try_to_break_out());
  if (content == "fail") send(FrameType::failure, "some\nfailure");
  if (content == "environment") {
    send(FrameType::refusal, std::getenv("HOME") == nullptr ? "clean" : "HAS HOME");
  }
  ExtractedText text;
  text.text = content;
  text.blocks.push_back({.kind = Block::Kind::paragraph,
                         .start = 0,
                         .end = static_cast<std::int64_t>(content.size()),
                         .page = 0,
                         .headings = {}});
  send(FrameType::text, sandbox_wire::encode_text(text));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argv[1] != kSandboxFlag) return 2;
  receive();
  send(FrameType::hello);
  while (true) {
    const std::string body = receive();
    sandbox_wire::Request request;
    if (!sandbox_wire::decode_request(body, request)) return 2;
    limit_cpu_time(std::chrono::seconds{request.cpu_seconds});
    serve(std::string{request.content});
  }
}
