#include "workers/answerer/cited_text.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <set>
#include <tuple>

#include "workers/answerer/evidence.h"
#include "workers/answerer/neighbours.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

constexpr std::size_t kCitationsMax = 100;

struct Marker {
  std::int32_t number = 0;
  std::size_t at = 0;  // in the text without markers
};

struct PlainText {
  std::string text;
  std::vector<Marker> markers;
};

// The numbers of a marker that begins at `at` ("[1, 2]"), and where it ends.
struct Bracket {
  std::vector<std::int32_t> numbers;
  std::size_t end = 0;
};
std::optional<Bracket> bracket_at(std::string_view text, std::size_t at) {
  constexpr std::int32_t kNumberMax = 10'000;
  Bracket bracket;
  std::int32_t number = 0;
  bool digits = false;
  for (std::size_t i = at + 1; i < text.size(); ++i) {
    const char byte = text[i];
    if (byte >= '0' && byte <= '9') {
      number = std::min(number * 10 + (byte - '0'), kNumberMax);
      digits = true;
    } else if (byte == ',' || byte == ']') {
      if (!digits) return std::nullopt;
      bracket.numbers.push_back(std::exchange(number, 0));
      digits = false;
      if (byte == ',') continue;
      bracket.end = i + 1;
      return bracket;
    } else if (byte != ' ') {
      return std::nullopt;
    }
  }
  return std::nullopt;
}

PlainText without_markers(std::string_view text) {
  PlainText plain;
  for (std::size_t i = 0; i < text.size();) {
    const auto bracket = text[i] == '[' ? bracket_at(text, i) : std::nullopt;
    if (!bracket) {
      plain.text.push_back(text[i++]);
      continue;
    }
    for (const std::int32_t number : bracket->numbers) {
      plain.markers.push_back({number, plain.text.size()});
    }
    i = bracket->end;
  }
  return plain;
}

// The last sentence that begins before the marker.
std::size_t citing_sentence(const std::vector<PassageSentence>& sentences, std::size_t at) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < sentences.size() && sentences[i].begin < at; ++i) found = i;
  return found;
}

// The best sentence of the passages that the model read as one.
struct Evidence {
  const Passage* passage = nullptr;  // null: they have no sentences
  PassageSentence sentence;
  double overlap = -1;
};
Evidence best_evidence(const PassageSentence& claim, const JoinedPassage& joined,
                       std::span<const Passage> passages) {
  Evidence best;
  for (const std::size_t part : joined.parts) {
    const auto sentences = sentences_of(passages[part].text);
    if (sentences.empty()) continue;
    const ClaimMatch match = best_match(claim.words, sentences);
    if (match.overlap <= best.overlap) continue;
    best = {&passages[part], sentences[match.sentence], match.overlap};
  }
  return best;
}

}  // namespace

CitedText resolve_citations(std::string_view text, std::span<const Passage> passages) {
  CitedText out;
  const PlainText plain = without_markers(text);
  const auto claims = sentences_of(plain.text);
  if (claims.empty()) return out;
  const std::vector<JoinedPassage> numbered = join_neighbours(passages);
  std::set<std::size_t> cited;
  std::set<std::tuple<std::int32_t, const Passage*, std::size_t>> known;
  double support = 0;
  std::size_t resolved = 0;
  for (const Marker& marker : plain.markers) {
    const auto joined = std::ranges::find(numbered, marker.number, &JoinedPassage::number);
    if (joined == numbered.end()) continue;
    const std::size_t claim = citing_sentence(claims, marker.at);
    const Evidence evidence = best_evidence(claims[claim], *joined, passages);
    if (evidence.passage == nullptr) continue;
    cited.insert(claim);
    support += evidence.overlap;
    ++resolved;
    out.relevance = std::max(out.relevance, std::clamp(evidence.passage->score, 0.0, 1.0));
    if (!known.insert({marker.number, evidence.passage, evidence.sentence.begin}).second) continue;
    out.citations.push_back(cite(marker.number, *evidence.passage, evidence.sentence));
    if (out.citations.size() >= kCitationsMax) break;
  }
  out.cited = static_cast<double>(cited.size()) / static_cast<double>(claims.size());
  out.support = resolved > 0 ? support / static_cast<double>(resolved) : 0;
  return out;
}

double confidence_of(const CitedText& cited) {
  if (cited.citations.empty()) return 0;
  return 0.5 * cited.cited + 0.3 * cited.support + 0.2 * cited.relevance;
}

}  // namespace millrace
