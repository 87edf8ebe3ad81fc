#include "gateway/eraser.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/erasure.h"
#include "common/logging.h"
#include "gateway/document_json.h"
#include "gateway/mailbox.h"
#include "gateway/stored_event.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;
using State = DocumentProgress::State;

constexpr int kLooksPerStep = 4;
constexpr milliseconds kPauseMin{100};
constexpr milliseconds kPauseMax{30'000};
constexpr std::chrono::minutes kLookMax{1};  // documents grow old without a word
constexpr int kRoundsPerStep = 2;            // at most
constexpr int kStepsPerTidy = 2;             // between rounds without documents
constexpr std::size_t kRowsAtOnce = 500;     // so that requests get their turn on the pool
constexpr std::size_t kCollectionsMax = 10'000;
constexpr std::size_t kDocumentsMax = 10'000;  // of one round, and of one look that are over
constexpr std::size_t kRemovedAtOnce = 500;
constexpr milliseconds kTableWait{2'000};

milliseconds step(const Backend& backend) { return erasure_step(backend.options.erase_within); }

}  // namespace

Eraser::Eraser(const Backend& backend, LogDocumentService& documents, MetricsRegistry& metrics)
    : backend_{backend},
      documents_{documents},
      waiting_{metrics.gauge("erasure_waiting_documents",
                             "Documents that were deleted and whose bytes are not gone yet.")},
      oldest_seconds_{metrics.gauge("erasure_oldest_seconds",
                                    "How long the first of them has been waiting; 0: none is.")},
      erased_{metrics.counter("erasure_documents_total",
                              "Documents whose bytes are gone from every topic, index and table.")},
      over_{metrics.counter("retention_documents_total",
                            "Documents deleted since their collection keeps them no longer.")} {
  const Gauge within = metrics.gauge(
      "erasure_within_seconds", "Within which deleted documents are erased (erase_within_ms).");
  within.set(std::chrono::duration<double>(backend_.options.erase_within).count());
}

// On a strand: what run_blocking() posts wakes it from other threads.
void Eraser::start(net::io_context& io) {
  net::co_spawn(net::make_strand(io), run(), net::detached);
}

void Eraser::stop() { thread_.join(); }

net::awaitable<void> Eraser::run() {
  net::steady_timer timer{co_await net::this_coro::executor};
  const milliseconds pause = std::clamp(step(backend_) / kLooksPerStep, kPauseMin, kPauseMax);
  for (;;) {
    co_await pass();
    timer.expires_after(pause);
    co_await timer.async_wait(net::as_tuple(net::use_awaitable));
  }
}

net::awaitable<void> Eraser::pass() {
  auto seen = co_await look();
  if (seen) {
    waiting_.set(static_cast<double>(seen->waiting));
    oldest_ = seen->oldest;
    co_await remove_over(std::move(seen->over));
    co_await begin(*seen);
  }
  const auto age = oldest_ ? backend_.clock.wall_now() - *oldest_ : Clock::Wall::duration{0};
  oldest_seconds_.set(std::max(0.0, std::chrono::duration<double>(age).count()));
  if (round_) co_await go_on();
}

bool Eraser::must_look(const Offsets& ends) const {
  const Clock::Steady now = backend_.clock.now();
  return !looked_at_ || *looked_at_ != ends || now >= look_by_ || (!round_ && now >= next_tidy_);
}

net::awaitable<std::optional<Eraser::Seen>> Eraser::look() {
  auto ends = co_await topic_ends(backend_, topics::kDocumentEvents);
  if (!ends || !must_look(*ends)) co_return std::nullopt;  // the log says it itself
  const auto current =
      co_await applied_all(backend_, backend_.collections, topics::kCollections, kTableWait);
  if (!current || !*current) co_return std::nullopt;
  if (!co_await applied(backend_.documents, *ends, kTableWait)) co_return std::nullopt;
  Seen seen;
  while (!seen.done) {
    co_await run_blocking(backend_.pool, [this, &seen] {
      look_at_some(seen);
      return true;
    });
  }
  looked_at_ = std::move(*ends);
  look_by_ = backend_.clock.now() + kLookMax;
  co_return std::optional<Seen>{std::move(seen)};
}

void Eraser::look_at_some(Seen& seen) const {
  if (seen.at.empty()) {
    for (const Table::Row& row : backend_.collections.scan("", "", kCollectionsMax)) {
      auto collection = collection_from_row(row.key, row.value);
      if (collection) seen.collections.emplace(row.key, std::move(*collection));
    }
    if (!seen.collections.contains(kDefaultCollection)) {
      if (auto always = find_collection(backend_, std::string{kDefaultCollection})) {
        seen.collections.emplace(kDefaultCollection, std::move(*always));
      }
    }
  }
  const auto rows = backend_.documents.scan("", seen.at, kRowsAtOnce);
  seen.done = rows.size() < kRowsAtOnce;
  for (const Table::Row& row : rows) {
    seen.at = row.key;
    look_at(row, seen);
  }
}

void Eraser::look_at(const Table::Row& row, Seen& seen) const {
  const auto found = seen.collections.find(collection_of(row.key));
  const Collection* collection = found == seen.collections.end() ? nullptr : &found->second;
  const int generation = collection == nullptr ? kGeneration : collection->generation;
  const auto head = stored_document_head(row.value, generation);
  if (!head || head->state == State::erased) return;
  const bool rests = head->state == State::indexed || head->state == State::failed;
  const std::int64_t days = collection == nullptr ? 0 : collection->retention_days;
  if (rests && days == 0) return;
  auto status = document_from_row(row.key, row.value, generation);
  if (!status) return;
  const DocumentRef& document = status->progress.document;
  if (!status->progress.removal) {
    const bool is_over =
        days > 0 && document.accepted_at < backend_.clock.wall_now() - std::chrono::days{days};
    if (is_over && seen.over.size() < kDocumentsMax) seen.over.push_back(document);
    return;
  }
  ++seen.waiting;
  seen.oldest = std::min(seen.oldest.value_or(document.accepted_at), document.accepted_at);
  if (seen.removed.size() == kDocumentsMax || !is_deleted_everywhere(row.value, collection)) return;
  status->progress.generation = generation;
  seen.removed.push_back({row.key, std::move(status->progress), generations_in(row.value)});
}

net::awaitable<void> Eraser::remove_over(std::vector<DocumentRef> documents) {
  for (std::size_t at = 0; at < documents.size(); at += kRemovedAtOnce) {
    const auto begin = documents.begin() + static_cast<std::ptrdiff_t>(at);
    const auto end = documents.begin() +
                     static_cast<std::ptrdiff_t>(std::min(at + kRemovedAtOnce, documents.size()));
    const std::vector<DocumentRef> some{begin, end};
    const Status removed = co_await documents_.remove_all(nobody_, some);
    log_event(removed ? LogLevel::info : LogLevel::warning, "documents_over",
              {{"documents", some.size()}, {"error", removed ? "" : removed.error().message}});
    if (!removed) co_return;
    over_.add(static_cast<double>(some.size()));
  }
}

net::awaitable<void> Eraser::begin(Seen& seen) {
  const Clock::Steady now = backend_.clock.now();
  if (round_ || now < (seen.removed.empty() ? next_tidy_ : next_round_)) co_return;
  next_tidy_ = now + kStepsPerTidy * step(backend_);
  auto documents = co_await topic_ends(backend_, topics::kDocuments);
  if (!documents) co_return;
  if (seen.removed.empty()) {
    auto look = [this, &documents] { return has_records(backend_.log, tidied_, *documents); };
    const Result<bool> changed = co_await run_blocking(thread_, std::move(look));
    if (!changed || !*changed) co_return;
  }
  tidied_ = std::move(*documents);
  next_round_ = now + step(backend_) / kRoundsPerStep;
  round_.emplace(backend_, std::move(seen.removed));
}

net::awaitable<void> Eraser::go_on() {
  const std::string_view before = round_->waits_for();
  const Result<bool> done =
      co_await run_blocking(thread_, [this]() -> Result<bool> { return round_->advance(); });
  const std::string failure = done ? std::string{} : done.error().message;
  if (!failure.empty() && failure != failure_) {
    log_event(LogLevel::warning, "erasure_held_up",
              {{"waits_for", round_->waits_for()}, {"error", failure}});
  }
  failure_ = failure;
  if (round_->waits_for() != before) {
    log_event(LogLevel::debug, "erasure_goes_on", {{"waits_for", round_->waits_for()}});
  }
  if (!done || !*done) co_return;
  if (round_->erased() > 0) {
    erased_.add(static_cast<double>(round_->erased()));
    log_event(LogLevel::info, "documents_erased", {{"documents", round_->erased()}});
  }
  round_.reset();
}

}  // namespace millrace
