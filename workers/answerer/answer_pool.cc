#include "workers/answerer/answer_pool.h"

#include <algorithm>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "common/logging.h"
#include "schemas/dead_letter.h"
#include "workers/answerer/answer_pool_impl.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

// Closing a model's call takes a moment, an inference under way tens of milliseconds.
constexpr std::chrono::milliseconds kCloseWait{5'000};

void describe(Span& span, const Answer& answer) {
  span.set("millrace.answer.refused", answer.refused);
  span.set("millrace.answer.confidence", answer.confidence);
  span.set("millrace.answer.citations", answer.citations.size());
  span.set("millrace.answer.needs_human_review", answer.needs_human_review);
}

}  // namespace

AnswerPool::Impl::Impl(Log& log_, LanguageModel& model_, const Clock& clock_,
                       const AnswerProbe& probe_, AnswerPoolOptions options_,
                       FinishedHandler on_finished_)
    : options{options_},
      log{log_},
      model{model_},
      clock{clock_},
      probe{probe_},
      on_finished{std::move(on_finished_)},
      writer{log_.open_writer()},
      rerank_calls{io, options.rerank, clock, probe} {
  home->io = &io;
  home->writer = writer.get();
  home->clock = &clock;
  home->write_timeout = options.write_timeout;
  home->on_refused = [this](const Error& error) {
    const std::lock_guard lock{mutex};
    broken = "the log has refused the events of answers for " +
             std::to_string(options.write_timeout.count()) + " ms: " + error.message;
  };
  thread = std::jthread{[this] { io.run(); }};
}

// What the query's events and the model's call belong to.
void AnswerPool::Impl::begin_span(Job& job) const {
  const GatheredQuery& gathered = job.gathered;
  const bool known = parse_traceparent(gathered.traceparent).has_value();
  job.traceparent = known ? gathered.traceparent : new_trace().traceparent();
  if (options.tracer == nullptr) return;
  const bool answer = gathered.query.kind == Query::Kind::answer;
  Span& span = job.span.emplace(options.tracer->start(answer ? "answer" : "search",
                                                      Span::Kind::internal, gathered.traceparent));
  span.set("millrace.query_id", gathered.query.query_id);
  span.set("millrace.passages", gathered.passages.size());
  span.set("millrace.partial", gathered.partial);
  job.traceparent = span.context.traceparent();
}

void AnswerPool::Impl::end_span(Job& job) const {
  if (job.span) options.tracer->end(*std::exchange(job.span, std::nullopt));
}

// Null: too many. Saying that there are too many needs room too.
auto AnswerPool::Impl::admit(GatheredQuery gathered, bool failing) -> JobPtr {
  const std::size_t limit = (options.in_flight_max + options.waiting_max) * (failing ? 2U : 1U);
  const auto job = std::make_shared<Job>(io, std::move(gathered));
  const GatheredQuery& query = job->gathered;
  const std::lock_guard lock{mutex};
  if (jobs.size() >= limit || !jobs.emplace(query.query.query_id, job).second) return nullptr;
  probe.in_flight(static_cast<double>(jobs.size()));
  begin_span(*job);
  job->outbox = std::make_shared<EventOutbox>(
      home, query.query.query_id, job->traceparent,
      query.positions.empty() ? std::string{} : format_position(query.positions.back()),
      [this, id = std::weak_ptr{job}] {
        if (const JobPtr closed = id.lock()) finish(*closed);
      });
  return job;
}

bool AnswerPool::Impl::start(GatheredQuery gathered, std::optional<AnswerFailure> failure) {
  // A search is said again as it was: readers drop the second.
  const bool maybe_seen = gathered.maybe_seen && gathered.query.kind == Query::Kind::answer;
  const JobPtr job = admit(std::move(gathered), failure.has_value());
  if (job == nullptr) return false;
  if (maybe_seen) {
    job->failure = std::move(failure);
    job->looking_back = true;
    asio::post(io, [this, job] { look_back(job); });
  } else if (failure) {
    asio::post(io, [this, job, why = std::move(*failure)] { fail(*job, why); });
  } else if (rerank_calls.wanted(job->gathered)) {
    asio::post(io, [this, job] { rerank(job); });
  } else {
    greet(*job);  // from the caller's thread: no hop before the client's first event
    asio::post(io, [this, job] { run(job); });
  }
  return true;
}

bool AnswerPool::Impl::write(GatheredQuery gathered, std::vector<Record> records) {
  const JobPtr job = admit(std::move(gathered), true);
  if (job == nullptr) return false;
  for (Record& record : records) job->outbox->add_record(std::move(record));
  job->closed = true;
  job->outbox->close();
  job->outbox->flush();
  return true;
}

// `started` and `passages`; before them `reset` where clients may have seen an earlier attempt.
void AnswerPool::Impl::greet(Job& job) {
  if (job.outbox->attempt() > 1) job.outbox->add(reset_event());
  job.outbox->add(AnswerEvent{});
  job.outbox->add(passages_event(job.gathered));
  job.outbox->flush();
}

