#pragma once

#include <condition_variable>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/http_client.h"

namespace millrace {

// How far `millrace add` has come, with a bar on a terminal and plain lines elsewhere. Fed by two
// threads: the one that uploads and the one that follows the progress stream.
class Progress {
 public:
  explicit Progress(std::size_t files);

  // The uploading thread.
  void wait_for_stream();  // until the stream is open or has failed: so that no event is missed
  void accepted(const std::string& revision, const std::string& document_id);
  void refused(const std::string& document_id, const Error& error);
  void all_sent(bool do_not_wait);
  bool summarize();  // prints what came of it; true when every document is in

  // The following thread.
  void stream_is_open();
  void stream_failed(const Error& error);
  void on_event(const ServerSentEvent& event);
  bool finished() const;

 private:
  struct Document {
    std::string document_id;  // empty: an event came before its acceptance was known
    std::string state;
    std::string error;
    std::int64_t chunks = 0;
  };
  bool settled_locked() const;
  void draw_locked();

  mutable std::mutex mutex_;
  std::condition_variable opened_;
  const std::size_t files_;
  const bool terminal_;
  std::map<std::string, Document> documents_;  // by revision
  std::vector<std::string> refusals_;
  std::string stream_error_;
  std::size_t sent_ = 0;
  bool open_ = false;
  bool all_sent_ = false;
  bool do_not_wait_ = false;
};

}  // namespace millrace
