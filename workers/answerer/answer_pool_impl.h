#pragma once

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "workers/answerer/answer_pool.h"
#include "workers/answerer/earlier_attempts.h"
#include "workers/answerer/event_outbox.h"
#include "workers/answerer/rerank_calls.h"

// What answer_pool.cc is made of; nobody else includes it.
namespace millrace {

// One answer, or one search. Of the pool's thread, once start() has posted it there.
struct AnswerPool::Job {
  Job(boost::asio::io_context& io, GatheredQuery query) : gathered{std::move(query)}, timeout{io} {}

  GatheredQuery gathered;
  std::optional<Span> span;  // until it is finished; empty without a tracer
  std::string traceparent;   // of the span
  std::shared_ptr<EventOutbox> outbox;
  std::optional<AnswerFailure> failure;  // to be said once look_back() knows the attempt
  bool looking_back = false;
  bool waiting = false;  // for a free model call
  bool model_running = false;
  bool first_delta_seen = false;
  bool closed = false;  // its last event is in the outbox, or it was left to another run
  std::shared_ptr<RerankCalls::Call> rerank;  // null: not begun
  boost::asio::steady_timer timeout;
  boost::asio::cancellation_signal cancel;
};

struct AnswerPool::Impl {
  using JobPtr = std::shared_ptr<Job>;

  Impl(Log& log_, LanguageModel& model_, const Clock& clock_, const AnswerProbe& probe_,
       AnswerPoolOptions options_, FinishedHandler on_finished_);

  // Any thread.
  JobPtr admit(GatheredQuery gathered, bool failing);
  void begin_span(Job& job) const;
  bool start(GatheredQuery gathered, std::optional<AnswerFailure> failure);
  bool write(GatheredQuery gathered, std::vector<Record> records);
  void stop(std::chrono::milliseconds grace);

  // Of the pool's thread; greet() also of start() before the job is posted there.
  void greet(Job& job);
  void look_back(const JobPtr& job);
  void go_on(const JobPtr& job, const Result<EarlierAttempts>& earlier);
  void rerank(const JobPtr& job);
  void proceed(const JobPtr& job);
  void run(const JobPtr& job);
  void call_model(const JobPtr& job);
  bool delta(Job& job, std::string_view text);
  void model_returned(const JobPtr& job, Result<AnswerDraft> draft);
  void next_waiting();
  void complete(Job& job, AnswerDraft draft);
  void fail(Job& job, const AnswerFailure& failure);
  void close(Job& job);
  void finish(Job& job);
  void end_span(Job& job) const;
  void abandon_all();
  double age(const Job& job) const {
    return seconds_since(job.gathered.query.asked_at, clock.wall_now());
  }

  const AnswerPoolOptions options;
  Log& log;
  LanguageModel& model;
  const Clock& clock;
  const AnswerProbe& probe;
  const FinishedHandler on_finished;
  std::unique_ptr<LogWriter> writer;

  boost::asio::io_context io{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work =
      boost::asio::make_work_guard(io);
  boost::asio::thread_pool blocking{1};  // reads of the log
  const std::shared_ptr<OutboxHome> home = std::make_shared<OutboxHome>();

  mutable std::mutex mutex;  // of the next five
  std::condition_variable changed;
  std::unordered_map<std::string, JobPtr> jobs;
  std::size_t running = 0;  // model calls
  std::string broken;       // why the log cannot be written
  bool abandoned = false;

  std::deque<JobPtr> waiting;
  RerankCalls rerank_calls;
  std::jthread thread;  // last: everything it uses is there before it
};

}  // namespace millrace
