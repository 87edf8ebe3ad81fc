#include "schemas/topics.h"

#include <array>
#include <charconv>

#include "schemas/answer.h"
#include "schemas/chunk.h"
#include "schemas/collection.h"
#include "schemas/dead_letter.h"
#include "schemas/document.h"
#include "schemas/index_state.h"
#include "schemas/query.h"
#include "schemas/restore.h"

namespace millrace {
namespace {

using std::chrono::days;
using std::chrono::minutes;

constexpr minutes kForever{0};  // the last record of each key
constexpr bool kPerGeneration = true;
constexpr bool kCompacted = true;
constexpr bool kDurable = true;
constexpr bool kPartitioned = true;

constexpr bool kBackedUp = true;
constexpr std::array<std::string_view, 2> groups_of(std::string_view one,
                                                    std::string_view other = {}) {
  return {one, other};
}
constexpr std::array<std::string_view, 2> kNoGroup{};

constexpr std::array<TopicRow, 15> kTopics{{
    {topics::kCollections, "collection name", Collection::kType, !kPerGeneration, kCompacted,
     kDurable, !kPartitioned, kForever, kBackedUp, kNoGroup},
    {topics::kDocuments, "collection/document id", DocumentEvent::kType, !kPerGeneration,
     kCompacted, kDurable, kPartitioned, kForever, kBackedUp, groups_of("extractor", "chunker")},
    {topics::kTexts, "collection/document id", TextEvent::kType, !kPerGeneration, kCompacted,
     kDurable, kPartitioned, kForever, kBackedUp, groups_of("chunker")},
    {"chunks", "collection/document id", ChunkEvent::kType, kPerGeneration, !kCompacted, kDurable,
     kPartitioned, days{1}, kBackedUp, groups_of("embedder")},
    {"embeddings", "collection/document id, NUL, revision, NUL, batch", EmbeddingEvent::kType,
     kPerGeneration, kCompacted, kDurable, kPartitioned, kForever, kBackedUp, groups_of("indexer")},
    {topics::kDocumentEvents, "collection/document id, NUL, state [, NUL, stage]",
     DocumentProgress::kType, !kPerGeneration, kCompacted, kDurable, kPartitioned, kForever,
     kBackedUp, kNoGroup},
    {topics::kIndexStates, "generation/index partition", IndexState::kType, !kPerGeneration,
     kCompacted, kDurable, !kPartitioned, kForever, !kBackedUp, kNoGroup},
    {topics::kQueries, "query id", Query::kType, !kPerGeneration, !kCompacted, !kDurable,
     kPartitioned, days{1}, !kBackedUp, kNoGroup},
    {"searches", "index partition", SearchRequest::kType, kPerGeneration, !kCompacted, !kDurable,
     kPartitioned, minutes{10}, !kBackedUp, kNoGroup},
    {topics::kPassages, "query id", PassagesEvent::kType, !kPerGeneration, !kCompacted, !kDurable,
     kPartitioned, minutes{10}, !kBackedUp, kNoGroup},
    {topics::kAnswers, "query id", AnswerEvent::kType, !kPerGeneration, !kCompacted, !kDurable,
     kPartitioned, days{1}, !kBackedUp, kNoGroup},
    {topics::kTranscripts, "query id", Transcript::kType, !kPerGeneration, kCompacted, kDurable,
     kPartitioned, days{30}, kBackedUp, kNoGroup},
    {topics::kCancellations, "query id", Cancellation::kType, !kPerGeneration, !kCompacted,
     !kDurable, kPartitioned, minutes{10}, !kBackedUp, kNoGroup},
    {topics::kDeadLetters, "topic:partition:offset of the source record", DeadLetter::kType,
     !kPerGeneration, kCompacted, kDurable, !kPartitioned, days{30}, kBackedUp, kNoGroup},
    {topics::kRestores, "restore", RestoreEvent::kType, !kPerGeneration, kCompacted, kDurable,
     !kPartitioned, kForever, !kBackedUp, kNoGroup},
}};

std::string with_generation(std::string_view name, int generation) {
  return std::string{name} + ".g" + std::to_string(generation);
}

}  // namespace

std::span<const TopicRow> topic_table() { return kTopics; }

TopicSpec topic_spec(const TopicRow& row, std::int32_t partitions, int generation) {
  TopicSpec spec;
  spec.name = row.per_generation ? with_generation(row.name, generation) : std::string{row.name};
  spec.partitions = row.partitioned ? partitions : 1;
  spec.compacted = row.compacted;
  if (row.retention != kForever) spec.retention = row.retention;
  spec.expires = row.compacted && row.retention != kForever;
  spec.durable = row.durable;
  return spec;
}

std::vector<TopicSpec> topic_specs(std::int32_t partitions, int generation) {
  std::vector<TopicSpec> specs;
  for (const TopicRow& row : kTopics) specs.push_back(topic_spec(row, partitions, generation));
  return specs;
}

std::vector<TopicSpec> generation_topic_specs(std::int32_t partitions, int generation) {
  std::vector<TopicSpec> specs;
  for (const TopicRow& row : kTopics) {
    if (row.per_generation) specs.push_back(topic_spec(row, partitions, generation));
  }
  return specs;
}

int generation_of_topic(std::string_view topic) {
  for (const TopicRow& row : kTopics) {
    const std::string before = std::string{row.name} + ".g";
    if (!row.per_generation || !topic.starts_with(before)) continue;
    const std::string_view digits = topic.substr(before.size());
    int number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error == std::errc{} && end == digits.data() + digits.size() && number > 0) return number;
  }
  return 0;
}

std::string of_generation(std::string_view name, int generation) {
  return generation == 1 ? std::string{name} : with_generation(name, generation);
}

namespace topics {
std::string chunks(int generation) { return with_generation("chunks", generation); }
std::string embeddings(int generation) { return with_generation("embeddings", generation); }
std::string searches(int generation) { return with_generation("searches", generation); }
}  // namespace topics

}  // namespace millrace
