#include "gateway/document_turns.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace millrace {
namespace {

constexpr std::chrono::milliseconds kPause{5};  // about an append to the log

}  // namespace

boost::asio::awaitable<std::optional<DocumentTurns::Turn>> DocumentTurns::to_write(
    std::vector<std::string> keys) {
  using Clock = std::chrono::steady_clock;
  const auto executor = co_await boost::asio::this_coro::executor;
  boost::asio::steady_timer timer{executor};
  const auto until = Clock::now() + kWaitMax;
  while (!begin_writing(keys)) {
    if (Clock::now() >= until) co_return std::nullopt;
    timer.expires_after(kPause);
    co_await timer.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  co_return std::optional<Turn>{std::in_place, *this, std::move(keys), false};
}

bool DocumentTurns::begin_writing(const std::vector<std::string>& keys) {
  const std::lock_guard lock{mutex_};
  const bool taken = std::ranges::any_of(
      keys, [this](const std::string& key) { return sent_again_.contains(key); });
  if (taken) return false;
  for (const std::string& key : keys) ++writers_[key];
  return true;
}

std::optional<DocumentTurns::Turn> DocumentTurns::to_send_again(const std::string& key) {
  const std::lock_guard lock{mutex_};
  if (writers_.contains(key) || !sent_again_.insert(key).second) return std::nullopt;
  return std::optional<Turn>{std::in_place, *this, std::vector{key}, true};
}

void DocumentTurns::end(const Turn& turn) {
  const std::lock_guard lock{mutex_};
  for (const std::string& key : turn.keys_) {
    if (turn.alone_) {
      sent_again_.erase(key);
    } else if (const auto found = writers_.find(key); --found->second == 0) {
      writers_.erase(found);
    }
  }
}

}  // namespace millrace
