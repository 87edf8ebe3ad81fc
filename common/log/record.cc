#include "common/log/record.h"

#include <algorithm>

namespace millrace {

std::string_view Record::header(std::string_view name) const {
  const auto found = std::ranges::find(headers, name, &Header::name);
  return found == headers.end() ? std::string_view{} : std::string_view{found->value};
}

void Record::set_header(std::string_view name, std::string content) {
  const auto found = std::ranges::find(headers, name, &Header::name);
  if (found != headers.end()) {
    found->value = std::move(content);
  } else {
    headers.push_back({std::string{name}, std::move(content)});
  }
}

std::size_t Record::bytes() const {
  std::size_t total = key.size() + value.size();
  for (const Header& each : headers) total += each.name.size() + each.value.size();
  return total;
}

}  // namespace millrace
