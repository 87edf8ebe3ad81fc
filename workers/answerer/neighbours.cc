#include "workers/answerer/neighbours.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "workers/text/unicode.h"

namespace millrace {
namespace {

auto place_of(const Passage& passage) {
  return std::tie(passage.document_id, passage.revision, passage.page);
}

bool fits_its_span(const Passage& passage) {
  return code_points(passage.text) == passage.end - passage.start;
}

// A joined passage being made.
struct Run {
  JoinedPassage joined;
  std::int64_t end = 0;  // code points of the document
  bool open = false;     // others may be joined to it
};

// True where it was joined. What both have must be the same text, or a span is wrong.
bool join(const Passage& next, Run& run) {
  if (!run.open || !fits_its_span(next) || next.start > run.end + kTouchingMax) return false;
  std::string& text = run.joined.text;
  if (next.start >= run.end) {
    if (next.start > run.end) text += '\n';
    text += next.text;
    run.end = next.end;
    return true;
  }
  // The last of the run's code points and the first of the passage's; none of them may be longer.
  const CodePointIndex index{next.text};
  const std::int64_t shared = std::min(run.end, next.end) - next.start;
  const std::string_view head = index.slice(0, shared);
  const std::string_view rest = std::string_view{next.text}.substr(head.size());
  if (rest.empty() ? text.find(head) == std::string::npos : !text.ends_with(head)) return false;
  text += rest;
  run.end = std::max(run.end, next.end);
  return true;
}

}  // namespace

std::vector<JoinedPassage> join_neighbours(std::span<const Passage> passages) {
  std::vector<std::size_t> order(passages.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    const Passage& first = passages[a];
    const Passage& second = passages[b];
    if (place_of(first) != place_of(second)) return place_of(first) < place_of(second);
    return std::tie(first.start, first.end) < std::tie(second.start, second.end);
  });
  std::vector<Run> runs;
  for (const std::size_t at : order) {
    const Passage& passage = passages[at];
    const auto number = static_cast<std::int32_t>(at + 1);
    const bool here =
        !runs.empty() && place_of(passages[runs.back().joined.parts.back()]) == place_of(passage);
    if (here && join(passage, runs.back())) {
      runs.back().joined.parts.push_back(at);
      runs.back().joined.number = std::min(runs.back().joined.number, number);
    } else {
      runs.push_back({{number, {at}, passage.text}, passage.end, fits_its_span(passage)});
    }
  }
  std::vector<JoinedPassage> joined;
  for (Run& run : runs) joined.push_back(std::move(run.joined));
  std::ranges::sort(joined, {}, &JoinedPassage::number);
  return joined;
}

}  // namespace millrace
