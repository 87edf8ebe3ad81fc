#include "gateway/generation_json.h"

#include "common/ids.h"

namespace millrace {
namespace {

void write_members(json::Writer& out, const Generation& generation) {
  out.field("generation", static_cast<std::int64_t>(generation.number))
      .field("state", to_string(generation.state));
  out.key("settings").begin_object();
  write_members(out, generation.settings);
  out.end_object();
  if (generation.since != Clock::Wall{}) out.field("since", format_time(generation.since));
}

}  // namespace

void write_json(json::Writer& out, const Generation& generation) {
  out.begin_object();
  write_members(out, generation);
  out.end_object();
}

void write_json(json::Writer& out, const GenerationView& view) {
  out.begin_object();
  write_members(out, view.generation);
  out.field("documents", view.documents)
      .field("chunks", view.chunks)
      .field("failed", view.failed)
      .field("behind", view.behind)
      .end_object();
}

}  // namespace millrace
