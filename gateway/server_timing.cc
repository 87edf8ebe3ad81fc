#include "gateway/server_timing.h"

#include <algorithm>
#include <cstdio>

namespace millrace {

std::string server_timing(const SearchResult& found) {
  const auto ms = [](std::int64_t us) { return static_cast<double>(us) / 1000.0; };
  const std::int64_t hops =
      std::max<std::int64_t>(0, found.took_us - found.embedding_us - found.search_us);
  char line[160];
  std::snprintf(line, sizeof line, "embed;dur=%.3f, index;dur=%.3f, log;dur=%.3f, total;dur=%.3f",
                ms(found.embedding_us), ms(found.search_us), ms(hops), ms(found.took_us));
  return line;
}

}  // namespace millrace
