#include "workers/answerer/event_outbox.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "common/trace.h"

namespace millrace {
namespace {

constexpr std::chrono::milliseconds kBackoff{20};
constexpr std::chrono::milliseconds kBackoffMax{1'000};

}  // namespace

EventOutbox::EventOutbox(std::shared_ptr<OutboxHome> home, std::string query_id,
                         std::string traceparent, std::string source,
                         std::function<void()> on_closed)
    : home_{std::move(home)},
      query_id_{std::move(query_id)},
      traceparent_{parse_traceparent(traceparent) ? std::move(traceparent)
                                                  : new_trace().traceparent()},
      source_{std::move(source)},
      on_closed_{std::move(on_closed)},
      retry_{*home_->io},
      backoff_{kBackoff} {}

void EventOutbox::add(AnswerEvent event) {
  seal();
  event.query_id = query_id_;
  event.attempt = attempt_;
  event.index = next_index_++;
  add_record(to_record(event));
}

void EventOutbox::add_delta(std::string_view text) { pending_text_ += text; }

void EventOutbox::add_record(Record record) {
  record.set_header(headers::kTraceparent, traceparent_);
  if (!source_.empty()) record.set_header(headers::kSource, source_);
  waiting_.push_back(std::move(record));
}

void EventOutbox::seal() {
  if (pending_text_.empty()) return;
  AnswerEvent event;
  event.type = AnswerEvent::Type::delta;
  event.text = std::exchange(pending_text_, {});
  add(std::move(event));
}

// The log's handler may run before append_async() returns, on another thread: nothing of this
// object is touched after it.
void EventOutbox::flush() {
  if (append_in_flight_) return;
  if (in_append_.empty()) {
    seal();
    in_append_ = std::exchange(waiting_, {});
  }
  if (in_append_.empty()) {
    if (closed_ && on_closed_) std::exchange(on_closed_, nullptr)();
    return;
  }
  append_in_flight_ = true;
  home_->writer->append_async(
      in_append_, [home = home_, outbox = weak_from_this()](Result<std::vector<Position>> stored) {
        Status status;
        if (!stored) status = stored.error();
        const std::lock_guard lock{home->mutex};
        if (home->io == nullptr) return;
        boost::asio::post(*home->io, [outbox, status] {
          if (const auto found = outbox.lock()) found->appended(status);
        });
      });
}

void EventOutbox::appended(const Status& status) {
  if (!status) {
    retry(status.error());
    return;
  }
  append_in_flight_ = false;
  in_append_.clear();
  refused_since_.reset();
  backoff_ = kBackoff;
  flush();
}

void EventOutbox::retry(const Error& error) {
  const auto now = home_->clock->now();
  if (!refused_since_) refused_since_ = now;
  if (now - *refused_since_ >= home_->write_timeout) home_->on_refused(error);
  retry_.expires_after(backoff_);
  backoff_ = std::min(2 * backoff_, kBackoffMax);
  retry_.async_wait([self = shared_from_this()](const boost::system::error_code& code) {
    if (code) return;
    self->append_in_flight_ = false;
    self->flush();
  });
}

void EventOutbox::abandon() {
  on_closed_ = nullptr;
  pending_text_.clear();
  waiting_.clear();
  append_in_flight_ = true;  // whatever comes back changes nothing
  in_append_.clear();
  retry_.cancel();
}

}  // namespace millrace
