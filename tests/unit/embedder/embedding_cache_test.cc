#include "workers/embedder/embedding_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/support/fake_embedding_model.h"

namespace millrace {
namespace {

using testing::ElementsAre;

class EmbeddingCacheTest : public testing::Test {
 protected:
  static constexpr std::size_t kPlenty = 1U << 20U;

  std::vector<float> expected(std::initializer_list<std::string> texts) const {
    std::vector<float> rows;
    for (const std::string& text : texts) {
      const std::vector<float> row = model_.vector_of(text);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    return rows;
  }
  std::vector<float> embed(EmbeddingCache& cache, const std::vector<std::string>& texts,
                           int generation = 1) {
    const auto rows = cache.embed(model_, generation, texts);
    EXPECT_TRUE(rows) << rows.error().message;
    return rows ? *rows : std::vector<float>{};
  }
  double hit_rate() { return metrics_.gauge("rag_cache_hit_rate", "").value(); }
  double bytes() { return metrics_.gauge("embedding_cache_bytes", "").value(); }

  FakeEmbeddingModel model_{8};
  MetricsRegistry metrics_;
};

TEST_F(EmbeddingCacheTest, asks_the_model_once_for_what_it_does_not_have) {
  EmbeddingCache cache{kPlenty, metrics_};
  EXPECT_EQ(embed(cache, {"a", "b"}), expected({"a", "b"}));
  EXPECT_EQ(embed(cache, {"c", "b", "d", "c"}), expected({"c", "b", "d", "c"}));
  EXPECT_EQ(embed(cache, {"d", "a"}), expected({"d", "a"}));
  ASSERT_EQ(model_.calls().size(), 2U);
  EXPECT_THAT(model_.calls()[1].texts, ElementsAre("c", "d"));
  EXPECT_EQ(model_.calls()[1].lane, EmbeddingModel::Lane::query);
  EXPECT_DOUBLE_EQ(hit_rate(), 3.0 / 8.0);
}

TEST_F(EmbeddingCacheTest, keeps_generations_apart_which_may_have_other_models) {
  EmbeddingCache cache{kPlenty, metrics_};
  embed(cache, {"a"});
  FakeEmbeddingModel wider{16};
  const auto rows = cache.embed(wider, 7, std::vector<std::string>{"a"});
  ASSERT_TRUE(rows);
  EXPECT_EQ(*rows, wider.vector_of("a"));
  EXPECT_EQ(embed(cache, {"a"}), expected({"a"}));
  EXPECT_EQ(model_.calls().size(), 1U);
}

TEST_F(EmbeddingCacheTest, forgets_what_was_not_asked_for_the_longest) {
  EmbeddingCache measured{kPlenty, metrics_};
  embed(measured, {"a"});
  const auto one = static_cast<std::size_t>(bytes());
  EmbeddingCache cache{2 * one, metrics_};
  embed(cache, {"a"});
  embed(cache, {"b"});
  embed(cache, {"a"});
  embed(cache, {"c"});  // b goes
  EXPECT_LE(bytes(), 2.0 * static_cast<double>(one));
  const std::size_t before = model_.calls().size();
  embed(cache, {"a", "c"});
  EXPECT_EQ(model_.calls().size(), before);
  embed(cache, {"b"});
  EXPECT_EQ(model_.calls().size(), before + 1);
}

TEST_F(EmbeddingCacheTest, keeps_nothing_that_is_larger_than_all_of_it) {
  EmbeddingCache cache{1'000, metrics_};
  embed(cache, {"a"});
  EXPECT_EQ(embed(cache, {std::string(2'000, 'x')}), expected({std::string(2'000, 'x')}));
  embed(cache, {"a"});
  EXPECT_EQ(model_.calls().size(), 2U) << "the small one stayed";
  EmbeddingCache none{0, metrics_};
  embed(none, {"a"});
  embed(none, {"a"});
  EXPECT_EQ(model_.calls().size(), 4U);
  EXPECT_EQ(bytes(), 0.0);
}

TEST_F(EmbeddingCacheTest, keeps_nothing_of_a_call_that_fails) {
  EmbeddingCache cache{kPlenty, metrics_};
  model_.fail(unavailable("down"));
  const auto failed = cache.embed(model_, 1, std::vector<std::string>{"a"});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().kind, Error::Kind::unavailable);
  EXPECT_EQ(embed(cache, {"a"}), expected({"a"}));
}

TEST_F(EmbeddingCacheTest, has_a_hit_rate_of_the_newest_thousand) {
  EmbeddingCache cache{kPlenty, metrics_};
  for (int i = 0; i < 1'000; ++i) embed(cache, {"miss " + std::to_string(i)});
  EXPECT_EQ(hit_rate(), 0.0);
  for (int i = 0; i < 250; ++i) embed(cache, {"miss 0"});
  EXPECT_DOUBLE_EQ(hit_rate(), 0.25);
  for (int i = 0; i < 2'000; ++i) embed(cache, {"miss 0"});
  EXPECT_DOUBLE_EQ(hit_rate(), 1.0);
}

TEST_F(EmbeddingCacheTest, serves_several_embedders_at_once) {
  EmbeddingCache cache{4'000, metrics_};  // so little that they also push each other's out
  std::vector<std::jthread> embedders;
  for (int generation = 1; generation <= 4; ++generation) {
    embedders.emplace_back([&, generation] {
      for (int i = 0; i < 500; ++i) {
        const std::string text = "question " + std::to_string(i % 20);
        EXPECT_EQ(embed(cache, {text}, generation % 2), expected({text}));
      }
    });
  }
  embedders.clear();
  EXPECT_LE(bytes(), 4'000.0);
}

}  // namespace
}  // namespace millrace
