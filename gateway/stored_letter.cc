#include "gateway/stored_letter.h"

#include <algorithm>

#include "common/logging.h"
#include "gateway/dead_letters.h"
#include "schemas/document.h"
#include "schemas/event.h"

namespace millrace {
namespace {

constexpr std::size_t kTimeDigits = 19;  // of INT64_MAX
constexpr char kDocumentPrefix = '\x02';

std::string time_of(Clock::Wall at) {
  std::string digits = std::to_string(INT64_MAX - std::int64_t{at.time_since_epoch().count()});
  return std::string(kTimeDigits - digits.size(), '0') + digits;
}

std::string order_of(const DeadLetter& letter) {
  return std::string{kLetterOrder} + time_of(letter.at) + format_position(letter.source);
}

std::string document_prefix(std::string_view document_key) {
  return (kDocumentPrefix + std::string{document_key}) + '\0';
}

std::vector<TableChange> removal(const std::string& source, std::string_view row) {
  const auto end = row.find('\n');
  if (end == std::string_view::npos) return {};
  return {{source, std::nullopt},
          {std::string{row.substr(0, end)}, std::nullopt},
          {document_prefix(row.substr(end + 1)) + source, std::nullopt}};
}

// The event's line, where it is a letter and stands under its own key.
Result<DeadLetter> head_of(const Record& record, std::string_view& line) {
  const auto parts = split_event(record, DeadLetter::kType);
  if (!parts) return parts.error();
  line = parts->json;
  auto letter = dead_letter_head_from(parts->json);
  if (!letter) return letter;
  if (parse_letter_id(letter_id(letter->source)) != letter->source) {
    return rejected("\"" + letter->source.source.topic + "\" is no topic");
  }
  if (format_position(letter->source) != record.key) {
    return rejected("the letter of " + format_position(letter->source) + " has another key");
  }
  return letter;
}

}  // namespace

TableApplier letters_applier() {
  return [](const Record& record, const std::optional<std::string>& current) {
    std::vector<TableChange> changes;
    if (current) changes = removal(record.key, *current);
    if (record.tombstone) return changes;
    std::string_view line;
    const auto letter = head_of(record, line);
    if (!letter) {
      log_event(LogLevel::error, "table_record_unreadable",
                {{"topic", record.topic},
                 {"partition", record.partition},
                 {"offset", record.offset},
                 {"error", letter.error().message}});
      return std::vector<TableChange>{};
    }
    const auto of = document_of(*letter);
    const std::string document = of ? document_key(of->collection, of->document_id) : "";
    const std::string order = order_of(*letter);
    const StreamPosition position{record.partition, record.offset};
    // The table takes them in their order, so that what is put here outlives its removal above.
    changes.push_back({record.key, order + "\n" + document});
    changes.push_back({order, position.text() + "\n" + std::string{line}});
    if (of) changes.push_back({document_prefix(document) + record.key, order});
    return changes;
  };
}

std::string letters_since(std::optional<Clock::Wall> before) {
  if (!before) return std::string{kLetterOrder};
  // Of the millisecond before: `before` itself is left out.
  constexpr std::chrono::milliseconds kOne{1};
  return std::string{kLetterOrder} + time_of(std::max(*before, Clock::Wall{kOne}) - kOne);
}

std::string letter_cursor(std::string_view order) {
  std::string cursor{order.substr(1, kTimeDigits)};
  cursor.append("~").append(order.substr(1 + kTimeDigits));
  std::ranges::replace(cursor, ':', '~');
  return cursor;
}

std::optional<std::string> parse_letter_cursor(std::string_view cursor) {
  const auto end = cursor.find('~');
  const bool timed = end == kTimeDigits && std::ranges::all_of(cursor.substr(0, end), [](char c) {
                       return c >= '0' && c <= '9';
                     });
  const auto source = timed ? parse_letter_id(cursor.substr(end + 1)) : std::nullopt;
  if (!source) return std::nullopt;
  return std::string{kLetterOrder}.append(cursor.substr(0, end)) + format_position(*source);
}

std::optional<StoredLetter> letter_from_row(std::string_view order, std::string_view row) {
  const auto end = row.find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  const auto position = parse_stream_position(row.substr(0, end));
  auto letter = dead_letter_head_from(row.substr(end + 1));
  if (!position || !letter) return std::nullopt;
  return StoredLetter{std::string{order}, *position, std::move(*letter)};
}

std::optional<StoredLetter> find_letter(const Table& table, const Position& source) {
  const auto known = table.get(format_position(source));
  if (!known) return std::nullopt;
  const std::string order = known->substr(0, known->find('\n'));
  const auto row = table.get(order);
  if (!row) return std::nullopt;
  return letter_from_row(order, *row);
}

std::vector<StoredLetter> letters_of_document(const Table& table, std::string_view document_key,
                                              std::size_t limit) {
  const std::string prefix = document_prefix(document_key);
  std::vector<StoredLetter> letters;
  for (const Table::Row& known : table.scan(prefix, prefix, limit)) {
    const auto row = table.get(known.value);
    if (!row) continue;
    if (auto letter = letter_from_row(known.value, *row)) letters.push_back(std::move(*letter));
  }
  return letters;
}

}  // namespace millrace
