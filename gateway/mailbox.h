#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace millrace {

// The one bridge from other threads into a coroutine: a bounded box that any thread fills and one
// coroutine empties. A push into a full box closes it ("slow_client"): a reader that falls behind
// is cut off, never waited for. Made on the reader's strand; must be destroyed before its
// io_context.
template <class T>
class Mailbox : public std::enable_shared_from_this<Mailbox<T>> {
 public:
  Mailbox(boost::asio::any_io_executor executor, std::size_t capacity)
      : executor_{executor}, timer_{executor}, capacity_{capacity} {}

  struct Batch {
    std::vector<T> items;
    bool closed = false;  // nothing comes after these
    std::string reason;
  };

  enum class Pushed { stored, closed, overflowed };

  Pushed push(T item) {
    Pushed pushed = Pushed::stored;
    {
      const std::lock_guard lock{mutex_};
      if (closed_) return Pushed::closed;
      if (items_.size() < capacity_) {
        items_.push_back(std::move(item));
      } else {
        pushed = Pushed::overflowed;
        close_locked("slow_client");
        items_.clear();
      }
      if (!std::exchange(waiting_, false)) return pushed;
    }
    wake();
    return pushed;
  }

  void close(std::string reason) {
    {
      const std::lock_guard lock{mutex_};
      if (closed_) return;
      close_locked(std::move(reason));
      if (!std::exchange(waiting_, false)) return;
    }
    wake();
  }

  // Everything that is there; waits up to `wait` for the first item.
  boost::asio::awaitable<Batch> receive(std::chrono::milliseconds wait) {
    const auto until = boost::asio::steady_timer::clock_type::now() + wait;
    for (;;) {
      {
        const std::lock_guard lock{mutex_};
        const bool late = boost::asio::steady_timer::clock_type::now() >= until;
        if (!items_.empty() || closed_ || late) {
          Batch batch{std::exchange(items_, {}), closed_, reason_};
          co_return batch;
        }
        waiting_ = true;
      }
      timer_.expires_at(until);
      co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
      const std::lock_guard lock{mutex_};
      waiting_ = false;
    }
  }

 private:
  void close_locked(std::string reason) {
    closed_ = true;
    reason_ = std::move(reason);
  }
  // On the reader's strand, so after its async_wait has begun.
  void wake() {
    boost::asio::post(executor_, [self = this->shared_from_this()] { self->timer_.cancel(); });
  }

  boost::asio::any_io_executor executor_;
  boost::asio::steady_timer timer_;
  const std::size_t capacity_;
  std::mutex mutex_;
  std::vector<T> items_;
  bool closed_ = false;
  bool waiting_ = false;
  std::string reason_;
};

// Runs `work` on `pool` and waits for its result without holding an Asio thread. A coroutine waits
// for one piece of work at a time, so the pool's queue is bounded by the number of connections.
template <class Pool, class Work>
auto run_blocking(Pool& pool, Work work) -> boost::asio::awaitable<decltype(work())> {
  using Value = decltype(work());
  const auto executor = co_await boost::asio::this_coro::executor;
  const auto box = std::make_shared<Mailbox<Value>>(executor, 1);
  boost::asio::post(pool, [box, work = std::move(work)]() mutable { box->push(work()); });
  for (;;) {
    auto batch = co_await box->receive(std::chrono::hours{1});
    if (!batch.items.empty()) co_return std::move(batch.items.front());
  }
}

}  // namespace millrace
