#include "workers/runtime/runner.h"

#include <algorithm>
#include <cassert>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <thread>
#include <utility>

#include "common/logging.h"
#include "schemas/topics.h"
#include "workers/runtime/caught_up.h"
#include "workers/runtime/outbox.h"
#include "workers/runtime/probe.h"
#include "workers/runtime/progress.h"

namespace millrace {
namespace {

// Pauses stop growing long before: only a bound for the counter.
constexpr int kPausesCountedMax = 64;

// A record that has failed, until its offset is committed. While there are any, records are
// processed one at a time: so one that spoils a whole batch fails alone in the end.
struct Suspect {
  int attempts = 0;
  std::optional<Error> refused;  // the log would not take its outputs
};

}  // namespace

struct Runner::Impl {
  Impl(Log& its_log, const Clock& its_clock, MetricsRegistry& metrics,
       std::unique_ptr<Stage> its_stage, RunnerOptions its_options)
      : log{its_log},
        clock{its_clock},
        stage{std::move(its_stage)},
        options{std::move(its_options)},
        probe{metrics, options.stage},
        caught_up{log, options.caught_up},
        precedence{options.live, options.background} {}

  // What becomes of a batch.
  struct Verdict {
    Outbox outbox;
    Offsets consumed;
    std::set<TopicPartition> held;  // nothing after their first record to retry is committed
    int attempt = 0;                // the highest of those records; 0: there are none
  };

  Status open();
  Status check_topics() const;
  void run(const std::stop_token& stop);
  void finish(Status status);

  Status turn(const std::stop_token& stop);
  Status adopt_assignment();
  Status rewind();
  Status handle(std::span<const Record> batch, const std::stop_token& stop);
  std::vector<Result<Outputs>> process(std::span<const Record> batch);
  Status judge(const Record& record, Result<Outputs> result, Verdict& verdict);
  Status give_up(const Record& record, const Error& error, int attempts, Verdict& verdict);
  Status commit(Outbox& outbox, const Offsets& consumed);
  Status commit_refused(std::span<const Record> batch, const Error& error);
  Status hold(const Error& error, const std::stop_token& stop);
  void resume();

  void forget_suspects(const Offsets& consumed);
  void update_lag(std::size_t in_hand);
  double random() { return std::uniform_real_distribution<double>{0, 1}(generator); }

  Log& log;
  const Clock& clock;
  std::unique_ptr<Stage> stage;
  const RunnerOptions options;
  const Probe probe;
  std::function<void(const Error&)> on_fatal;
  std::unique_ptr<LogSession> session;

