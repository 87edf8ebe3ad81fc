#include "schemas/topics.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

namespace millrace {
namespace {

namespace fs = std::filesystem;

const fs::path kSchemas = fs::path{MILLRACE_SOURCE_DIR} / "schemas";

YAML::Node asyncapi() { return YAML::LoadFile((kSchemas / "asyncapi.yaml").string()); }

// '#/components/messages/NAME'
YAML::Node referenced(const YAML::Node& document, const YAML::Node& node) {
  const auto reference = node["$ref"].as<std::string>();
  const std::string prefix = "#/components/";
  EXPECT_EQ(reference.substr(0, prefix.size()), prefix);
  const std::string path = reference.substr(prefix.size());
  const std::size_t slash = path.find('/');
  return document["components"][path.substr(0, slash)][path.substr(slash + 1)];
}

void collect_references(const YAML::Node& node, std::set<std::string>& found) {
  if (node.IsSequence()) {
    for (const YAML::Node& each : node) collect_references(each, found);
  } else if (node.IsMap()) {
    for (const auto& each : node) {
      if (each.first.as<std::string>() == "$ref") found.insert(each.second.as<std::string>());
      collect_references(each.second, found);
    }
  }
}

TEST(Topics, are_the_channels_of_asyncapi_yaml) {
  const YAML::Node document = asyncapi();
  EXPECT_EQ(document["asyncapi"].as<std::string>(), "3.0.0");
  std::set<std::string> channels;
  for (const auto& channel : document["channels"]) channels.insert(channel.first.as<std::string>());
  std::set<std::string> topics;
  for (const TopicRow& row : topic_table()) topics.insert(std::string{row.name});
  EXPECT_EQ(channels, topics);
}

TEST(Topics, have_the_key_retention_and_payload_that_asyncapi_yaml_says) {
  const YAML::Node document = asyncapi();
  for (const TopicRow& row : topic_table()) {
    SCOPED_TRACE(row.name);
    const YAML::Node channel = document["channels"][std::string{row.name}];
    ASSERT_TRUE(channel.IsDefined());
    EXPECT_EQ(channel["address"].as<std::string>(),
              std::string{row.name} + (row.per_generation ? ".g{generation}" : ""));
    const YAML::Node kept = channel["bindings"]["kafka"]["topicConfiguration"];
    std::vector<std::string> policy;
    if (row.compacted) policy.emplace_back("compact");
    if (row.retention.count() != 0) policy.emplace_back("delete");
    EXPECT_EQ(kept["cleanup.policy"].as<std::vector<std::string>>(), policy);
    if (row.retention.count() != 0) {
      EXPECT_EQ(kept["retention.ms"].as<std::int64_t>(),
                std::chrono::milliseconds{row.retention}.count());
    }
    ASSERT_EQ(channel["messages"].size(), 1U);
    const YAML::Node message = referenced(document, channel["messages"][std::string{row.event}]);
    ASSERT_TRUE(message.IsDefined());
    EXPECT_EQ(message["bindings"]["kafka"]["key"]["description"].as<std::string>(), row.key);
    EXPECT_EQ(message["payload"]["schema"]["$ref"].as<std::string>(),
              "./" + std::string{row.event} + ".schema.json");
  }
}

TEST(Topics, references_of_asyncapi_yaml_lead_somewhere) {
  const YAML::Node document = asyncapi();
  std::set<std::string> references;
  collect_references(document, references);
  EXPECT_GT(references.size(), topic_table().size());
  for (const std::string& reference : references) {
    if (reference.starts_with("#")) {
      YAML::Node node;
      node["$ref"] = reference;
      EXPECT_TRUE(referenced(document, node).IsDefined()) << reference;
    } else {
      EXPECT_TRUE(fs::exists(kSchemas / reference)) << reference;
    }
  }
}

TEST(Topics, are_specified_for_the_log) {
  std::map<std::string, TopicSpec> specs;
  for (TopicSpec& spec : topic_specs(8, 2)) specs[spec.name] = spec;
  EXPECT_EQ(specs.size(), topic_table().size());
  for (const char* name : {"collections", "index-states", "dead-letters", "restores"})
    EXPECT_EQ(specs.at(name).partitions, 1);
  for (const char* name : {"documents", "answers", "chunks.g2", "embeddings.g2", "searches.g2"}) {
    EXPECT_EQ(specs.at(name).partitions, 8) << name;
  }
  for (const char* name : {"queries", "searches.g2", "passages", "answers", "cancellations"}) {
    EXPECT_FALSE(specs.at(name).durable) << name;
  }
  for (const char* name :
       {"documents", "texts", "chunks.g2", "embeddings.g2", "document-events", "collections",
        "index-states", "transcripts", "dead-letters", "restores"}) {
    EXPECT_TRUE(specs.at(name).durable) << name;
  }
  for (const char* name : {"collections", "documents", "texts", "embeddings.g2", "document-events",
                           "index-states", "restores", "dead-letters", "transcripts"}) {
    EXPECT_TRUE(specs.at(name).compacted) << name;
  }
  for (const auto& [name, spec] : specs) {
    EXPECT_EQ(spec.expires, name == "dead-letters" || name == "transcripts") << name;
  }
  EXPECT_EQ(specs.at("dead-letters").retention, std::chrono::days{30});
  EXPECT_EQ(specs.at("searches.g2").retention, std::chrono::minutes{10});
  EXPECT_EQ(specs.at("transcripts").retention, std::chrono::days{30});
}

// Else a crash of the machine could lose what a backup has, or a backup what such a crash keeps.
TEST(Topics, are_backed_up_where_they_are_durable_and_not_derived) {
  for (const TopicRow& row : topic_table()) {
    const bool is_derived = row.name == topics::kIndexStates || row.name == topics::kRestores;
    EXPECT_EQ(row.backed_up, row.durable && !is_derived) << row.name;
  }
}

TEST(Topics, of_a_generation_are_named_after_it) {
  std::vector<std::string> names;
  for (const TopicSpec& spec : generation_topic_specs(8, 12)) names.push_back(spec.name);
  EXPECT_EQ(names, (std::vector<std::string>{"chunks.g12", "embeddings.g12", "searches.g12"}));
  EXPECT_EQ(topics::chunks(1), "chunks.g1");
  EXPECT_EQ(topics::embeddings(12), "embeddings.g12");
  EXPECT_EQ(topics::searches(3), "searches.g3");
}

TEST(Topics, say_whose_generation_they_are) {
  EXPECT_EQ(generation_of_topic("chunks.g1"), 1);
  EXPECT_EQ(generation_of_topic("embeddings.g4711"), 4711);
  for (const char* none : {"", "texts", "texts.g2", "chunks", "chunks.g", "chunks.g0", "chunks.g-1",
                           "chunks.g2x", "my-chunks.g2"}) {
    EXPECT_EQ(generation_of_topic(none), 0) << none;
  }
}

}  // namespace
}  // namespace millrace
