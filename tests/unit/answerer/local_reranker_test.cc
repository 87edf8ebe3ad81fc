#include "workers/answerer/local_reranker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace millrace {
namespace {

using ::testing::ElementsAre;

// Scores by length. A question "hold" is held until its stop is requested.
class LengthEncoder : public CrossEncoder {
 public:
  std::string name() const override { return "length"; }
  Result<std::vector<double>> score(std::string_view question,
                                    std::span<const std::string> passages,
                                    const std::stop_token& stop) override {
    thread = std::this_thread::get_id();
    if (question == "hold") {
      std::mutex mutex;
      std::unique_lock lock{mutex};
      std::condition_variable_any stopped;
      stopped.wait(lock, stop, [] { return false; });
    }
    if (stop.stop_requested()) return unavailable("stopped");
    std::vector<double> scores;
    for (const std::string& each : passages) scores.push_back(static_cast<double>(each.size()));
    return scores;
  }

  std::thread::id thread;
};

TEST(LocalReranker, scores_on_a_thread_of_its_own_one_question_after_another) {
  auto encoder = std::make_unique<LengthEncoder>();
  const LengthEncoder& seen = *encoder;
  LocalReranker reranker{std::move(encoder)};
  EXPECT_EQ(reranker.name(), "length");
  boost::asio::io_context io;
  std::stop_source stop;
  std::vector<std::optional<Result<std::vector<double>>>> results(2);
  const auto ask = [&](std::size_t number, RerankTask task) {
    boost::asio::co_spawn(
        io, reranker.score(std::move(task)),
        [&results, number](const std::exception_ptr&, Result<std::vector<double>> scores) {
          results[number] = std::move(scores);
        });
  };
  ask(0, {"hold", {"a"}, stop.get_token()});
  ask(1, {"go", {"one", "three"}, {}});
  io.run_one();
  io.run_one();
  stop.request_stop();
  io.run();
  ASSERT_TRUE(results[0] && results[1]);
  EXPECT_FALSE(*results[0]);
  ASSERT_TRUE(*results[1]);
  EXPECT_THAT(**results[1], ElementsAre(3, 5));
  EXPECT_NE(seen.thread, std::this_thread::get_id());
}

}  // namespace
}  // namespace millrace
