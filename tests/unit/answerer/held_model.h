#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "workers/answerer/language_model.h"

namespace millrace {

// Writes what it is told, in pieces; holds answers back, before any text or after the first piece,
// until they are released; notes which calls were closed. Thread-safe.
class HeldModel : public LanguageModel {
 public:
  enum class Hold { none, before, after_first };

  boost::asio::awaitable<Result<AnswerDraft>> answer(AnswerTask task,
                                                     DeltaHandler on_delta) override {
    const std::string question = task.question;
    const Script script = arrived(question);
    if (script.hold == Hold::before && !co_await wait(question)) co_return retryable("closed");
    AnswerDraft draft;
    for (const std::string& piece : script.pieces) {
      draft.text += piece;
      if (!on_delta(piece)) co_return retryable("closed");
      const bool first = draft.text.size() == piece.size();
      if (first && script.hold == Hold::after_first && !co_await wait(question)) {
        co_return retryable("closed");
      }
    }
    if (script.error) co_return *script.error;
    draft.confidence = 0.9;
    draft.model = name();
    draft.usage = {11, 7};
    co_return draft;
  }

  std::string name() const override { return "held"; }

  // What every call from now on does.
  void write(std::vector<std::string> pieces, Hold hold = Hold::none) {
    const std::lock_guard lock{mutex_};
    script_.pieces = std::move(pieces);
    script_.hold = hold;
  }
  void fail(std::optional<Error> error) {
    const std::lock_guard lock{mutex_};
    script_.error = std::move(error);
  }

  void release(const std::string& question) {
    const std::lock_guard lock{mutex_};
    released_.insert(question);
    const auto found = waiting_.find(question);
    if (found == waiting_.end()) return;
    const auto timer = found->second;
    boost::asio::post(timer->get_executor(), [timer] { timer->cancel(); });
  }

  void wait_for_call(const std::string& question) { wait_until(calls_, question); }
  void wait_for_close(const std::string& question) { wait_until(closed_, question); }
  int calls(const std::string& question) {
    const std::lock_guard lock{mutex_};
    return calls_[question];
  }

 private:
  struct Script {
    std::vector<std::string> pieces{"Water ", "boils ", "at 100 degrees."};
    Hold hold = Hold::none;
    std::optional<Error> error;
  };

  Script arrived(const std::string& question) {
    const std::lock_guard lock{mutex_};
    ++calls_[question];
    changed_.notify_all();
    return script_;
  }

  // False when the call was closed.
  boost::asio::awaitable<bool> wait(std::string question) {
    const auto timer =
        std::make_shared<boost::asio::steady_timer>(co_await boost::asio::this_coro::executor);
    timer->expires_at(boost::asio::steady_timer::time_point::max());
    bool released = false;
    {
      const std::lock_guard lock{mutex_};
      released = released_.contains(question);
      waiting_[question] = timer;
    }
    if (!released) {
      co_await timer->async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    }
    const std::lock_guard lock{mutex_};
    waiting_.erase(question);
    if (released_.contains(question)) co_return true;
    ++closed_[question];
    changed_.notify_all();
    co_return false;
  }

  void wait_until(std::map<std::string, int>& counts, const std::string& question) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return counts[question] > 0; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Script script_;
  std::map<std::string, std::shared_ptr<boost::asio::steady_timer>> waiting_;
  std::set<std::string> released_;
  std::map<std::string, int> calls_;
  std::map<std::string, int> closed_;
};

}  // namespace millrace
