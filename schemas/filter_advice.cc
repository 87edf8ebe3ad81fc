#include "schemas/filter_advice.h"

#include <algorithm>
#include <span>

#include "common/json.h"
#include "common/utf8.h"

namespace millrace::filter_advice {
namespace {

constexpr std::size_t kShownBytesMax = 64;

// What people write who come from elsewhere (Pinecone, Chroma, Qdrant, Weaviate, MongoDB, SQL), in
// lower case without "$" and "_", and what to write instead.
struct Habit {
  std::string_view written;
  std::string_view advice;
};
constexpr std::string_view kNot = R"({"not": filter})";
constexpr std::string_view kBare =
    R"(conditions without it around them, as {"year": {"gte": 2020}})";
constexpr Habit kFieldHabits[] = {
    {"and", kAnd},      {"all", kAnd},
    {"must", kAnd},     {"operands", kAnd},
    {"or", kOr},        {"any", kOr},
    {"should", kOr},    {"not", kNot},
    {"mustnot", kNone}, {"nor", kNone},
    {"where", kBare},   {"filter", kBare},
    {"filters", kBare}, {"match", kBare},
    {"range", kBare},   {"key", kBare},
    {"path", kBare},    {"metadata", R"(the field alone, without "metadata" in front)"},
};
constexpr std::string_view kWhole =
    R"({"FIELD": "the whole value"}: strings are compared whole, lists by any element)";
constexpr std::string_view kNotIn = R"({"not": {"FIELD": {"in": [value, …]}}})";
constexpr std::string_view kBetween = R"({"FIELD": {"gte": 2020, "lt": 2026}})";
constexpr std::string_view kAround = R"(and, or and not around it, as {"not": {"FIELD": value}})";
constexpr std::string_view kNe = R"({"FIELD": {"ne": value}})";
constexpr std::string_view kLt = R"({"FIELD": {"lt": value}})";
constexpr std::string_view kLte = R"({"FIELD": {"lte": value}})";
constexpr std::string_view kGt = R"({"FIELD": {"gt": value}})";
constexpr std::string_view kGte = R"({"FIELD": {"gte": value}})";
constexpr std::string_view kExists = R"({"FIELD": {"exists": true}})";
constexpr Habit kOperationHabits[] = {
    {"eq", kEq},
    {"equal", kEq},
    {"equals", kEq},
    {"=", kEq},
    {"==", kEq},
    {"is", kEq},
    {"value", kEq},
    {"match", kEq},
    {"ne", kNe},
    {"neq", kNe},
    {"notequal", kNe},
    {"!=", kNe},
    {"<>", kNe},
    {"lt", kLt},
    {"lessthan", kLt},
    {"<", kLt},
    {"lte", kLte},
    {"le", kLte},
    {"lessthanequal", kLte},
    {"<=", kLte},
    {"max", kLte},
    {"gt", kGt},
    {"greaterthan", kGt},
    {">", kGt},
    {"gte", kGte},
    {"ge", kGte},
    {"greaterthanequal", kGte},
    {">=", kGte},
    {"min", kGte},
    {"in", kIn},
    {"any", kIn},
    {"containsany", kIn},
    {"oneof", kIn},
    {"nin", kNotIn},
    {"notin", kNotIn},
    {"except", kNotIn},
    {"exists", kExists},
    {"isnull", kAbsent},
    {"isempty", kAbsent},
    {"null", kAbsent},
    {"contains", kWhole},
    {"like", kWhole},
    {"ilike", kWhole},
    {"regex", kWhole},
    {"text", kWhole},
    {"startswith", kWhole},
    {"between", kBetween},
    {"range", kBetween},
    {"and", kAround},
    {"or", kAround},
    {"not", kAround},
};

std::string_view advice_for(std::span<const Habit> habits, std::string_view name) {
  std::string plain;
  for (const char c : name.substr(0, kShownBytesMax)) {
    if (c != '$' && c != '_') plain.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
  }
  const auto found = std::find_if(habits.begin(), habits.end(),
                                  [&](const Habit& habit) { return habit.written == plain; });
  return found == habits.end() ? std::string_view{} : found->advice;
}

}  // namespace

std::string_view for_field(std::string_view name) { return advice_for(kFieldHabits, name); }
std::string_view for_operation(std::string_view name) { return advice_for(kOperationHabits, name); }

std::string with_field(std::string_view advice, std::string_view field) {
  constexpr std::string_view kPlaceholder = "FIELD";
  std::string out{advice};
  const std::string name = shown(field);
  for (std::size_t at = out.find(kPlaceholder); at != std::string::npos;
       at = out.find(kPlaceholder, at + name.size())) {
    out.replace(at, kPlaceholder.size(), name);
  }
  return out;
}

std::string shown(std::string_view name) {
  std::size_t bytes = 0;
  while (bytes < name.size()) {
    const std::size_t next =
        bytes + std::max<std::size_t>(1, utf8_sequence_length(name.substr(bytes)));
    if (next > kShownBytesMax) break;
    bytes = next;
  }
  const std::string cut{name.substr(0, bytes)};
  const std::string quoted = json::quote(cut);
  return (quoted.size() == cut.size() + 2 ? cut : quoted) + (bytes < name.size() ? "…" : "");
}

}  // namespace millrace::filter_advice
