#include "workers/model/openvino_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <thread>

#include "common/clock.h"
#include "common/ids.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using Lane = EmbeddingModel::Lane;

std::filesystem::path model_folder() { return MILLRACE_MODEL_FOLDER; }

class OpenVinoModelTest : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<EmbeddingModel> load(OpenVinoOptions options = {}) {
    options.folder = model_folder();
    if (options.cache.empty()) options.cache = folder_ / "cache";
    auto model = load_openvino_model(options, metrics_);
    if (!model) throw std::runtime_error(model.error().message);
    return std::move(*model);
  }
  std::string error_of(const std::filesystem::path& folder) {
    auto model = load_openvino_model({folder, {}, 1, 2048, 256}, metrics_);
    if (model) return "loaded";
    EXPECT_EQ(model.error().kind, Error::Kind::fatal);
    return model.error().message;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("openvino_model_test-" + new_ulid(system_clock()));
  MetricsRegistry metrics_;
};

std::vector<float> embed(EmbeddingModel& model, const std::vector<std::string>& texts,
                         Lane lane = Lane::bulk) {
  auto vectors = model.embed(texts, lane);
  if (!vectors) throw std::runtime_error(vectors.error().message);
  return *vectors;
}

double dot(const std::vector<float>& rows, std::size_t a, std::size_t b, std::size_t dimensions) {
  double sum = 0;
  for (std::size_t i = 0; i < dimensions; ++i) {
    sum += static_cast<double>(rows[a * dimensions + i]) *
           static_cast<double>(rows[b * dimensions + i]);
  }
  return sum;
}

TEST_F(OpenVinoModelTest, knows_what_is_alike) {
  const auto model = load();
  ASSERT_EQ(model->dimensions(), 384);
  const auto rows = embed(*model, {"How do I reset my password?", "Steps to recover account access",
                                   "The mitochondrion is the powerhouse of the cell"});
  ASSERT_EQ(rows.size(), 3U * 384U);
  EXPECT_NEAR(dot(rows, 0, 0, 384), 1.0, 1e-5);
  // Values of another runtime (ONNX Runtime) and tokenizer with the same files.
  EXPECT_NEAR(dot(rows, 0, 1, 384), 0.5491, 0.01);
  EXPECT_NEAR(dot(rows, 0, 2, 384), 0.1300, 0.01);
}

TEST_F(OpenVinoModelTest, gives_each_text_the_same_vector_in_any_company) {
  const auto model = load();
  std::vector<std::string> texts;
  for (int i = 0; i < 40; ++i) {
    std::string text = "Text number " + std::to_string(i) + ".";
    for (int k = 0; k < (i * 7) % 60; ++k) text += " More words about topic " + std::to_string(k);
    texts.push_back(text);
  }
  texts.emplace_back();
  const auto together = embed(*model, texts);
  for (std::size_t i = 0; i < texts.size(); i += 5) {
    const auto alone = embed(*model, {texts[i]}, Lane::query);
    for (std::size_t k = 0; k < 384; ++k) ASSERT_NEAR(alone[k], together[i * 384 + k], 0.02);
  }
  EXPECT_TRUE(embed(*model, {}).empty());
}

TEST_F(OpenVinoModelTest, cuts_long_texts_to_max_tokens) {
  OpenVinoOptions options;
  options.max_tokens = 16;
  const auto model = load(options);
  std::string text =
      "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";
  const auto cut = embed(*model, {text});
  const auto longer = embed(*model, {text + " and much more that nobody reads"});
  EXPECT_EQ(cut, longer);
}

TEST_F(OpenVinoModelTest, serves_several_callers_at_once) {
  OpenVinoOptions options;
  options.encoders = 2;
  const auto model = load(options);
  const std::vector<std::string> texts(20, "The same sentence for everybody, again and again.");
  const auto wanted = embed(*model, {texts[0]}, Lane::query);
  std::vector<std::vector<float>> got(6);
  {
    std::vector<std::jthread> callers;
    for (std::size_t i = 0; i < got.size(); ++i) {
      callers.emplace_back([&, i] {
        got[i] = embed(*model, i % 2 == 0 ? texts : std::vector<std::string>{texts[0]},
                       i % 2 == 0 ? Lane::bulk : Lane::query);
      });
    }
  }
  for (const auto& rows : got) {
    ASSERT_FALSE(rows.empty());
    for (std::size_t k = 0; k < rows.size(); ++k) ASSERT_NEAR(rows[k], wanted[k % 384], 0.02);
  }
}

TEST_F(OpenVinoModelTest, counts_tokens_and_padding) {
  const auto model = load();
  const auto tokens = metrics_.counter("embedding_tokens_total", "", {{"lane", "query"}});
  const double before = tokens.value();
  embed(*model, {"hello world"}, Lane::query);
  EXPECT_EQ(tokens.value() - before, 4);
  EXPECT_THAT(metrics_.render(),
              HasSubstr("rag_embedding_generation_duration_count{lane=\"query\"}"));
}

TEST_F(OpenVinoModelTest, compiles_again_when_the_cached_file_is_damaged) {
  const auto wanted = embed(*load(), {"hello"});
  for (const auto& entry : std::filesystem::directory_iterator{folder_ / "cache"}) {
    std::filesystem::resize_file(entry.path(), 1000);
  }
  EXPECT_EQ(embed(*load(), {"hello"}), wanted);
}

TEST_F(OpenVinoModelTest, names_the_file_that_is_missing) {
  EXPECT_THAT(error_of(folder_), HasSubstr("tokenizer.json"));
  std::filesystem::copy(model_folder() / "tokenizer.json", folder_ / "tokenizer.json");
  EXPECT_THAT(error_of(folder_), HasSubstr("neither model.onnx nor onnx/model.onnx"));
}

TEST_F(OpenVinoModelTest, says_when_the_file_is_no_model) {
  std::filesystem::copy(model_folder() / "tokenizer.json", folder_ / "tokenizer.json");
  std::ofstream{folder_ / "model.onnx"} << "this is not a model";
  EXPECT_THAT(error_of(folder_), HasSubstr(folder_.string()));
}

TEST_F(OpenVinoModelTest, refuses_more_tokens_than_the_model_has_positions) {
  auto model = load_openvino_model({model_folder(), {}, 1, 2048, 1024}, metrics_);
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message, HasSubstr("1024 tokens"));
}

}  // namespace
}  // namespace millrace
