#include "gateway/cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "common/json.h"
#include "gateway/cli/command.h"

namespace millrace {
namespace {

bool final_state(std::string_view state) {
  return state == "indexed" || state == "failed" || state == "deleted" || state == "erased";
}

}  // namespace

Progress::Progress(std::size_t files) : files_{files}, terminal_{isatty(STDERR_FILENO) == 1} {}

void Progress::wait_for_stream() {
  std::unique_lock lock{mutex_};
  opened_.wait(lock, [this] { return open_ || !stream_error_.empty(); });
}

void Progress::stream_is_open() {
  const std::lock_guard lock{mutex_};
  open_ = true;
  opened_.notify_all();
}

void Progress::stream_failed(const Error& error) {
  const std::lock_guard lock{mutex_};
  stream_error_ = error.message;
  opened_.notify_all();
}

void Progress::accepted(const std::string& revision, const std::string& document_id) {
  const std::lock_guard lock{mutex_};
  documents_[revision].document_id = document_id;
  ++sent_;
  draw_locked();
}

void Progress::refused(const std::string& document_id, const Error& error) {
  const std::lock_guard lock{mutex_};
  refusals_.push_back(document_id + ": " + error.message);
  ++sent_;
  draw_locked();
}

void Progress::all_sent(bool do_not_wait) {
  const std::lock_guard lock{mutex_};
  all_sent_ = true;
  do_not_wait_ = do_not_wait;
}

void Progress::on_event(const ServerSentEvent& event) {
  Result<json::Document> data = json::Document::parse(event.data);
  if (!data || !data->root().member("revision").is_string()) return;
  const json::Value root = data->root();
  const std::lock_guard lock{mutex_};
  Document& document = documents_[std::string{root.member("revision").as_string()}];
  document.state = event.event;
  if (root.member("chunks").is_integer()) document.chunks = root.member("chunks").as_integer();
  if (root.member("error").is_string()) document.error = root.member("error").as_string();
  draw_locked();
}

bool Progress::settled_locked() const {
  return std::ranges::all_of(documents_, [](const auto& row) {
    return row.second.document_id.empty() || final_state(row.second.state);
  });
}

bool Progress::finished() const {
  const std::lock_guard lock{mutex_};
  return all_sent_ && (do_not_wait_ || settled_locked());
}

void Progress::draw_locked() {
  if (!terminal_) return;
  constexpr std::size_t kWidth = 30;
  const auto done = static_cast<std::size_t>(std::ranges::count_if(
                        documents_,
                        [](const auto& row) {
                          return !row.second.document_id.empty() && final_state(row.second.state);
                        })) +
                    refusals_.size();
  const std::size_t filled = done * kWidth / files_;
  std::string bar(filled, '#');
  bar.resize(kWidth, '.');
  std::fprintf(stderr, "\r[%s] %zu of %zu sent, %zu done ", bar.c_str(), sent_, files_, done);
  std::fflush(stderr);
}

bool Progress::summarize() {
  const std::lock_guard lock{mutex_};
  if (terminal_) std::fputc('\n', stderr);
  std::size_t indexed = 0;
  std::size_t accepted = 0;
  std::size_t failed = 0;
  std::int64_t chunks = 0;
  for (const auto& [revision, document] : documents_) {
    if (document.document_id.empty()) continue;  // somebody else's upload
    ++accepted;
    if (document.state == "failed") {
      ++failed;
      std::cerr << "failed: " << printable(document.document_id) << ": "
                << printable(document.error) << '\n';
    } else if (document.state == "indexed") {
      ++indexed;
      chunks += document.chunks;
    }
  }
  for (const std::string& refusal : refusals_) {
    std::cerr << "not accepted: " << printable(refusal) << '\n';
  }
  if (sent_ < files_) std::cerr << files_ - sent_ << " files were not sent\n";
  if (!stream_error_.empty() && !do_not_wait_) {
    std::cerr << "millrace: could not follow the progress: " << printable(stream_error_) << '\n';
  }
  std::cout << files_ << " files: " << accepted << " accepted, ";
  if (!do_not_wait_) std::cout << indexed << " indexed (" << chunks << " chunks), ";
  std::cout << failed + refusals_.size() << " failed\n";
  return failed == 0 && refusals_.empty() && sent_ == files_ && stream_error_.empty();
}

}  // namespace millrace
