#include "gateway/replay.h"

#include <algorithm>
#include <array>
#include <utility>

#include "common/ids.h"
#include "gateway/query_ids.h"

namespace millrace {
namespace {

using Kind = PassageChange::Kind;

constexpr std::array<std::string_view, 15> kCauses{
    "document_deleted",   "document_replaced", "document_added",   "rechunked",
    "generation_changed", "model_changed",     "reranker_changed", "settings_changed",
    "rights_changed",     "partial",           "index_changed",    "not_recorded",
    "sampling",           "other_passages",    "unexplained"};
constexpr std::array<std::string_view, 4> kKinds{"same", "moved", "missing", "new"};

// What changed for the query as a whole, in the order in which it explains a passage.
class Comparison {
 public:
  Comparison(const Replay& replay, const FindDocument& find_document)
      : before_{replay.before}, after_{replay.after}, find_document_{find_document} {}

  std::vector<CauseFound> causes() const;
  CauseFound of_missing(const Passage& passage, const std::vector<CauseFound>& whole) const;
  CauseFound of_new(const Passage& passage, const std::vector<CauseFound>& whole) const;
  static CauseFound of_moved(const std::vector<CauseFound>& whole);

 private:
  void compare_settings(std::vector<CauseFound>& out) const;
  bool rechunked() const;
  bool index_moved() const;

