#include "gateway/dead_letter_keeper.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "common/logging.h"
#include "gateway/mailbox.h"
#include "gateway/stored_letter.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::chrono::seconds kPause{2};
constexpr std::chrono::minutes kPauseMax{
    60};                                  // where nothing new comes: letters grow old all the same
constexpr std::size_t kRowsAtOnce = 500;  // so that requests get their turn on the pool
constexpr std::size_t kOverMax = 1'000;   // tombstones of one pass
constexpr std::chrono::milliseconds kTableWait{2'000};

std::chrono::milliseconds retention_of_letters() {
  for (const TopicRow& row : topic_table()) {
    if (row.name == topics::kDeadLetters) return row.retention;
  }
  return std::chrono::milliseconds::max();  // not reached: the table has it
}

std::size_t place_of(std::string_view stage) {
  const auto& stages = DeadLetterKeeper::kStages;
  const auto found = std::ranges::find(stages, stage);
  if (found == stages.end()) return stages.size() - 1;
  return static_cast<std::size_t>(found - stages.begin());
}

}  // namespace

DeadLetterKeeper::DeadLetterKeeper(const Backend& backend, MetricsRegistry& metrics)
    : backend_{backend}, retention_{retention_of_letters()} {
  for (std::size_t i = 0; i < kStages.size(); ++i) {
    waiting_[i] =
        metrics.gauge("dead_letters_waiting", "Dead letters that were neither redriven nor purged.",
                      {{"stage", std::string{kStages[i]}}});
  }
}

void DeadLetterKeeper::start(net::io_context& io) {
  net::co_spawn(net::make_strand(io), run(), net::detached);
}

net::awaitable<void> DeadLetterKeeper::run() {
  const auto executor = co_await net::this_coro::executor;
  net::steady_timer timer{executor};
  for (;;) {
    co_await pass();
    timer.expires_after(kPause);
    co_await timer.async_wait(net::as_tuple(net::use_awaitable));
  }
}

void DeadLetterKeeper::look_at_some(Pass& pass) const {
  const Clock::Wall over = backend_.clock.wall_now() - retention_;
  const auto rows = backend_.letters.scan(kLetterOrder, pass.at, kRowsAtOnce);
  pass.done = rows.size() < kRowsAtOnce;
  for (const Table::Row& row : rows) {
    pass.at = row.key;
    const auto stored = letter_from_row(row.key, row.value);
    if (!stored) continue;
    if (stored->letter.at < over) {
      if (pass.over.size() < kOverMax) pass.over.push_back(dead_letter_tombstone(stored->letter));
    } else if (!stored->letter.redriven) {
      ++pass.waiting[place_of(stored->letter.stage)];
    }
  }
}

net::awaitable<void> DeadLetterKeeper::pass() {
  auto ends = co_await topic_ends(backend_, topics::kDeadLetters);
  if (!ends) co_return;  // the log says it itself
  const Offset end = ends->empty() ? 0 : ends->begin()->second;
  if (end == counted_ && backend_.clock.now() < count_by_) co_return;
  if (!co_await applied(backend_.letters, std::move(*ends), kTableWait)) co_return;
  Pass pass;
  pass.at = kLetterOrder;
  while (!pass.done) {
    co_await run_blocking(backend_.pool, [this, &pass] {
      look_at_some(pass);
      return true;
    });
  }
  for (std::size_t i = 0; i < kStages.size(); ++i) {
    waiting_[i].set(static_cast<double>(pass.waiting[i]));
  }
  counted_ = end;
  count_by_ = backend_.clock.now() + kPauseMax;
  if (pass.over.empty()) co_return;
  const std::size_t count = pass.over.size();
  const auto stored = co_await backend_.appender.append(std::move(pass.over));
  if (!stored) counted_ = -1;
  log_event(LogLevel::info, "dead_letters_over",
            {{"letters", count}, {"error", stored ? "" : stored.error().message}});
}

}  // namespace millrace
