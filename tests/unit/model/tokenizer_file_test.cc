#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/clock.h"
#include "common/ids.h"
#include "workers/model/tokenizer.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kNormalizer = R"({"type":"BertNormalizer","lowercase":true})";
constexpr const char* kPostProcessor =
    R"({"type":"BertProcessing","sep":["[SEP]",2],"cls":["[CLS]",1]})";
constexpr const char* kModel =
    R"({"type":"WordPiece","vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"word":3,"Word":4}})";

class TokenizerFile : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Result<std::unique_ptr<Tokenizer>> load(const std::string& json) {
    std::ofstream{folder_ / "tokenizer.json"} << json;
    return load_tokenizer(folder_ / "tokenizer.json");
  }
  static std::string whole(const std::string& normalizer = kNormalizer,
                           const std::string& pre_tokenizer = R"({"type":"BertPreTokenizer"})",
                           const std::string& post_processor = kPostProcessor,
                           const std::string& model = kModel) {
    return R"({"normalizer":)" + normalizer + R"(,"pre_tokenizer":)" + pre_tokenizer +
           R"(,"post_processor":)" + post_processor + R"(,"model":)" + model + "}";
  }
  void expect_rejected(const std::string& json, const std::string& reason) {
    const auto tokenizer = load(json);
    ASSERT_FALSE(tokenizer) << json;
    EXPECT_EQ(tokenizer.error().kind, Error::Kind::rejected);
    EXPECT_THAT(tokenizer.error().message, HasSubstr(reason));
    EXPECT_THAT(tokenizer.error().message, HasSubstr("tokenizer.json"));
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("tokenizer_test-" + new_ulid(system_clock()));
};

TEST_F(TokenizerFile, of_the_older_form_is_read) {
  const auto tokenizer = load(whole());
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT((*tokenizer)->encode("Word", 9), ElementsAre(1, 3, 2));
}

TEST_F(TokenizerFile, decides_whether_case_matters) {
  const auto tokenizer = load(whole(R"({"type":"BertNormalizer","lowercase":false})"));
  ASSERT_TRUE(tokenizer) << tokenizer.error().message;
  EXPECT_THAT((*tokenizer)->encode("Word word", 9), ElementsAre(1, 4, 3, 2));
}

TEST_F(TokenizerFile, of_another_family_is_rejected_with_the_reason) {
  const std::string bert = R"({"type":"BertPreTokenizer"})";
  expect_rejected(whole(kNormalizer, bert, kPostProcessor, R"({"type":"Unigram","vocab":[]})"),
                  "found Unigram");
  expect_rejected(whole(R"({"type":"NFKC"})"), "found NFKC");
  expect_rejected(whole("null"), "normalizer");
  expect_rejected(whole(kNormalizer, R"({"type":"Metaspace"})"), "found Metaspace");
  expect_rejected(whole(kNormalizer, bert, R"({"type":"RobertaProcessing"})"), "RobertaProcessing");
}

TEST_F(TokenizerFile, that_is_broken_is_rejected_with_the_reason) {
  const std::string bert = R"({"type":"BertPreTokenizer"})";
  expect_rejected("{", "tokenizer.json");
  expect_rejected("[]", "expected an object");
  expect_rejected("{}", "found nothing");
  const auto with_model = [&](const char* model) {
    return whole(kNormalizer, bert, kPostProcessor, model);
  };
  expect_rejected(with_model(R"({"type":"WordPiece"})"), "model.vocab");
  expect_rejected(with_model(R"({"type":"WordPiece","vocab":{"a":0}})"), "[UNK]");
  expect_rejected(with_model(R"({"type":"WordPiece","vocab":{"[UNK]":-1}})"), "no token id");
  expect_rejected(with_model(R"({"type":"WordPiece","vocab":{"[UNK]":"x"}})"), "no token id");
  expect_rejected(with_model(R"({"type":"WordPiece","max_input_chars_per_word":0,"vocab":{}})"),
                  "max_input_chars_per_word");
  expect_rejected(whole(kNormalizer, bert, R"({"type":"BertProcessing","sep":["[SEP]"]})"), "cls");
  expect_rejected(
      whole(kNormalizer, bert,
            R"({"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[X]"}}]})"),
      "[X]");
}

TEST_F(TokenizerFile, that_is_missing_is_named) {
  const auto tokenizer = load_tokenizer(folder_ / "nowhere.json");
  ASSERT_FALSE(tokenizer);
  EXPECT_THAT(tokenizer.error().message, HasSubstr("nowhere.json"));
}

}  // namespace
}  // namespace millrace
