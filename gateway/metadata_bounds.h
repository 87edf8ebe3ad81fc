#pragma once

#include <optional>
#include <string_view>

#include "gateway/problem.h"

namespace millrace {

// The first field of a document's metadata, a JSON object, that filters would not know
// (schemas/filter_value.h), and what is too much about it: `where` is its name inside of the
// metadata. None: they know all. Strings may be longer than a filter's are: the longer ones are
// equal to nothing that a filter can ask for.
std::optional<FieldProblem> unknown_to_filters(std::string_view metadata);

}  // namespace millrace
