#include "gateway/appender.h"

#include "gateway/mailbox.h"

namespace millrace {
namespace {

// The log answers every append; this only bounds a log that has stopped answering.
constexpr std::chrono::seconds kAppendTimeout{60};

}  // namespace

boost::asio::awaitable<Result<std::vector<Position>>> Appender::append(
    std::vector<Record> records) {
  using Outcome = Result<std::vector<Position>>;
  const auto executor = co_await boost::asio::this_coro::executor;
  const auto box = std::make_shared<Mailbox<Outcome>>(executor, 1);
  {
    const std::lock_guard lock{mutex_};
    ++unfinished_;
  }
  writer_->append_async(std::move(records), [this, box](Outcome outcome) {
    box->push(std::move(outcome));
    finished();
  });
  auto batch = co_await box->receive(kAppendTimeout);
  if (batch.items.empty()) {
    Outcome late = unavailable("the log has not answered an append for 60 s");
    co_return late;
  }
  co_return std::move(batch.items.front());
}

void Appender::finished() {
  const std::lock_guard lock{mutex_};
  --unfinished_;
  idle_.notify_all();
}

void Appender::wait_idle() {
  std::unique_lock lock{mutex_};
  idle_.wait(lock, [this] { return unfinished_ == 0; });
}

}  // namespace millrace