  const QueryRun& before_;
  const QueryRun& after_;
  const FindDocument& find_document_;
};

std::string changed(const std::string& what, const std::string& before, const std::string& after) {
  const auto shown = [](const std::string& value) { return value.empty() ? "none" : value; };
  return what + " was " + shown(before) + ", is " + shown(after);
}

std::string chunks_of(const Provenance& provenance) {
  return std::to_string(provenance.chunk_tokens) + "/" +
         std::to_string(provenance.chunk_overlap_tokens) + " tokens";
}

bool Comparison::rechunked() const {
  return before_.provenance && after_.provenance &&
         (before_.provenance->chunk_tokens != after_.provenance->chunk_tokens ||
          before_.provenance->chunk_overlap_tokens != after_.provenance->chunk_overlap_tokens);
}

// Offsets of two generations are of two topics.
bool Comparison::index_moved() const {
  return before_.query.generation == after_.query.generation && before_.provenance &&
         after_.provenance && before_.provenance->index != after_.provenance->index;
}

void Comparison::compare_settings(std::vector<CauseFound>& out) const {
  const Provenance& before = *before_.provenance;
  const Provenance& after = *after_.provenance;
  if (before.embedding_model != after.embedding_model) {
    out.push_back({Cause::model_changed,
                   changed("the embedding model", before.embedding_model, after.embedding_model)});
  }
  if (rechunked()) {
    out.push_back(
        {Cause::rechunked, changed("a chunk's length", chunks_of(before), chunks_of(after))});
  }
  if (before.reranker != after.reranker) {
    out.push_back(
        {Cause::reranker_changed, changed("the re-ranker", before.reranker, after.reranker)});
  }
  if (before_.answer && after_.answer && before.prompt != after.prompt) {
    out.push_back({Cause::settings_changed,
                   changed("the digest of the prompt's rules", before.prompt, after.prompt)});
  }
}

std::vector<CauseFound> Comparison::causes() const {
  std::vector<CauseFound> out;
  if (before_.query.generation != after_.query.generation) {
    out.push_back({Cause::generation_changed,
                   changed("the generation", std::to_string(before_.query.generation),
                           std::to_string(after_.query.generation))});
  }
  if (before_.provenance && after_.provenance) {
    compare_settings(out);
  } else {
    out.push_back({Cause::not_recorded,
                   "of this query it was not recorded what made its passages: it is older than "
                   "that, so changed models and settings go unseen"});
  }
  if (before_.answer && after_.answer && before_.answer->model != after_.answer->model) {
    out.push_back({Cause::model_changed,
                   changed("the language model", before_.answer->model, after_.answer->model)});
  }
  if (before_.query.sees_everything != after_.query.sees_everything ||
      (!after_.query.sees_everything && before_.query.groups != after_.query.groups)) {
    out.push_back({Cause::rights_changed, "who asks has other rights than who asked"});
  }
  if (before_.partial != after_.partial) {
    out.push_back({Cause::partial, std::string{"a part of the index did not answer "} +
                                       (before_.partial ? "when it was asked" : "now")});
  }
  if (index_moved()) {
    out.push_back(
        {Cause::index_changed,
         "documents were added, replaced or deleted since, in this or another collection"});
  }
  return out;
}

// The first that may concern which passages are found.
CauseFound of_whole(const std::vector<CauseFound>& whole) {
  for (const CauseFound& each : whole) {
    const bool of_answer = each.cause == Cause::settings_changed;
    if (!of_answer && each.cause != Cause::not_recorded) return each;
  }
  for (const CauseFound& each : whole) {
    if (each.cause == Cause::not_recorded) return each;
  }
  return {Cause::unexplained,
          "nothing that is recorded has changed; beyond 10,240 vectors a search is approximate, "
          "and a merge of the index's segments may change it"};
}

CauseFound Comparison::of_missing(const Passage& passage,
                                  const std::vector<CauseFound>& whole) const {
  const auto document = find_document_(passage.document_id);
  if (!document) return {Cause::document_deleted, "its document is not there any more"};
  if (document->revision != passage.revision) {
    return {Cause::document_replaced, "its document is now revision " + document->revision};
  }
  if (rechunked() || overlapping(after_.passages, passage) >= 0) {
    return {Cause::rechunked, "its document is cut into other chunks"};
  }
  return of_whole(whole);
}

CauseFound Comparison::of_new(const Passage& passage, const std::vector<CauseFound>& whole) const {
  const auto known =
      std::ranges::find(before_.passages, passage.document_id, &Passage::document_id);
  if (known != before_.passages.end() && known->revision != passage.revision) {
    return {Cause::document_replaced, "its document was revision " + known->revision};
  }
  if (ulid_time(passage.revision) > before_.query.asked_at) {
    return {Cause::document_added, "this revision was accepted after the query was asked"};
  }
  if (rechunked() || overlapping(before_.passages, passage) >= 0) {
    return {Cause::rechunked, "its document is cut into other chunks"};
  }
  // It was there all the time, and stands where another one has gone.
  for (const Passage& each : before_.passages) {
    const auto document = find_document_(each.document_id);
    if (!document || document->revision != each.revision) {
      return {Cause::other_passages, "passages that were before it are gone"};
    }
  }
  return of_whole(whole);
}

CauseFound Comparison::of_moved(const std::vector<CauseFound>& whole) { return of_whole(whole); }

PassageChange change_of(const Passage& passage, std::size_t before, std::size_t after) {
  PassageChange change;
  change.rank_before = before;
  change.rank_after = after;
  change.document_id = passage.document_id;
  change.revision = passage.revision;
  change.title = passage.title.empty() ? passage.name : passage.title;
  change.start = passage.start;
  change.end = passage.end;
  if (after == 0) {
    change.kind = Kind::missing;
  } else if (before == 0) {
    change.kind = Kind::fresh;
  } else if (before != after) {
    change.kind = Kind::moved;
  }
  return change;
}

// From 1; 0: not there.
std::size_t rank_of(const std::vector<Passage>& passages, const Passage& wanted) {
  const auto found =
      std::ranges::find_if(passages, [&](const Passage& each) { return same_span(each, wanted); });
  return found == passages.end() ? 0 : static_cast<std::size_t>(found - passages.begin()) + 1;
}

bool same_text(const Passage& a, const Passage& b) {
  return a.text.empty() || b.text.empty() || a.text == b.text;
}

void compare_passages(Replay& replay, const Comparison& comparison) {
  const auto& before = replay.before.passages;
  const auto& after = replay.after.passages;
  bool others = false;  // came or went, which moves the rest
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::size_t rank = rank_of(after, before[i]);
    PassageChange change = change_of(before[i], i + 1, rank);
    if (rank == 0) {
      others = true;
      change.cause = comparison.of_missing(before[i], replay.causes);
    } else if (!same_text(before[i], after[rank - 1])) {
      change.kind = Kind::moved;
      change.cause =
          CauseFound{Cause::rechunked, "its document was extracted anew, to another text"};
    }
    replay.passages.push_back(std::move(change));
  }
  for (std::size_t i = 0; i < after.size(); ++i) {
    if (rank_of(before, after[i]) != 0) continue;
    others = true;
    PassageChange change = change_of(after[i], 0, i + 1);
    change.cause = comparison.of_new(after[i], replay.causes);
    replay.passages.push_back(std::move(change));
  }
  for (PassageChange& change : replay.passages) {
    if (change.kind != Kind::moved || change.cause) continue;
    change.cause = others ? CauseFound{Cause::other_passages, "passages around it came or went"}
                          : Comparison::of_moved(replay.causes);
  }
}

void compare_answers(Replay& replay) {
  if (!replay.before.answer || !replay.after.answer) return;
  replay.same_answer = replay.before.answer->text == replay.after.answer->text &&
                       replay.before.answer->refused == replay.after.answer->refused;
  if (*replay.same_answer) return;
  for (const CauseFound& each : replay.causes) {
    const bool model = each.cause == Cause::model_changed &&
                       replay.before.answer->model != replay.after.answer->model;
    if (!model && each.cause != Cause::settings_changed) continue;
    replay.answer_cause = each;
    return;
  }
  const bool same_passages = std::ranges::all_of(
      replay.passages, [](const PassageChange& each) { return each.kind == Kind::same; });
  replay.answer_cause =
      same_passages
          ? CauseFound{Cause::sampling,
                       "it was written from the same passages: a language model does not repeat "
                       "itself word for word"}
          : CauseFound{Cause::other_passages, "it was written from other passages"};
}

void write_json(json::Writer& out, const CauseFound& found) {
  out.begin_object().field("cause", to_string(found.cause)).field("detail", found.detail);
  out.end_object();
}

void write_json(json::Writer& out, const PassageChange& change) {
  out.begin_object().field("change", to_string(change.kind));
  if (change.rank_before != 0) out.field("rank_before", change.rank_before);
  if (change.rank_after != 0) out.field("rank_after", change.rank_after);
  out.field("document_id", change.document_id)
      .field("revision", change.revision)
      .field("title", change.title)
      .field("start", change.start)
      .field("end", change.end);
  if (change.cause) {
    out.field("cause", to_string(change.cause->cause)).field("detail", change.cause->detail);
  }
  out.end_object();
}

void write_run(json::Writer& out, std::string_view name, const QueryRun& run) {
  out.key(name).begin_object();
  out.field("id", run.query.query_id)
      .field("asked_at", format_time(run.query.asked_at))
      .field("generation", run.query.generation)
      .field("partial", run.partial);
  if (run.provenance) {
    out.key("provenance").begin_object();
    write_members(out, *run.provenance);
    out.end_object();
  }
  if (run.answer) {
    out.field("answer", run.answer->text)
        .field("model", run.answer->model)
        .field("refused", run.answer->refused)
        .field("confidence", run.answer->confidence);
  }
  out.end_object();
}

}  // namespace

