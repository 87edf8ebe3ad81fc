#include "workers/extractor/sandbox.h"

#include <signal.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <optional>
#include <utility>

#include "workers/extractor/sandbox_process.h"
#include "workers/extractor/sandbox_wire.h"

namespace millrace {
namespace {

using sandbox_wire::FrameType;

constexpr std::chrono::seconds kStartTimeMax{20};  // loading a large program from a cold disk
constexpr int kStartsMax = 2;                      // per file: a child may have died in between
constexpr std::size_t kMessageBytesMax = 4'096;    // of a refusal
// The file stands in the child's memory beside its parsed form and its text.
constexpr std::size_t kFileShareOfMemory = 4;

std::size_t reply_bytes_max(const FormatLimits& limits) {
  return limits.output_bytes_max * 3 + (64U << 20U);  // text, headings, and 64 bytes per block
}

// The parameter `charset` of a media type, or nothing.
std::string charset_of(std::string_view media_type) {
  std::string lower{media_type};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  const std::size_t at = lower.find("charset=", std::min(lower.find(';'), lower.size()));
  if (at == std::string::npos) return {};
  std::string charset = lower.substr(at + 8, lower.find(';', at) - at - 8);
  std::erase_if(charset, [](char c) { return c == '"' || c == ' ' || c == '\t'; });
  return charset;
}

std::string mebibytes(std::size_t bytes) { return std::to_string(bytes >> 20U) + " MiB"; }

std::string seconds(std::chrono::milliseconds time) {
  std::string text = std::to_string(time.count());
  if (time.count() % 1000 != 0) return text + " ms";
  return std::to_string(time.count() / 1000) + " s";
}

class ProcessSandbox final : public Sandbox {
 public:
  explicit ProcessSandbox(SandboxOptions options) : options_{std::move(options)} {}

  Result<ExtractedText> extract(std::string_view bytes, const DocumentRef& document) override {
    const Result<const Format*> format = detect_format(bytes, document.media_type, document.name);
    if (!format) return format.error();
    if (bytes.size() > options_.memory_bytes_max / kFileShareOfMemory) {
      return rejected("the file is larger than " +
                      mebibytes(options_.memory_bytes_max / kFileShareOfMemory));
    }
    const std::string charset = charset_of(document.media_type);
    const sandbox_wire::Request request{
        .format = static_cast<std::uint32_t>(*format - format_table().data()),
        .cpu_seconds = options_.cpu_time_max.count(),
        .limits = options_.limits,
        .charset = charset,
        .content = bytes};
    for (int i = 0; i < kStartsMax; ++i) {
      if (Status status = ensure_child(); !status) return status.error();
      std::optional<Result<ExtractedText>> result = ask(request);
      if (result) return *std::move(result);
    }
    return unavailable("the extraction process ends before it has read a file");
  }

 private:
  Status ensure_child() {
    if (child_) return {};
    Result<SandboxProcess> child = SandboxProcess::start(options_.program);
    if (!child) return child.error();
    child_ = std::move(*child);
    const auto deadline = system_clock().now() + kStartTimeMax;
    const std::string setup = sandbox_wire::encode_setup(options_.memory_bytes_max);
    Broken broken{};
    FrameType type{};
    std::string body;
    const bool greeted =
        child_->send(sandbox_wire::encode_head({FrameType::setup, setup.size()}) + setup, deadline,
                     broken) &&
        child_->receive(type, body, kMessageBytesMax, deadline, broken);
    if (greeted && type == FrameType::hello) return {};
    child_.reset();
    if (greeted && type == FrameType::failure) return unavailable(body);
    return unavailable(
        "the extraction process does not start: its program ends or is silent instead of serving");
  }

  // Nothing when the child died before it had read the request: then the file is not to blame.
  std::optional<Result<ExtractedText>> ask(const sandbox_wire::Request& request) {
    const auto deadline = system_clock().now() + options_.wall_time_max;
    const std::string fields = sandbox_wire::encode_request_without_content(request);
    const std::string head =
        sandbox_wire::encode_head({FrameType::request, fields.size() + request.content.size()});
    Broken broken{};
    FrameType type{};
    std::string body;
    const std::size_t length_max = reply_bytes_max(options_.limits);
    const bool sent = child_->send(head + fields, deadline, broken) &&
                      child_->send(request.content, deadline, broken);
    if (!sent && broken == Broken::timed_out) return Result<ExtractedText>{give_up(broken)};
    // After a failed send the child may have left word why.
    bool heard = child_->receive(type, body, kMessageBytesMax, deadline, broken);
    const bool begun = heard && type == FrameType::begun;
    if (begun) heard = child_->receive(type, body, length_max, deadline, broken);
    if (!heard && !begun && broken == Broken::gone) {
      child_.reset();
      return std::nullopt;
    }
    if (!heard) return Result<ExtractedText>{give_up(broken)};
    return read_reply(type, body);
  }

  Result<ExtractedText> read_reply(FrameType type, std::string& body) {
    if (type == FrameType::refusal) return rejected(printable(body));
    if (type == FrameType::text) {
      ExtractedText text;
      if (sandbox_wire::decode_text(body, options_.limits, text)) return text;
    } else if (type == FrameType::memory) {
      child_.reset();
      return rejected(out_of_memory());
    } else if (type == FrameType::failure) {
      return rejected("the file cannot be read: " + printable(body));
    }
    return give_up(Broken::nonsense);
  }

  // Ends the child and says what the file did to it.
  Error give_up(Broken broken) {
    if (broken != Broken::gone) {
      child_.reset();  // kills it
      return broken == Broken::timed_out ? rejected("the file took longer than " +
                                                    seconds(options_.wall_time_max) + " to read")
                                         : rejected("the file made its parser answer nonsense");
    }
    const SandboxProcess::Death death = child_->reap();
    child_.reset();
    if (death.signal == SIGXCPU) {
      return rejected("the file took longer than " + seconds(options_.cpu_time_max) +
                      " of computing to read");
    }
    if (death.signal == SIGKILL) {
      return rejected("the file's parser was killed, most likely because memory ran out");
    }
    // poppler leaves with exit(1) when it gets no memory.
    if (death.signal == 0 && death.exit_code == 1) return rejected(out_of_memory());
    const std::string how = death.signal != 0 ? std::string{strsignal(death.signal)}
                                              : "exit code " + std::to_string(death.exit_code);
    return rejected("the file crashed its parser (" + how + ")");
  }

  std::string out_of_memory() const {
    return "the file needed more memory than " + mebibytes(options_.memory_bytes_max) + " to read";
  }

  // What the child says is shown to people: one line, no control characters.
  static std::string printable(std::string text) {
    text.resize(std::min(text.size(), kMessageBytesMax));
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
    return text;
  }

  SandboxOptions options_;
  std::optional<SandboxProcess> child_;
};

}  // namespace

std::unique_ptr<Sandbox> make_sandbox(SandboxOptions options) {
  return std::make_unique<ProcessSandbox>(std::move(options));
}

}  // namespace millrace
