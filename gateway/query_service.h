#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "gateway/answer_stream.h"
#include "gateway/backend.h"
#include "gateway/services.h"

namespace millrace {

class LogQueryService final : public QueryService {
 public:
  explicit LogQueryService(const Backend& backend) : backend_{backend} {}

  net::awaitable<Reply<std::string>> ask(const Caller& caller, NewQuery query) override;
  net::awaitable<Reply<std::unique_ptr<EventSource>>> events(const Caller& caller,
                                                             std::string query_id,
                                                             std::string last_event_id) override;
  net::awaitable<Reply<FinishedQuery>> answer(const Caller& caller, NewQuery query) override;
  net::awaitable<Reply<SearchResult>> search(const Caller& caller, NewQuery query) override;
  net::awaitable<Reply<QueryState>> state(const Caller& caller, std::string query_id) override;
  net::awaitable<Reply<std::string>> cancel(const Caller& caller, std::string query_id) override;
  std::int64_t accepted() const override { return accepted_; }
  std::string model() const override;

 private:
  // A problem where there is no such collection.
  Reply<Query> make_query(const Caller& caller, NewQuery query, Query::Kind kind) const;
  net::awaitable<Reply<Query>> accept(const Caller& caller, NewQuery query);
  net::awaitable<Status> append(const Caller& caller, Record record);
  // The transcript where the caller may see it; a problem when he may not or the id is none.
  Reply<std::optional<Transcript>> look_up(const Caller& caller, const std::string& query_id) const;
  net::awaitable<Reply<FinishedQuery>> wait_for_end(AnswerStream& stream, std::string query_id);
  void remember_model(const std::string& model);

  const Backend backend_;
  std::atomic<std::int64_t> accepted_ = 0;
  mutable std::mutex mutex_;
  std::string model_;
};

// The events of one query as clients see them.
class QueryEvents final : public EventSource {
 public:
  QueryEvents(std::unique_ptr<AnswerStream> stream, std::optional<Transcript> transcript,
              const Clock& clock, std::chrono::milliseconds silence_max)
      : stream_{std::move(stream)},
        transcript_{std::move(transcript)},
        clock_{clock},
        silence_max_{silence_max},
        silent_since_{clock.now()} {}
  net::awaitable<Batch> next(std::chrono::milliseconds wait) override;
  void cancel() override { stream_->cancel(); }

 private:
  std::unique_ptr<AnswerStream> stream_;
  std::optional<Transcript> transcript_;  // already finished when the stream was opened
  const Clock& clock_;
  const std::chrono::milliseconds silence_max_;
  Clock::Steady silent_since_;
};

}  // namespace millrace
