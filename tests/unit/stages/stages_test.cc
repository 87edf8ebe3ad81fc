#include "workers/stages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "gateway/lag_watch.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string_view> found(const std::vector<std::string>& names) {
  std::vector<std::string_view> out;
  const auto rows = find_stages(names);
  EXPECT_TRUE(rows) << rows.error().message;
  if (!rows) return out;
  for (const StageRow* row : *rows) out.push_back(row->name);
  return out;
}

std::string mistake(const std::vector<std::string>& names) {
  const auto rows = find_stages(names);
  return rows ? "" : rows.error().message;
}

TEST(FindStages, takes_names_in_any_order_and_often) {
  EXPECT_THAT(found({"embedder", "extractor", "embedder"}), ElementsAre("extractor", "embedder"));
}

TEST(FindStages, finds_all) {
  EXPECT_EQ(found({"all"}).size(), stage_table().size());
  EXPECT_EQ(found({"chunker", "all"}).size(), stage_table().size());
}

TEST(FindStages, brings_along_what_runs_beside_a_stage_and_nowhere_else) {
  EXPECT_THAT(found({"indexer"}), ElementsAre("indexer", "searcher"));
  EXPECT_THAT(found({"searcher", "indexer"}), ElementsAre("indexer", "searcher"));
  EXPECT_THAT(mistake({"searcher"}), HasSubstr("say --stage=indexer"));
}

TEST(FindStages, says_what_there_is_instead_of_a_wrong_name) {
  EXPECT_THAT(mistake({"extractor", "chunkr"}), HasSubstr("there is no stage \"chunkr\"; there are "
                                                          "extractor, chunker, "));
  EXPECT_THAT(mistake({""}), HasSubstr("there is no stage \"\""));
  EXPECT_THAT(mistake({}), HasSubstr("Say --stage=NAME"));
}

// The gateway knows no stage, and measures what waits for each but the sweeper, for which nobody
// waits.
TEST(StageTable, is_what_the_gateway_measures_the_lag_of) {
  using enum GenerationSettings::Source;
  for (const auto& [generation, source] : {std::pair{1, texts}, {7, texts}, {7, documents}}) {
    std::map<std::string, std::vector<std::string>> measured;
    for (const StageInputs& inputs : stage_inputs(generation, source)) {
      measured.emplace(inputs.group, inputs.topics);
    }
    std::map<std::string, std::vector<std::string>> there;
    for (const StageRow& row : stage_table()) {
      if (row.name == "sweeper" || (generation != 1 && !row.per_generation)) continue;
      if (row.source.value_or(source) != source) continue;
      there.emplace(of_generation(row.name, generation), row.inputs(generation));
    }
    EXPECT_EQ(measured, there);
  }
}

TEST(StageTable, speaks_of_topics_and_stages_that_there_are) {
  constexpr int kSomeGeneration = 3;
  std::set<std::string> topics;
  for (const TopicSpec& spec : topic_specs(1, kSomeGeneration)) topics.insert(spec.name);
  for (const StageRow& row : stage_table()) {
    for (const auto& listed : {row.inputs(kSomeGeneration), row.outputs(kSomeGeneration)}) {
      EXPECT_FALSE(listed.empty()) << row.name;
      for (const std::string& topic : listed) EXPECT_TRUE(topics.contains(topic)) << topic;
    }
    if (row.exactly_once && !row.needs.segments) {
      const std::string input = row.inputs(kSomeGeneration).front();
      const auto topic = std::ranges::find_if(topic_table(), [&](const TopicRow& each) {
        return topic_spec(each, 1, kSomeGeneration).name == input;
      });
      EXPECT_EQ(std::ranges::count(topic->groups, row.name), 1)
          << "else a backup would not know where it stands";
    }
    if (row.beside.empty()) continue;
    EXPECT_EQ(std::ranges::count(stage_table(), row.beside, &StageRow::name), 1) << row.name;
  }
}

}  // namespace
}  // namespace millrace
