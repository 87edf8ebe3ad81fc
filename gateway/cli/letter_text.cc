#include "gateway/cli/letter_text.h"

#include <CLI/CLI.hpp>

#include "gateway/cli/command.h"
#include "gateway/cli/index_line.h"

namespace millrace {
namespace {

// The server's text on one line; empty where it tells none.
std::string text_of(json::Value object, std::string_view name) {
  const json::Value member = object.member(name);
  std::string text = member.is_string() ? printable(member.as_string()) : std::string{};
  for (char& each : text) {
    if (each == '\n' || each == '\t') each = ' ';
  }
  return text;
}

std::string document_of(json::Value letter) {
  const std::string id = text_of(letter, "document_id");
  return id.empty() ? std::string{} : text_of(letter, "collection") + "/" + id;
}

template <class Visit>
void each_condition(const LetterConditions& conditions, Visit visit) {
  const std::pair<std::string_view, const std::string*> all[] = {
      {"stage", &conditions.stage},
      {"topic", &conditions.topic},
      {"kind", &conditions.kind},
      {"state", &conditions.state},
      {"collection", &conditions.collection},
      {"document", &conditions.document},
      {"after", &conditions.after},
      {"before", &conditions.before}};
  for (const auto& [name, value] : all) {
    if (!value->empty()) visit(name, *value);
  }
}

void add_line(std::string& out, std::string_view name, const std::string& value) {
  if (value.empty()) return;
  constexpr std::size_t kColumn = 14;
  out.append(name).append(kColumn - std::min(name.size(), kColumn - 1), ' ');
  out.append(value).append("\n");
}

}  // namespace

void add_letter_conditions(CLI::App& command, LetterConditions& conditions, AllLetters all) {
  command.add_option("--stage", conditions.stage, "given up by this stage");
  command.add_option("--topic", conditions.topic, "records of this topic");
  command.add_option("--kind", conditions.kind, "rejected, retryable, unavailable or fatal");
  command.add_option("--state", conditions.state, "waiting or redriven");
  command.add_option("--document", conditions.document, "what the document's id begins with");
  command.add_option("--after", conditions.after, "given up then or later: 2026-11-22T13:00:00Z");
  command.add_option("--before", conditions.before, "given up before");
  if (all == AllLetters::named) command.add_flag("--all", conditions.all, "every dead letter");
}

bool is_empty(const LetterConditions& conditions) {
  bool empty = !conditions.all;
  each_condition(conditions, [&empty](std::string_view, const std::string&) { empty = false; });
  return empty;
}

std::string as_query(const LetterConditions& conditions) {
  std::string query;
  each_condition(conditions, [&query](std::string_view name, const std::string& value) {
    query.append("&").append(name).append("=").append(percent_encode(value));
  });
  return query;
}

std::string as_body(const LetterConditions& conditions, std::string_view cursor) {
  json::Writer out;
  out.begin_object();
  each_condition(conditions, [&out](std::string_view name, const std::string& value) {
    out.field(name, value);
  });
  if (conditions.all) out.field("all", true);
  if (!cursor.empty()) out.field("cursor", cursor);
  return out.end_object().take();
}

std::string letter_lines(json::Value letter) {
  std::string lines = text_of(letter, "at") + "  " + text_of(letter, "id") + "  " +
                      text_of(letter, "stage") + "  " + text_of(letter, "state");
  const std::string document = document_of(letter);
  if (!document.empty()) lines.append("  ").append(document);
  return lines + "\n    " + text_of(letter, "kind") + ": " + text_of(letter, "message");
}

std::string letter_details(json::Value letter) {
  std::string out;
  for (const char* name : {"id", "state", "stage", "kind", "message"}) {
    add_line(out, name, text_of(letter, name));
  }
  add_line(out, "attempts", std::to_string(count_of(letter, "attempts")));
  add_line(out, "at", text_of(letter, "at"));
  add_line(out, "document", document_of(letter));
  add_line(out, "key", text_of(letter, "key"));
  add_line(out, "bytes", std::to_string(count_of(letter, "bytes")));
  add_line(out, "trace", text_of(letter, "trace_id"));
  const json::Value headers = letter.member("headers");
  for (std::size_t i = 0; headers.is_array() && i < headers.size(); ++i) {
    const std::string value = text_of(headers[i], "value") + text_of(headers[i], "value_base64");
    add_line(out, "header", text_of(headers[i], "name") + ": " + value);
  }
  const json::Value redriven = letter.member("redriven");
  if (redriven.is_object()) {
    const std::string by = text_of(redriven, "by");
    add_line(out, "redriven",
             text_of(redriven, "at") + (by.empty() ? "" : " by " + by) + " as revision " +
                 text_of(redriven, "revision"));
  }
  const json::Value history = letter.member("history");
  for (std::size_t i = 0; history.is_array() && i < history.size(); ++i) {
    if (history[i].is_string()) add_line(out, "came of", printable(history[i].as_string()));
  }
  return out;
}

std::string skipped_line(json::Value reason) {
  return "skipped " + text_of(reason, "id") + ": " + text_of(reason, "reason");
}

}  // namespace millrace
