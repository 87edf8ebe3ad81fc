#include "workers/model/cross_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <openvino/openvino.hpp>
#include <openvino/opsets/opset8.hpp>

#include "common/clock.h"
#include "common/ids.h"

namespace millrace {
namespace {

namespace op = ov::opset8;
using ::testing::HasSubstr;

constexpr const char* kTokenizer =
    R"({"normalizer":{"type":"BertNormalizer","lowercase":true},)"
    R"("pre_tokenizer":{"type":"BertPreTokenizer"},)"
    R"("post_processor":{"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]},)"
    R"("model":{"type":"WordPiece","vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"good":3,"bad":4,)"
    R"("broken":5}}})";
// What each token adds to a logit.
constexpr float kGood = 0.125F;
constexpr float kSeparator = 0.5F;
const std::vector<float> kWorth{0,     100,    kSeparator,
                                kGood, -kGood, std::numeric_limits<float>::quiet_NaN()};

struct Shape {
  std::int64_t labels = 1;
  bool types = true;  // token_type_ids: then only the passage's tokens count
  const char* ids_name = "input_ids";
  ov::element::Type ids_type = ov::element::i64;
};

std::shared_ptr<op::Parameter> input(const char* name, ov::element::Type type) {
  auto parameter = std::make_shared<op::Parameter>(type, ov::PartialShape{-1, -1});
  parameter->output(0).set_names({name});
  parameter->set_friendly_name(name);
  return parameter;
}

ov::Output<ov::Node> axis(std::int64_t number) {
  return op::Constant::create(ov::element::i64, {1}, {number});
}

// logits = sum over the tokens that count of worth[token], in the last of `labels` columns.
std::shared_ptr<ov::Model> model_of(const Shape& shape) {
  const auto ids = input(shape.ids_name, shape.ids_type);
  const auto mask = input("attention_mask", ov::element::i64);
  ov::ParameterVector inputs{ids, mask};
  ov::Output<ov::Node> counts = mask;
  if (shape.types) {
    inputs.push_back(input("token_type_ids", ov::element::i64));
    counts = std::make_shared<op::Multiply>(mask, inputs.back());
  }
  const auto labels = static_cast<std::size_t>(shape.labels);
  std::vector<float> table(kWorth.size() * labels);
  for (std::size_t i = 0; i < kWorth.size(); ++i) table[(i + 1) * labels - 1] = kWorth[i];
  const auto worth = op::Constant::create(ov::element::f32, {kWorth.size(), labels}, table);
  const auto rows = std::make_shared<op::Gather>(
      worth, ids, op::Constant::create(ov::element::i64, {}, {std::int64_t{0}}));
  const auto weights = std::make_shared<op::Unsqueeze>(
      std::make_shared<op::Convert>(counts, ov::element::f32), axis(2));
  // Not a product: a token that does not count may be worth a NaN.
  const auto counted = std::make_shared<op::Select>(
      std::make_shared<op::Greater>(weights, op::Constant::create(ov::element::f32, {}, {0.5F})),
      rows, op::Constant::create(ov::element::f32, {}, {0.0F}));
  const auto logits = std::make_shared<op::ReduceSum>(counted, axis(1), false);
  logits->output(0).set_names({"logits"});
  return std::make_shared<ov::Model>(ov::OutputVector{logits}, inputs);
}

double sigmoid(double logit) { return 1 / (1 + std::exp(-logit)); }

class CrossEncoderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    write_tokenizer(kTokenizer);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void write_tokenizer(const std::string& json) {
    std::ofstream{folder_ / "tokenizer.json"} << json;
  }
  void write_model(const Shape& shape, const char* name = "model.xml") {
    ov::serialize(model_of(shape), (folder_ / name).string());
  }
  std::unique_ptr<CrossEncoder> load() {
    auto model = load_cross_encoder(options_);
    if (!model) throw std::runtime_error(model.error().message);
    return *std::move(model);
  }
  std::vector<double> scores(const std::vector<std::string>& passages,
                             const std::string& question = "bad good") {
    auto scores = load()->score(question, passages, {});
    if (!scores) throw std::runtime_error(scores.error().message);
    return *scores;
  }
  std::string error_of_load() {
    const auto model = load_cross_encoder(options_);
    if (model) return "loaded";
    EXPECT_EQ(model.error().kind, Error::Kind::fatal);
    EXPECT_THAT(model.error().message, HasSubstr(folder_.string()));
    return model.error().message;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("cross_encoder_test-" + new_ulid(system_clock()));
  CrossEncoderOptions options_{.folder = folder_, .max_tokens = 32};
};

