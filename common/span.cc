#include "common/span.h"

namespace millrace {

void Span::add(std::string_view key, Value value) {
  if (context.sampled) attributes.push_back({key, std::move(value)});
}

}  // namespace millrace