  std::vector<TopicPartition> assignment;
  Progress progress;
  CaughtUp caught_up;
  Precedence precedence;
  std::map<Position, Suspect> suspects;  // bounded by one batch: see Suspect
  bool rewind_needed = false;
  bool batch_held = false;  // the pause ends when a batch goes through, not when a poll does
  int pauses = 0;           // in a row
  std::mt19937_64 generator{std::random_device{}()};
  std::atomic<std::int64_t> lag{0};
  std::jthread thread;
};

Status Runner::Impl::check_topics() const {
  std::vector<std::string> topics = options.inputs;
  topics.insert(topics.end(), options.outputs.begin(), options.outputs.end());
  topics.emplace_back(topics::kDeadLetters);
  for (const std::string& topic : topics) {
    const Result<std::int32_t> partitions = log.partitions(topic);
    if (!partitions) return with_context("stage " + options.stage, partitions.error());
  }
  return {};
}

Status Runner::Impl::open() {
  if (Status topics = check_topics(); !topics) return topics;
  Result<std::unique_ptr<LogSession>> opened =
      log.open_session({options.stage, options.inputs, options.exactly_once, options.choice});
  if (!opened) return opened.error();
  session = std::move(*opened);
  if (Status adopted = adopt_assignment(); !adopted) return adopted;
  if (Status sought = rewind(); !sought) return sought;
  update_lag(0);
  return {};
}

void Runner::Impl::run(const std::stop_token& stop) {
  Status status;
  while (status && !stop.stop_requested()) status = turn(stop);
  finish(std::move(status));
}

// The stage may still settle something while it stops; what it settles is committed, unless the
// runner ends because it cannot go on.
void Runner::Impl::finish(Status status) {
  stage->stop();
  if (status) {
    Status last = rewind_needed ? rewind() : Status{};
    Outbox rest{options.stage, options.outputs};
    if (last) last = commit(rest, {});
    if (!last) {
      log_event(LogLevel::warning, "stage_stopped_uncommitted",
                {{"stage", options.stage}, {"error", last.error().message}});
    }
    update_lag(0);
  }
  if (status) return;
  log_event(LogLevel::error, "stage_failed",
            {{"stage", options.stage}, {"error", status.error().message}});
  if (on_fatal) on_fatal(status.error());
}

Status Runner::Impl::turn(const std::stop_token& stop) {
  if (rewind_needed) {
    if (Status rewound = rewind(); !rewound) return hold(rewound.error(), stop);
  }
  precedence.give_way(clock, stop);
  const Result<std::vector<Record>> batch =
      session->poll(suspects.empty() ? options.poll_records_max : 1, options.poll_bytes_max,
                    progress.unsettled() > 0 ? options.settle_interval : options.poll_wait);
  if (!batch) return hold(batch.error(), stop);
  if (session->assignment() != assignment) {
    rewind_needed = true;  // a new partition may have to begin earlier than it did
    const Status adopted = adopt_assignment();
    update_lag(batch->size());
    return adopted ? Status{} : hold(adopted.error(), stop);
  }
  update_lag(batch->size());
  if (!batch->empty()) {
    batch_held = true;
    Status handled = handle(*batch, stop);
    if (handled && !rewind_needed) caught_up.processed(session->positions());
    return handled;
  }
  caught_up.processed(session->positions());
  Outbox rest{options.stage, options.outputs};
  if (Status settled = commit(rest, {}); !settled) return hold(settled.error(), stop);
  if (!batch_held) resume();
  update_lag(0);
  return {};
}

// State, not the group, says where a stateful stage stands; where the group is behind it, outputs
// may be missing, and applying twice is harmless.
Status Runner::Impl::adopt_assignment() {
  const std::vector<TopicPartition> now = session->assignment();
  const Offsets restored = stage->restored();
  progress.retain(now);
  std::erase_if(suspects, [&](const auto& entry) {
    return std::ranges::find(now, entry.first.source) == now.end();
  });
  for (const TopicPartition& partition : now) {
    const auto found = restored.find(partition);
    if (found == restored.end() || progress.knows(partition)) continue;
    const Result<std::optional<Offset>> stored = log.committed(options.stage, partition);
    if (!stored) return stored.error();
    if (!stored->has_value() || found->second >= **stored) continue;
    progress.begin_at(partition, found->second);
  }
  if (Status adopted = caught_up.adopt(now); !adopted) return adopted;
  assignment = now;
  return {};
}

// It may have cost the session its partitions.
Status Runner::Impl::rewind() {
  const Result<Offsets> lost = session->rewind();
  if (session->assignment() != assignment) {
    const Status adopted = adopt_assignment();
    update_lag(0);  // what it lost is not its lag, however long it now has to wait
    if (!adopted) return adopted;
  }
  if (!lost) return lost.error();
  for (const auto& [partition, offset] : *lost) progress.begin_at(partition, offset);
  if (Status sought = session->seek(progress.resume()); !sought) return sought;
  rewind_needed = false;
  caught_up.processed(session->positions());
  return {};
}

Status Runner::Impl::handle(std::span<const Record> batch, const std::stop_token& stop) {
  const Clock::Steady began = clock.now();
  std::vector<Result<Outputs>> results = process(batch);
  if (results.size() != batch.size()) {
    return fatal("stage " + options.stage + " gave " + std::to_string(results.size()) +
                 " results for " + std::to_string(batch.size()) + " records");
  }
  if (const std::optional<Error> error = holding_back(results)) return hold(*error, stop);
  Verdict verdict{Outbox{options.stage, options.outputs, options.tracer, began}, {}, {}, 0};
  for (std::size_t i = 0; i < batch.size(); ++i) {
    progress.found({batch[i].topic, batch[i].partition}, batch[i].offset);
    Status judged = judge(batch[i], std::move(results[i]), verdict);
    if (!judged) return judged;
  }
  if (Status stored = commit(verdict.outbox, verdict.consumed); !stored) {
    if (stored.error().kind == Error::Kind::rejected) return commit_refused(batch, stored.error());
    return hold(stored.error(), stop);
  }
  verdict.outbox.log_dead_letters();
  verdict.outbox.end_spans();
  resume();
  if (verdict.attempt > 0) {
    rewind_needed = true;
    clock.sleep_for(backoff_after(options.retry, verdict.attempt, random()), stop);
  } else {
    update_lag(0);
  }
  return {};
}

std::vector<Result<Outputs>> Runner::Impl::process(std::span<const Record> batch) {
  if (batch.size() == 1) {
    const auto suspect = suspects.find(batch.front().position());
    if (suspect != suspects.end() && suspect->second.refused) {
      std::vector<Result<Outputs>> refused;
      refused.emplace_back(*suspect->second.refused);
      return refused;
    }
  }
  const Clock::Steady began = clock.now();
  std::vector<Result<Outputs>> results = stage->process(batch);
  probe.batch_processed(batch.size(), clock.now() - began);
  return results;
}

Status Runner::Impl::judge(const Record& record, Result<Outputs> result, Verdict& verdict) {
  const Position position = record.position();
  bool held = verdict.held.contains(position.source);
  if (!result && result.error().kind == Error::Kind::retryable) {
    const int attempts = ++suspects[position].attempts;
    probe.retried(Error::Kind::retryable);
    if (!held && attempts < options.retry.attempts_max) {
      verdict.held.insert(position.source);
      verdict.attempt = std::max(verdict.attempt, attempts);
      verdict.outbox.add_attempt(record, result.error());
      held = true;
    }
  }
  if (held) return {};  // processed again, in its turn
  verdict.consumed[position.source] = position.offset + 1;
  if (result) return verdict.outbox.add(record, std::move(*result));
  const auto suspect = suspects.find(position);
  int attempts = suspect == suspects.end() ? 0 : suspect->second.attempts;
  if (result.error().kind == Error::Kind::rejected) ++attempts;
  return give_up(record, result.error(), attempts, verdict);
}

Status Runner::Impl::give_up(const Record& record, const Error& error, int attempts,
                             Verdict& verdict) {
  return verdict.outbox.add_dead_letter(record, error, attempts, clock.wall_now(),
                                        stage->given_up(record, error));
}

// `consumed` is past what the outputs belong to. For a concurrent stage the group's offsets may
// stay behind; the session's position does not.
Status Runner::Impl::commit(Outbox& outbox, const Offsets& consumed) {
  const Offsets upto = progress.with(consumed);
  const Clock::Steady began = clock.now();
  if (!consumed.empty()) {
    if (Status kept = stage->checkpoint(upto); !kept) {
      Error error = with_context("checkpoint of stage " + options.stage, kept.error());
      if (error.kind == Error::Kind::rejected)
        error.kind = Error::Kind::fatal;  // no record's fault
      return error;
    }
  }
  const Offsets settled = stage->settled(upto);
  Offsets changed = progress.to_commit(settled, upto);
  Outputs report = stage->report(assignment);
  // Offsets, though not new, tell a process that lost its partitions from the one that has them.
  if (!report.empty() && changed.empty()) changed = settled;
  if (Status added = outbox.add_report(std::move(report)); !added) return added;
  if (!outbox.records().empty() || !changed.empty()) {
    if (Status stored = session->commit(outbox.records(), changed); !stored) return stored;
    probe.committed(clock.now() - began);
  }
  stage->reported();
  probe.records(outbox.sources(), outbox.dead_letters());
  progress.committed(changed, upto);
  forget_suspects(consumed);
  return {};
}

// The log will never take these outputs. Of a batch nobody knows whose they are: one at a time
// then, until the record is found, which is dead-lettered. A dead letter that is refused is the
// end.
Status Runner::Impl::commit_refused(std::span<const Record> batch, const Error& error) {
  rewind_needed = true;
  for (const Record& record : batch) {
    Suspect& suspect = suspects[record.position()];
    if (batch.size() > 1) continue;
    if (suspect.refused) return fatal("dead letter of " + options.stage + ": " + error.message);
    suspect.refused = with_context("commit", error);
  }
  return {};
}

// Something that every record needs is down: nothing of the batch is kept, no attempt is spent. One
// line when it begins and one when it ends.
Status Runner::Impl::hold(const Error& error, const std::stop_token& stop) {
  if (error.kind == Error::Kind::fatal || error.kind == Error::Kind::rejected) return error;
  rewind_needed = true;
  probe.retried(Error::Kind::unavailable);
  if (pauses == 0) {
    probe.paused(true);
    log_event(LogLevel::warning, "stage_paused",
              {{"stage", options.stage}, {"error", error.message}});
  }
  pauses = std::min(pauses + 1, kPausesCountedMax);
  clock.sleep_for(backoff_after(options.retry, pauses, random()), stop);
  return {};
}

void Runner::Impl::resume() {
  batch_held = false;
  if (pauses == 0) return;
  pauses = 0;
  probe.paused(false);
  log_event(LogLevel::info, "stage_resumed", {{"stage", options.stage}});
}

void Runner::Impl::forget_suspects(const Offsets& consumed) {
  std::erase_if(suspects, [&](const auto& entry) {
    const auto found = consumed.find(entry.first.source);
    return found != consumed.end() && entry.first.offset < found->second;
  });
}

void Runner::Impl::update_lag(std::size_t in_hand) {
  const std::int64_t records =
      session->lag() + progress.unsettled() + static_cast<std::int64_t>(in_hand);
  lag.store(records, std::memory_order_relaxed);
  probe.lag(records);
  precedence.set_lag(records);
}

Runner::Runner(Log& log, const Clock& clock, MetricsRegistry& metrics, std::unique_ptr<Stage> stage,
               RunnerOptions options)
    : impl_{std::make_unique<Impl>(log, clock, metrics, std::move(stage), std::move(options))} {}

Runner::~Runner() { stop(); }

Status Runner::start(std::function<void(const Error&)> on_fatal) {
  assert(!impl_->session && !impl_->thread.joinable());
  impl_->on_fatal = std::move(on_fatal);
  if (Status opened = impl_->open(); !opened) {
    impl_->session.reset();
    return opened;
  }
  impl_->thread =
      std::jthread{[impl = impl_.get()](const std::stop_token& stop) { impl->run(stop); }};
  return {};
}

void Runner::stop() {
  std::jthread& thread = impl_->thread;
  if (!thread.joinable()) return;
  thread.request_stop();
  impl_->session->wake();
  if (thread.get_id() == std::this_thread::get_id()) return;  // on_fatal; joined by the owner
  thread.join();
  impl_->session.reset();
}

std::int64_t Runner::lag() const { return impl_->lag.load(std::memory_order_relaxed); }

}  // namespace millrace
