#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json.h"
#include "schemas/answer.h"

namespace millrace {

// A query as it went once: what it was answered from, and by what.
struct QueryRun {
  Query query;
  std::optional<Provenance> provenance;  // empty: it was not recorded
  std::vector<Passage> passages;
  std::optional<Answer> answer;  // empty: it has none, or none is compared
  bool partial = false;
};

// How a document stands when a query is asked again, for whoever asks it. Empty: it is not there.
struct CurrentDocument {
  std::string revision;
};
using FindDocument = std::function<std::optional<CurrentDocument>(const std::string& document_id)>;

// Why something is not as it was.
enum class Cause {
  document_deleted,
  document_replaced,
  document_added,
  rechunked,
  generation_changed,
  model_changed,
  reranker_changed,
  settings_changed,
  rights_changed,
  partial,
  index_changed,
  not_recorded,
  sampling,
  other_passages,
  unexplained
};
std::string_view to_string(Cause cause);

struct CauseFound {
  Cause cause = Cause::unexplained;
  std::string detail;  // for people
  bool operator==(const CauseFound&) const = default;
};

// A passage of either run. Ranks are from 1; 0: it is not among that run's.
struct PassageChange {
  enum class Kind { same, moved, missing, fresh };
  Kind kind = Kind::same;
  std::size_t rank_before = 0;
  std::size_t rank_after = 0;
  std::string document_id;
  std::string revision;
  std::string title;
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::optional<CauseFound> cause;  // none: it is the same
};
std::string_view to_string(PassageChange::Kind kind);

struct Replay {
  QueryRun before;
  QueryRun after;
  std::vector<PassageChange> passages;  // of the first run in its order, then those that are new
  std::vector<CauseFound> causes;       // that concern the query as a whole
  std::optional<bool> same_answer;      // empty: not compared
  std::optional<CauseFound> answer_cause;
  bool same() const;  // nothing differs
};

// What differs between two runs of one query, and why. Passages are the same that are the same span
// of the same revision; a text that was erased from the record is not compared. Pure.
Replay compare_runs(QueryRun before, QueryRun after, const FindDocument& find_document);

// A run's passage at the same place of the same document, whatever its borders: what both have is
// at least half of the shorter one. -1: there is none.
int overlapping(const std::vector<Passage>& passages, const Passage& wanted);
bool same_span(const Passage& a, const Passage& b);

void write_json(json::Writer& out, const Replay& replay);

}  // namespace millrace
