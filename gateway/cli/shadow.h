#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/error.h"
#include "common/json.h"

namespace CLI {
class App;
}

namespace millrace {

// How a generation is compared with the one that answers, as `generations shadow` and
// `generations serve` take it.
struct ShadowOptions {
  std::string questions;   // a file; empty: what people asked
  std::int64_t limit = 0;  // 0: the server's default
  bool answers = false;
  std::optional<double> min_overlap;
  std::optional<double> min_ndcg;
};
void add_shadow_options(CLI::App& command, ShadowOptions& options);
// Members of the request, into an open object. `rejected`: the file cannot be read, or not as
// questions.
Status write_members(json::Writer& out, const ShadowOptions& options);

// The comparison as a table, the questions that lose most first.
void print_shadow(json::Value report);

}  // namespace millrace
