#include <poppler-global.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <new>
#include <string>

#include "workers/extractor/sandbox.h"
#include "workers/extractor/sandbox_confine.h"
#include "workers/extractor/sandbox_wire.h"

// The child's side of the sandbox. One thread; ends when the parent does.
namespace millrace {
namespace {

using namespace sandbox_wire;  // NOLINT(google-build-using-namespace): its own protocol

constexpr rlim_t kOpenFilesMax = 64;
constexpr int kExitParentGone = 0;
constexpr int kExitNotConfined = 3;
constexpr int kExitOutOfMemory = 4;

// False at the end of the stream.
bool read_all(char* to, std::size_t bytes) {
  while (bytes > 0) {
    const ssize_t got = read(kChildFd, to, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_all(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(kChildFd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return true;
}

bool send(FrameType type, std::string_view body = {}) {
  return write_all(encode_head({type, body.size()})) && write_all(body);
}

void limit(decltype(RLIMIT_CPU) resource, rlim_t value) {
  // Refused only where a lower limit stands already, which will do as well.
  const rlimit both{value, value};
  setrlimit(resource, &both);
}

Result<ExtractedText> parse(const Request& request) {
  const Format& format = format_table()[request.format];
  try {
    return format.parse(request.content, request.charset, request.limits);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& exception) {
    return rejected("the file cannot be read as " + std::string{format.name} + ": " +
                    exception.what());
  }
}

bool answer(const Request& request) {
  limit_cpu_time(std::chrono::seconds{request.cpu_seconds});
  const Result<ExtractedText> text = parse(request);
  if (text) return send(FrameType::text, encode_text(*text));
  const bool about_file = text.error().kind == Error::Kind::rejected;
  return send(about_file ? FrameType::refusal : FrameType::failure, text.error().message);
}

// False when the parent is gone.
bool receive(FrameType type, std::string& body) {
  char head_bytes[kFrameHeadBytes];
  if (!read_all(head_bytes, sizeof head_bytes)) return false;
  const FrameHead head = decode_head({head_bytes, sizeof head_bytes});
  if (head.type != type) return false;
  body.assign(head.length, '\0');
  return read_all(body.data(), body.size());
}

bool serve_one() {
  std::string body;
  if (!receive(FrameType::request, body) || !send(FrameType::begun)) return false;
  Request request;
  return decode_request(body, request) && answer(request);
}

// Everything that takes rights away, in the order in which each is still allowed.
Status set_up() {
  std::string body;
  std::uint64_t memory_bytes_max = 0;
  if (!receive(FrameType::setup, body) || !decode_setup(body, memory_bytes_max)) {
    return fatal("the extraction process was started by something else than its sandbox");
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_NOFILE, kOpenFilesMax);
  if constexpr (kMemoryCanBeLimited) {
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_AS, memory_bytes_max);
  }
  // Loads iconv's tables while files can still be read.
  poppler::ustring::from_utf8("warm");
  return confine_process();
}

}  // namespace

int run_sandbox_child() {
  // _exit throughout: nothing of the host program is to run at the end of this one.
  if (Status status = set_up(); !status) {
    send(FrameType::failure, status.error().message);
    _exit(kExitNotConfined);
  }
  if (!send(FrameType::hello)) _exit(kExitParentGone);
  try {
    while (serve_one()) {
    }
  } catch (const std::bad_alloc&) {
    // What the parsers held may be lost: begin anew with an empty process.
    send(FrameType::memory);
    _exit(kExitOutOfMemory);
  }
  _exit(kExitParentGone);
}

}  // namespace millrace
