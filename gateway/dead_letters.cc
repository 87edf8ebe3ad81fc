#include "gateway/dead_letters.h"

#include "schemas/collection.h"
#include "schemas/document.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

// NAME, or of a generation NAME.gN.
bool is_topic_of(std::string_view topic, std::string_view name) {
  return topic.starts_with(name) &&
         (topic.size() == name.size() || topic.substr(name.size()).starts_with(".g"));
}

}  // namespace

std::optional<LetterDocument> document_of(const DeadLetter& letter) {
  const std::string_view topic = letter.source.source.topic;
  const bool on_the_way = topic == topics::kDocuments || topic == topics::kTexts ||
                          is_topic_of(topic, "chunks") || is_topic_of(topic, "embeddings");
  if (!on_the_way) return std::nullopt;
  const std::string_view key = partition_key(letter.source_key);
  const std::string_view collection = collection_of(key);
  if (collection.size() == key.size()) return std::nullopt;
  const std::string_view document_id = key.substr(collection.size() + 1);
  if (!valid_collection_name(collection) || !check_document_id(document_id)) return std::nullopt;
  return LetterDocument{std::string{collection}, std::string{document_id}};
}

bool LetterFilter::empty() const {
  return stage.empty() && topic.empty() && !kind && !redriven && collection.empty() &&
         document.empty() && !after && !before;
}

bool LetterFilter::matches(const DeadLetter& letter) const {
  if (!stage.empty() && letter.stage != stage) return false;
  if (!topic.empty() && letter.source.source.topic != topic) return false;
  if (kind && letter.error.kind != *kind) return false;
  if (redriven && letter.redriven.has_value() != *redriven) return false;
  if (after && letter.at < *after) return false;
  if (before && letter.at >= *before) return false;
  if (collection.empty() && document.empty()) return true;
  const auto of = document_of(letter);
  return of && (collection.empty() || of->collection == collection) &&
         of->document_id.starts_with(document);
}

}  // namespace millrace
