#include "gateway/backup/moved_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>

#include "common/json.h"
#include "schemas/dead_letter.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

bool has_sequence(std::string_view topic) {
  return topic == topics::kTexts || topic == topics::kDocumentEvents ||
         topic.starts_with("chunks.g") || topic.starts_with("embeddings.g");
}

// Of an event about a document. Partitions are those of `documents`, by the same key.
void move_sequence(std::int32_t partition, std::string& value, const OffsetMap& offsets) {
  constexpr std::array<std::string_view, 2> kPath{"document", "sequence"};
  constexpr std::string_view kMember = R"(,"sequence":)";  // as events have it
  const std::string_view line = std::string_view{value}.substr(0, value.find('\n'));
  const auto span = json::find_member(line, kPath);
  if (!span) return;
  Offset old = 0;
  const char* const end = line.data() + span->end;
  const auto [read_to, error] = std::from_chars(line.data() + span->begin, end, old);
  if (error != std::errc{} || read_to != end) return;
  const auto known = offsets.at_or_before({std::string{topics::kDocuments}, partition}, old);
  std::size_t begin = span->begin;
  // Older than anything that is kept: older than the first record, which may be a newer revision.
  if (!known && line.substr(0, begin).ends_with(kMember)) begin -= kMember.size();
  const bool is_left_out = begin != span->begin;
  value.replace(begin, span->end - begin, is_left_out ? "" : std::to_string(known.value_or(0)));
}

Position moved(const Position& position, const OffsetMap& offsets) {
  const auto known = offsets.of(position.source, position.offset);
  return {position.source, known.value_or(position.offset + kGoneOffsets)};
}

void remove_header(std::vector<Header>& headers, std::string_view name) {
  std::erase_if(headers, [name](const Header& each) { return each.name == name; });
}

void move_source_header(std::vector<Header>& headers, const OffsetMap& offsets) {
  const auto found = std::ranges::find(headers, headers::kSource, &Header::name);
  if (found == headers.end()) return;
  auto position = parse_position(found->value);
  const auto known = position ? offsets.of(position->source, position->offset) : std::nullopt;
  if (!known) return remove_header(headers, headers::kSource);
  position->offset = *known;
  found->value = format_position(*position);
}

void move_letter_headers(std::vector<Header>& headers, const OffsetMap& offsets) {
  move_source_header(headers, offsets);
  const auto found = std::ranges::find(headers, headers::kRedrivenFrom, &Header::name);
  if (found == headers.end()) return;
  const auto id = parse_letter_id(found->value);
  if (id) found->value = letter_id(moved(*id, offsets));
}

Record moved_letter(Record record, const OffsetMap& offsets) {
  if (record.tombstone) {
    if (const auto source = parse_position(record.key)) {
      record.key = format_position(moved(*source, offsets));
    }
    return record;
  }
  auto letter = dead_letter_from(record);
  if (!letter) return record;
  letter->source = moved(letter->source, offsets);
  move_letter_headers(letter->source_headers, offsets);
  if (letter->redriven) letter->redriven->position = moved(letter->redriven->position, offsets);
  if (has_sequence(letter->source.source.topic)) {
    const std::size_t before = letter->value.size();
    move_sequence(letter->source.source.partition, letter->value, offsets);
    letter->value_bytes += static_cast<std::int64_t>(letter->value.size() - before);
  }
  Record changed = to_record(*letter);
  record.key = std::move(changed.key);
  record.value = std::move(changed.value);
  return record;
}

}  // namespace

Record moved(Record record, const OffsetMap& offsets) {
  move_source_header(record.headers, offsets);
  remove_header(record.headers, headers::kRedrivenFrom);
  if (record.topic == topics::kDeadLetters) return moved_letter(std::move(record), offsets);
  if (has_sequence(record.topic)) move_sequence(record.partition, record.value, offsets);
  return record;
}

}  // namespace millrace