void AnswerPool::Impl::look_back(const JobPtr& job) {
  asio::post(blocking, [this, job] {
    auto earlier = find_earlier_attempts(log, clock, job->gathered.query.query_id);
    asio::post(io, [this, job, earlier = std::move(earlier)] { go_on(job, earlier); });
  });
}

void AnswerPool::Impl::go_on(const JobPtr& job, const Result<EarlierAttempts>& earlier) {
  job->looking_back = false;
  if (job->closed) return;
  if (earlier && earlier->finished) {
    job->outbox->add_record(transcript_of(job->gathered, earlier->last, clock.wall_now()));
    close(*job);
    return;
  }
  if (!earlier) {
    log_event(LogLevel::warning, "earlier_answers_not_read",
              {{"query_id", job->gathered.query.query_id},
               {"trace_id", trace_id_of(job->traceparent)},
               {"error", earlier.error().message}});
  }
  // Where that could not be found out: a needless `reset` harms nobody, a missing one would.
  const bool known = earlier && earlier->whole;
  const std::int32_t seen = earlier ? earlier->attempts : 0;
  job->outbox->set_attempt(known ? seen + 1 : std::max(seen + 1, 2));
  if (job->failure) {
    if (job->outbox->attempt() > 1) job->outbox->add(reset_event());
    fail(*job, *job->failure);
    return;
  }
  rerank(job);
}

void AnswerPool::Impl::rerank(const JobPtr& job) {
  if (job->closed) return;
  if (!rerank_calls.wanted(job->gathered)) return proceed(job);
  job->rerank = rerank_calls.start(job->gathered, [this, job](std::vector<Passage> passages) {
    job->gathered.passages = std::move(passages);
    proceed(job);
  });
}

void AnswerPool::Impl::proceed(const JobPtr& job) {
  if (job->gathered.query.kind == Query::Kind::search) {
    job->outbox->add_record(search_result(job->gathered));
    probe.query_finished(Query::Kind::search, Outcome::completed, age(*job));
    return close(*job);
  }
  greet(*job);
  run(job);
}

void AnswerPool::Impl::run(const JobPtr& job) {
  if (job->closed) return;
  job->timeout.expires_after(options.answer_timeout);
  job->timeout.async_wait([this, job](const boost::system::error_code& code) {
    if (code || job->closed) return;
    fail(*job, {std::string{kTimeout}, "no answer within " +
                                           std::to_string(options.answer_timeout.count()) +
                                           " ms; ask again, or raise answer_timeout"});
  });
  job->waiting = true;
  waiting.push_back(job);
  next_waiting();
}

void AnswerPool::Impl::next_waiting() {
  while (!waiting.empty()) {
    {
      const std::lock_guard lock{mutex};
      if (running >= options.in_flight_max) return;
      ++running;
    }
    const JobPtr job = std::move(waiting.front());
    waiting.pop_front();
    job->waiting = false;
    call_model(job);
  }
}

void AnswerPool::Impl::call_model(const JobPtr& job) {
  job->model_running = true;
  AnswerTask task{job->gathered.query.question, job->gathered.passages, job->traceparent};
  // An exception is a coroutine that was cancelled, or a bug of the model.
  const auto returned = [this, job](const std::exception_ptr& thrown, Result<AnswerDraft> draft) {
    model_returned(job, thrown == nullptr ? std::move(draft)
                                          : Result<AnswerDraft>{fatal("it threw an exception")});
  };
  asio::co_spawn(io,
                 model.answer(std::move(task),
                              [this, job](std::string_view text) { return delta(*job, text); }),
                 asio::bind_cancellation_slot(job->cancel.slot(), returned));
}

bool AnswerPool::Impl::delta(Job& job, std::string_view text) {
  if (job.closed) return false;
  if (!job.first_delta_seen) {
    job.first_delta_seen = true;
    probe.first_delta(age(job));
  }
  job.outbox->add_delta(text);
  job.outbox->flush();
  return true;
}

void AnswerPool::Impl::model_returned(const JobPtr& job, Result<AnswerDraft> draft) {
  job->model_running = false;
  {
    const std::lock_guard lock{mutex};
    --running;
    changed.notify_all();
  }
  if (!job->closed && draft) {
    complete(*job, std::move(*draft));
  } else if (!job->closed) {
    log_event(LogLevel::warning, "model_failed",
              {{"query_id", job->gathered.query.query_id},
               {"trace_id", trace_id_of(job->traceparent)},
               {"kind", to_string(draft.error().kind)},
               {"error", draft.error().message}});
    fail(*job, failure_of(draft.error(), model.name()));
  }
  next_waiting();
}