TEST_F(CrossEncoderTest, scores_each_passage_by_the_sigmoid_of_its_logit) {
  write_model({});
  const auto found = scores({"good good", "bad", "", "good"});
  ASSERT_EQ(found.size(), 4U);
  EXPECT_NEAR(found[0], sigmoid(2 * 0.125 + 0.5), 0.005);
  EXPECT_NEAR(found[1], sigmoid(-0.125 + 0.5), 0.005);
  EXPECT_NEAR(found[2], sigmoid(0.5), 0.005);
  EXPECT_NEAR(found[3], sigmoid(0.125 + 0.5), 0.005);
  EXPECT_TRUE(scores({}).empty());
}

TEST_F(CrossEncoderTest, takes_the_second_of_two_labels) {
  write_model({.labels = 2}, "openvino_model.xml");
  const auto found = scores({"good good"});
  EXPECT_NEAR(found.at(0), sigmoid(2 * 0.125 + 0.5), 0.005);
}

TEST_F(CrossEncoderTest, does_without_segments_where_the_model_has_none) {
  write_model({.types = false});
  // Both [SEP], the question and [CLS], which outweighs all, count too.
  EXPECT_GT(scores({"bad bad"}, "bad").at(0), 0.999);
}

TEST_F(CrossEncoderTest, cuts_long_passages_and_pads_short_ones_without_a_trace) {
  write_model({});
  std::string text;
  for (int i = 0; i < 1'000; ++i) text += "good ";
  std::vector<std::string> passages(70, "bad");
  passages[33] = text;
  const auto found = scores(passages);
  for (std::size_t i = 0; i < found.size(); ++i) {
    // [CLS] bad good [SEP], and [SEP] at the end.
    const double logit = i == 33 ? (32 - 5) * 0.125 + 0.5 : -0.125 + 0.5;
    ASSERT_NEAR(found[i], sigmoid(logit), 0.005) << i;
  }
}

TEST_F(CrossEncoderTest, fails_on_an_output_that_is_no_number) {
  write_model({});
  const auto model = load();
  const auto broken = model->score("good", std::vector<std::string>{"good", "broken"}, {});
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().kind, Error::Kind::retryable);
  EXPECT_TRUE(model->score("broken", std::vector<std::string>{"good"}, {}));
}

TEST_F(CrossEncoderTest, stops_when_nobody_waits_any_more) {
  write_model({});
  std::stop_source stop;
  stop.request_stop();
  const auto stopped =
      load()->score("good", std::vector<std::string>{"good", "bad"}, stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, Error::Kind::unavailable);
}

TEST_F(CrossEncoderTest, says_what_is_wrong_with_the_folder) {
  EXPECT_THAT(error_of_load(), HasSubstr("none of model.onnx, onnx/model.onnx, model.xml"));
  std::ofstream{folder_ / "model.onnx"} << "this is not a model";
  EXPECT_NE(error_of_load(), "loaded");
  std::filesystem::remove(folder_ / "model.onnx");
  write_model({});
  EXPECT_EQ(error_of_load(), "loaded");
  options_.folder = folder_ / "nowhere";
  EXPECT_THAT(error_of_load(), HasSubstr("no such folder"));
  options_.folder = folder_;
  write_tokenizer(R"({"model":{"type":"Unigram","vocab":[]}})");
  EXPECT_THAT(error_of_load(), HasSubstr("found Unigram"));
  std::filesystem::remove(folder_ / "tokenizer.json");
  EXPECT_THAT(error_of_load(), HasSubstr("tokenizer.json"));
}

TEST_F(CrossEncoderTest, says_what_is_wrong_with_the_model) {
  write_model({.labels = 3});
  EXPECT_THAT(error_of_load(), HasSubstr("no float output [pairs, 1] or [pairs, 2]"));
  write_model({.ids_name = "pixels"});
  EXPECT_THAT(error_of_load(), HasSubstr("its input pixels"));
  write_model({.ids_type = ov::element::i32});
  EXPECT_THAT(error_of_load(), HasSubstr("its input input_ids i32"));
}

}  // namespace
}  // namespace millrace
