#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/log/log.h"

namespace millrace {

// One row per topic: see DESIGN in .github/ARCHITECTURE.md, "Topics". Rows in topics.cc, in the
// order of the way: what a record comes of stands above it.
struct TopicRow {
  std::string_view name;   // without generation
  std::string_view key;    // what the key is, for people
  std::string_view event;  // schemas/EVENT.schema.json
  bool per_generation;     // the topic's name is NAME.gN
  bool compacted;
  bool durable;
  bool partitioned;                // false: one partition, read whole by everyone
  std::chrono::minutes retention;  // how long records are kept at least; 0: for good
  // Whether backups hold it: what cannot be made from the rest, and nobody waits for any more.
  bool backed_up;
  // The groups that work through it on the document's way, whose offsets backups hold; of another
  // generation GROUP.gN. Empty: none.
  std::array<std::string_view, 2> groups;
};
std::span<const TopicRow> topic_table();

// The first generation, which is every collection's.
inline constexpr int kGeneration = 1;

// What the log is asked to create: every topic of the table, generation topics for `generation`.
std::vector<TopicSpec> topic_specs(std::int32_t partitions, int generation);
// Of these, the generation's own.
std::vector<TopicSpec> generation_topic_specs(std::int32_t partitions, int generation);

// Of a topic NAME.gN; 0: it is none.
int generation_of_topic(std::string_view topic);
TopicSpec topic_spec(const TopicRow& row, std::int32_t partitions, int generation);
// NAME of the first generation, NAME.gN of another one: groups and what goes with them.
std::string of_generation(std::string_view name, int generation);

// Stages' groups that others wait for; of another generation than the first of_generation().
namespace groups {
inline constexpr std::string_view kEmbedder = "embedder";
inline constexpr std::string_view kSearcher = "searcher";
inline constexpr std::string_view kAnswerer = "answerer";
}  // namespace groups

namespace topics {
inline constexpr std::string_view kCollections = "collections";
inline constexpr std::string_view kDocuments = "documents";
inline constexpr std::string_view kTexts = "texts";
inline constexpr std::string_view kDocumentEvents = "document-events";
inline constexpr std::string_view kIndexStates = "index-states";
inline constexpr std::string_view kQueries = "queries";
inline constexpr std::string_view kPassages = "passages";
inline constexpr std::string_view kAnswers = "answers";
inline constexpr std::string_view kTranscripts = "transcripts";
inline constexpr std::string_view kCancellations = "cancellations";
inline constexpr std::string_view kDeadLetters = "dead-letters";
inline constexpr std::string_view kRestores = "restores";
std::string chunks(int generation);      // chunks.gN
std::string embeddings(int generation);  // embeddings.gN
std::string searches(int generation);    // searches.gN
}  // namespace topics

}  // namespace millrace
