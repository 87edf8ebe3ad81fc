#include "workers/stage_host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/topics.h"
#include "tests/support/memory_log.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

// Stages of a process whose model is not where it should be.
class StageHostTest : public testing::Test {
 protected:
  StageHostTest() : log_{make_memory_log(metrics_)} {
    const Status made = log_->create_topics(topic_specs(2, kGeneration));
    EXPECT_TRUE(made);
  }
  StageHost host(const std::vector<std::string>& stages) {
    return {config_, *find_stages(stages), metrics_, readiness_};
  }
  static Config config() {
    ConfigSources sources;
    sources.flags = {{"model_dir", "/nonexistent"}, {"openai_base_url", "http://127.0.0.1:1/v1"}};
    return *Config::load(sources);
  }

  const Config config_ = config();
  MetricsRegistry metrics_;
  Readiness readiness_;
  std::unique_ptr<Log> log_;
};

TEST_F(StageHostTest, loads_nothing_that_its_stages_do_not_need) {
  StageHost stages = host({"extractor", "answerer"});
  const Status loaded = stages.load();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_FALSE(readiness_.ready());
  const Status started = stages.start(*log_, nullptr, [](const Error&) {});
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_TRUE(readiness_.ready()) << readiness_.describe();
  EXPECT_FALSE(stages.answers_by().empty());
  stages.stop();
}

TEST_F(StageHostTest, says_which_model_is_missing) {
  for (const std::string stage : {"chunker", "embedder", "query-embedder", "indexer"}) {
    const Status loaded = host({stage}).load();
    ASSERT_FALSE(loaded) << stage;
    EXPECT_THAT(loaded.error().message, HasSubstr("/nonexistent")) << stage;
  }
}

TEST_F(StageHostTest, names_the_folder_of_a_re_ranker_that_is_missing) {
  ConfigSources sources;
  sources.flags = {{"rerank_model", "/nonexistent/reranker"},
                   {"openai_base_url", "http://127.0.0.1:1/v1"}};
  const Config wrong = *Config::load(sources);
  StageHost answering{wrong, *find_stages(std::vector<std::string>{"answerer"}), metrics_,
                      readiness_};
  const Status loaded = answering.load();
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message,
              HasSubstr("re-ranking model /nonexistent/reranker: there is no such folder"));
  StageHost other{wrong, *find_stages(std::vector<std::string>{"extractor"}), metrics_, readiness_};
  EXPECT_TRUE(other.load());
}

TEST_F(StageHostTest, names_the_stage_that_cannot_start) {
  const std::unique_ptr<Log> empty = make_memory_log(metrics_);
  StageHost stages = host({"extractor"});
  ASSERT_TRUE(stages.load());
  const Status started = stages.start(*empty, nullptr, [](const Error&) {});
  ASSERT_FALSE(started);
  EXPECT_THAT(started.error().message, HasSubstr("start the stage extractor: "));
  EXPECT_FALSE(readiness_.ready());
}

}  // namespace
}  // namespace millrace
