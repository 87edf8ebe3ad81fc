#pragma once

#include <string>
#include <string_view>

// What a mistake in a filter is answered with: the form that was meant.
namespace millrace::filter_advice {

// FIELD stands for the field's name: see with_field().
inline constexpr std::string_view kAnd = R"({"and": [filter, …]})";
inline constexpr std::string_view kOr = R"({"or": [filter, …]})";
inline constexpr std::string_view kNone = R"({"not": {"or": [filter, …]}})";
inline constexpr std::string_view kIn = R"({"FIELD": {"in": [value, …]}})";
inline constexpr std::string_view kAbsent = R"({"FIELD": {"exists": false}})";
inline constexpr std::string_view kEq = R"({"FIELD": {"eq": value}} or {"FIELD": value})";

// For a name that people bring from elsewhere, as a field ("must") or an operator ("$gte"); empty
// when there is nothing to say.
std::string_view for_field(std::string_view name);
std::string_view for_operation(std::string_view name);

std::string with_field(std::string_view advice, std::string_view field);

// A hostile name as it may stand in a message: short, and without control characters.
std::string shown(std::string_view name);

}  // namespace millrace::filter_advice