void AnswerPool::Impl::complete(Job& job, AnswerDraft draft) {
  AnswerEvent event;
  event.type = AnswerEvent::Type::completed;
  event.last = true;
  event.answer = answer_from(std::move(draft));
  event.answer.partial = job.gathered.partial;
  event.answer.took_ms = static_cast<std::int64_t>(age(job) * 1e3);
  probe.answer_completed(event.answer);
  if (job.span) describe(*job.span, event.answer);
  probe.query_finished(Query::Kind::answer,
                       event.answer.refused ? Outcome::refused : Outcome::completed, age(job));
  Record transcript = transcript_of(job.gathered, event, clock.wall_now());
  job.outbox->add(std::move(event));
  job.outbox->add_record(std::move(transcript));
  close(job);
}

// Where it is not known yet which attempt this is, go_on() comes back to it.
void AnswerPool::Impl::fail(Job& job, const AnswerFailure& failure) {
  if (job.closed) return;
  if (job.looking_back) {
    if (!job.failure) job.failure = failure;
    return;
  }
  if (job.span) job.span->fail(failure.reason);
  job.outbox->add(failed_event(failure));
  if (job.gathered.query.kind == Query::Kind::answer) {
    job.outbox->add_record(to_record(failed_transcript(job.gathered, failure, clock.wall_now())));
  }
  probe.query_finished(job.gathered.query.kind, outcome_of(failure), age(job));
  close(job);
}

// Its last records are in the outbox: nothing of the model is wanted any more.
void AnswerPool::Impl::close(Job& job) {
  job.closed = true;
  rerank_calls.cancel(job.rerank);
  job.timeout.cancel();
  if (job.model_running) job.cancel.emit(asio::cancellation_type::terminal);
  if (job.waiting) {
    std::erase_if(waiting, [&](const JobPtr& other) { return other.get() == &job; });
    job.waiting = false;
  }
  job.outbox->close();
  job.outbox->flush();
}

void AnswerPool::Impl::finish(Job& job) {
  end_span(job);
  on_finished(job.gathered);  // before it leaves `jobs`: it is always known as one or the other
  const std::lock_guard lock{mutex};
  jobs.erase(job.gathered.query.query_id);
  probe.in_flight(static_cast<double>(jobs.size()));
  changed.notify_all();
}

// Another run will answer them: nothing more is written, nothing is finished.
void AnswerPool::Impl::abandon_all() {
  std::vector<JobPtr> rest;
  {
    const std::lock_guard lock{mutex};
    for (const auto& [id, job] : jobs) rest.push_back(job);
    abandoned = true;
    changed.notify_all();
  }
  for (const JobPtr& job : rest) {
    job->outbox->abandon();
    if (job->span) job->span->fail("abandoned");
    close(*job);
    end_span(*job);
  }
  work.reset();
  if (!rest.empty()) {
    log_event(LogLevel::info, "answers_left_to_another_run", {{"answers", rest.size()}});
  }
}

void AnswerPool::Impl::stop(std::chrono::milliseconds grace) {
  if (!thread.joinable()) return;
  {
    std::unique_lock lock{mutex};
    changed.wait_for(lock, grace, [this] { return jobs.empty(); });
  }
  asio::post(io, [this] { abandon_all(); });
  {
    std::unique_lock lock{mutex};
    changed.wait_for(lock, kCloseWait, [this] { return abandoned && running == 0; });
  }
  rerank_calls.wait_idle(kCloseWait);
  {
    const std::lock_guard lock{home->mutex};
    home->io = nullptr;
  }
  blocking.join();
  io.stop();
  thread.join();
}

AnswerPool::AnswerPool(Log& log, LanguageModel& model, const Clock& clock, const AnswerProbe& probe,
                       AnswerPoolOptions options, FinishedHandler on_finished)
    : impl_{std::make_unique<Impl>(log, model, clock, probe, options, std::move(on_finished))} {}

AnswerPool::~AnswerPool() { impl_->stop(std::chrono::milliseconds{0}); }

bool AnswerPool::start(GatheredQuery gathered, std::optional<AnswerFailure> failure) {
  return impl_->start(std::move(gathered), std::move(failure));
}

bool AnswerPool::write(GatheredQuery gathered, std::vector<Record> records) {
  return impl_->write(std::move(gathered), std::move(records));
}

bool AnswerPool::reranks(const GatheredQuery& gathered) const {
  return impl_->rerank_calls.wanted(gathered);
}

void AnswerPool::cancel(const std::string& query_id) {
  std::shared_ptr<Job> job;
  {
    const std::lock_guard lock{impl_->mutex};
    const auto found = impl_->jobs.find(query_id);
    if (found == impl_->jobs.end()) return;
    job = found->second;
  }
  asio::post(impl_->io, [pool = impl_.get(), job] {
    pool->fail(*job, {std::string{kCancelled}, "the question was cancelled"});
  });
}

bool AnswerPool::contains(const std::string& query_id) const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->jobs.contains(query_id);
}

Status AnswerPool::health() const {
  const std::lock_guard lock{impl_->mutex};
  if (!impl_->broken.empty()) return fatal(impl_->broken);
  return {};
}

void AnswerPool::stop(std::chrono::milliseconds grace) { impl_->stop(grace); }

boost::asio::any_io_executor AnswerPool::executor() { return impl_->io.get_executor(); }

}  // namespace millrace