std::string_view to_string(Cause cause) { return kCauses[static_cast<std::size_t>(cause)]; }

std::string_view to_string(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

bool same_span(const Passage& a, const Passage& b) {
  return a.document_id == b.document_id && a.revision == b.revision && a.start == b.start &&
         a.end == b.end;
}

int overlapping(const std::vector<Passage>& passages, const Passage& wanted) {
  for (std::size_t i = 0; i < passages.size(); ++i) {
    const Passage& each = passages[i];
    if (each.document_id != wanted.document_id || each.revision != wanted.revision) continue;
    const std::int64_t both = std::min(each.end, wanted.end) - std::max(each.start, wanted.start);
    const std::int64_t shorter = std::min(each.end - each.start, wanted.end - wanted.start);
    if (both > 0 && 2 * both >= shorter) return static_cast<int>(i);
  }
  return -1;
}

bool Replay::same() const {
  return same_answer.value_or(true) && std::ranges::all_of(passages, [](const PassageChange& each) {
           return each.kind == Kind::same;
         });
}

Replay compare_runs(QueryRun before, QueryRun after, const FindDocument& find_document) {
  Replay replay;
  replay.before = std::move(before);
  replay.after = std::move(after);
  const Comparison comparison{replay, find_document};
  replay.causes = comparison.causes();
  compare_passages(replay, comparison);
  compare_answers(replay);
  return replay;
}

void write_json(json::Writer& out, const Replay& replay) {
  out.begin_object()
      .field("id", replay.before.query.query_id)
      .field("collection", replay.before.query.collection)
      .field("question", replay.before.query.question)
      .field("same", replay.same());
  out.key("causes").begin_array();
  for (const CauseFound& each : replay.causes) write_json(out, each);
  out.end_array().key("passages").begin_array();
  for (const PassageChange& each : replay.passages) write_json(out, each);
  out.end_array();
  if (replay.same_answer) out.field("same_answer", *replay.same_answer);
  if (replay.answer_cause) {
    out.key("answer_cause");
    write_json(out, *replay.answer_cause);
  }
  write_run(out, "before", replay.before);
  write_run(out, "after", replay.after);
  out.end_object();
}

}  // namespace millrace
