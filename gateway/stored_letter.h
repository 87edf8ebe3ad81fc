#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/log/table.h"
#include "gateway/stream_position.h"
#include "schemas/dead_letter.h"

namespace millrace {

// Rows of the gateway's table of dead letters. None holds a letter's value: that is read from the
// log, at POSITION.
//   TOPIC:PARTITION:OFFSET         ->  ORDER LF DOCUMENT-KEY      of the letter of this source
//   ORDER                          ->  POSITION LF event-json
//   \x02 DOCUMENT-KEY \0 SOURCE    ->  ORDER                      the letters of a document
// ORDER = \x01 TIME SOURCE, with a TIME by which the newest letter is the first row.
struct StoredLetter {
  std::string order;
  StreamPosition position;
  DeadLetter letter;
};

TableApplier letters_applier();

// Where rows of letters that are older than `before` begin; without it the newest letter's.
std::string letters_since(std::optional<Clock::Wall> before = std::nullopt);
inline constexpr std::string_view kLetterOrder = "\x01";  // prefix of every ORDER
// An ORDER as clients have it, to go on behind it: TIME "~" ID.
std::string letter_cursor(std::string_view order);
std::optional<std::string> parse_letter_cursor(std::string_view cursor);  // the ORDER
std::optional<StoredLetter> letter_from_row(std::string_view order, std::string_view row);

// Blocking reads of the table.
std::optional<StoredLetter> find_letter(const Table& table, const Position& source);
// Letters of the document, at most `limit`.
std::vector<StoredLetter> letters_of_document(const Table& table, std::string_view document_key,
                                              std::size_t limit);

}  // namespace millrace
