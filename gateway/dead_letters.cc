#include "gateway/dead_letters.h"

#include <algorithm>
#include <charconv>

#include "schemas/collection.h"
#include "schemas/document.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kTopicBytesMax = 249;  // Kafka's
constexpr char kSeparator = '~';

bool is_topic_name(std::string_view name) {
  return !name.empty() && name.size() <= kTopicBytesMax && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

// Takes the number behind the last separator.
template <class Number>
bool take_number(std::string_view& text, Number& out) {
  const auto separator = text.rfind(kSeparator);
  if (separator == std::string_view::npos) return false;
  const std::string_view digits = text.substr(separator + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
  text = text.substr(0, separator);
  return error == std::errc{} && end == digits.data() + digits.size() && out >= 0;
}

// NAME, or of a generation NAME.gN.
bool is_topic_of(std::string_view topic, std::string_view name) {
  return topic.starts_with(name) &&
         (topic.size() == name.size() || topic.substr(name.size()).starts_with(".g"));
}

}  // namespace

std::string letter_id(const Position& source) {
  return source.source.topic + kSeparator + std::to_string(source.source.partition) + kSeparator +
         std::to_string(source.offset);
}

std::optional<Position> parse_letter_id(std::string_view id) {
  Position source;
  if (!take_number(id, source.offset) || !take_number(id, source.source.partition) ||
      !is_topic_name(id)) {
    return std::nullopt;
  }
  source.source.topic = id;
  return source;
}

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
