#include "gateway/replay_service.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "gateway/document_json.h"
#include "gateway/handlers/finished_query.h"
#include "gateway/mailbox.h"
#include "gateway/query_ids.h"
#include "gateway/stored_event.h"

namespace millrace {
namespace {

// Of a whole comparison, which holds a client's request open.
constexpr std::chrono::minutes kShadowTimeMax{5};
// Transcripts that are looked at for questions, and how many of them at once.
constexpr std::size_t kTranscriptsMax = 100'000;
constexpr std::size_t kRowsAtOnce = 500;
// The newest are looked for in the last hour, then further back; they are kept for 30 days.
constexpr std::chrono::hours kLookBack[] = {std::chrono::hours{1}, std::chrono::hours{24},
                                            std::chrono::hours{24 * 31}};

NewQuery again(const Query& query, const Principal& principal) {
  NewQuery asked;
  asked.collection = query.collection;
  asked.question = query.question;
  asked.top_k = query.top_k;
  asked.mode = query.mode;
  asked.filter = query.filter;
  asked.one_per_document = query.one_per_document;
  asked.diversity = query.diversity;
  if (principal.sees_everything) {
    asked.rights = NewQuery::Rights{query.sees_everything, query.groups};
  }
  return asked;
}

// Offsets move with every document, also with those that the caller may not see.
void hide_index(QueryRun& run) {
  if (run.provenance) run.provenance->index.clear();
}

QueryRun run_of(Transcript transcript, bool answer) {
  QueryRun run;
  run.partial = transcript.answer.partial;
  run.query = std::move(transcript.query);
  run.provenance = std::move(transcript.provenance);
  run.passages = std::move(transcript.passages);
  if (answer) run.answer = std::move(transcript.answer);
  return run;
}

std::vector<Passage> cited_in(const Transcript& transcript) {
  std::vector<Passage> cited;
  for (const Passage& passage : transcript.passages) {
    const bool is_cited =
        std::ranges::any_of(transcript.answer.citations, [&](const Citation& each) {
          return each.document_id == passage.document_id && each.revision == passage.revision &&
                 passage.start <= each.start && each.end <= passage.end;
        });
    // Chunks overlap, so that two of them may have the sentence.
    if (is_cited && overlapping(cited, passage) < 0) cited.push_back(passage);
  }
  return cited;
}

// Blocks. The newest different questions of people, the newest first.
std::vector<Transcript> newest_transcripts(const Table& table, const std::string& collection,
                                           std::size_t limit, Clock::Wall now) {
  for (const std::chrono::hours back : kLookBack) {
    std::vector<Transcript> found;
    std::string after = query_ids_since(now - back);
    std::size_t seen = 0;
    for (auto rows = table.scan("", after, kRowsAtOnce); !rows.empty() && seen < kTranscriptsMax;
         rows = table.scan("", after, kRowsAtOnce)) {
      seen += rows.size();
      after = rows.back().key;
      for (const Table::Row& row : rows) {
        auto transcript = transcript_from_row(row.key, row.value);
        if (!transcript || transcript->query.collection != collection) continue;
        if (transcript->query.origin != Query::Origin::person) continue;
        if (transcript->outcome == "completed") found.push_back(std::move(*transcript));
      }
      if (found.size() > 2 * limit + kRowsAtOnce) {
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(2 * limit));
      }
    }
    std::vector<Transcript> newest;
    std::set<std::string> questions;
    for (auto each = found.rbegin(); each != found.rend() && newest.size() < limit; ++each) {
      if (questions.insert(each->query.question).second) newest.push_back(std::move(*each));
    }
    if (newest.size() == limit || back == *std::rbegin(kLookBack)) return newest;
  }
  return {};
}

Problem no_part(int generation) {
  return busy("a part of the index of generation " + std::to_string(generation) +
              " does not answer; compare again when it does");
}

}  // namespace

net::awaitable<Reply<QueryRun>> LogReplayService::run(const Caller& caller, NewQuery query,
                                                      bool answer) {
  QueryRun run;
  if (!answer) {
    auto found = co_await queries_.search(caller, std::move(query));
    if (!found) co_return Reply<QueryRun>{found.error()};
    run.query = std::move(found->query);
    run.provenance = std::move(found->provenance);
    run.passages = std::move(found->passages);
    run.partial = found->partial;
    co_return Reply<QueryRun>{std::move(run)};
  }
  auto finished = co_await queries_.answer(caller, std::move(query));
  if (!finished) co_return Reply<QueryRun>{finished.error()};
  if (!finished->completed) co_return Reply<QueryRun>{failed_query(*finished)};
  run.query = std::move(finished->query);
  run.provenance = std::move(finished->provenance);
  run.passages = std::move(finished->passages);
  run.partial = finished->answer.partial;
  run.answer = std::move(finished->answer);
  co_return Reply<QueryRun>{std::move(run)};
}

net::awaitable<std::map<std::string, CurrentDocument>> LogReplayService::documents_of(
    const Caller& caller, const std::string& collection, const PassageLists& passages) {
  std::map<std::string, CurrentDocument> documents;
  for (const auto* list : passages) {
    for (const Passage& each : *list) {
      if (documents.contains(each.document_id)) continue;
      const auto status = co_await documents_.status(caller, collection, each.document_id);
      if (!status || is_gone(status->progress.state)) continue;
      documents.emplace(each.document_id, CurrentDocument{status->progress.document.revision});
    }
  }
  co_return documents;
}

net::awaitable<Reply<Replay>> LogReplayService::replay(const Caller& caller, std::string query_id,
                                                       bool answer) {
  auto state = co_await queries_.state(caller, query_id);
  if (!state) co_return Reply<Replay>{state.error()};
  if (!state->transcript) {
    co_return Reply<Replay>{
        conflict("the query \"" + query_id +
                 "\" is still being answered, or was a search, of which no transcript is kept; a "
                 "replay needs the transcript of a finished answer")};
  }
  Transcript& transcript = *state->transcript;
  const bool completed = transcript.outcome == "completed";
  NewQuery query = again(transcript.query, caller.principal);
  query.origin = Query::Origin::replay;
  auto now = co_await run(caller, std::move(query), answer && completed);
  if (!now) co_return Reply<Replay>{now.error()};
  QueryRun before = run_of(std::move(transcript), answer && completed);
  if (!caller.principal.sees_every_document()) {
    hide_index(before);
    hide_index(*now);
  }
  const PassageLists lists{&before.passages, &now->passages};
  const auto documents = co_await documents_of(caller, before.query.collection, lists);
  co_return Reply<Replay>{
      compare_runs(std::move(before), std::move(*now),
                   [&](const std::string& id) -> std::optional<CurrentDocument> {
                     const auto found = documents.find(id);
                     if (found == documents.end()) return std::nullopt;
                     return found->second;
                   })};
}

net::awaitable<std::vector<LogReplayService::Asked>> LogReplayService::recent_questions(
    const Caller& caller, const ShadowRequest& wanted) {
  auto work = [&table = backend_.transcripts, &wanted, now = backend_.clock.wall_now()] {
    return newest_transcripts(table, wanted.collection, static_cast<std::size_t>(wanted.limit),
                              now);
  };
  auto transcripts = co_await run_blocking(backend_.pool, std::move(work));
  std::vector<Asked> out;
  for (const Transcript& transcript : transcripts) {
    Asked asked;
    asked.query = again(transcript.query, caller.principal);
    asked.query_id = transcript.query.query_id;
    asked.cited = cited_in(transcript);
    const PassageLists lists{&asked.cited};
    const auto documents = co_await documents_of(caller, wanted.collection, lists);
    std::erase_if(asked.cited, [&](const Passage& each) {
      const auto found = documents.find(each.document_id);
      return found == documents.end() || found->second.revision != each.revision;
    });
    out.push_back(std::move(asked));
  }
  co_return out;
}

net::awaitable<Reply<ShadowQuestion>> LogReplayService::compare(const Caller& caller,
                                                                const Asked& asked,
                                                                const ShadowRequest& wanted,
                                                                int serving) {
  std::vector<QueryRun> runs;
  for (const int generation : {serving, wanted.generation}) {
    NewQuery query = asked.query;
    query.origin = Query::Origin::shadow;
    query.generation = generation;
    auto made = co_await run(caller, std::move(query), wanted.answers);
    if (!made) co_return Reply<ShadowQuestion>{made.error()};
    if (made->partial) co_return Reply<ShadowQuestion>{no_part(generation)};
    runs.push_back(std::move(*made));
  }
  ShadowQuestion compared = compare_rankings(runs[0].passages, runs[1].passages, asked.cited);
  compared.question = asked.query.question;
  compared.query_id = asked.query_id;
  if (wanted.answers) compared.answers = compare_answers(*runs[0].answer, *runs[1].answer);
  co_return Reply<ShadowQuestion>{std::move(compared)};
}

net::awaitable<Reply<ShadowReport>> LogReplayService::shadow(const Caller& caller,
                                                             ShadowRequest wanted) {
  using Report = Reply<ShadowReport>;
  const auto collection = find_collection(backend_, wanted.collection);
  if (!collection) co_return Report{unknown_collection(wanted.collection)};
  const std::string name = "generation " + std::to_string(wanted.generation);
  if (wanted.generation == collection->generation) {
    co_return Report{conflict(name + " is the one that answers; another one is compared with it")};
  }
  const Generation* generation = collection->find(wanted.generation);
  if (generation == nullptr) {
    co_return Report{not_found("the collection \"" + wanted.collection + "\" has no " + name)};
  }
  if (generation->state == Generation::State::paused) {
    co_return Report{conflict(name + " is paused; resume it first")};
  }
  ShadowReport report;
  report.collection = wanted.collection;
  report.serving = collection->generation;
  report.generation = wanted.generation;
  report.from_transcripts = wanted.questions.empty();
  std::vector<Asked> questions;
  if (report.from_transcripts) questions = co_await recent_questions(caller, wanted);
  for (const std::string& question : wanted.questions) {
    Asked asked;
    asked.query.collection = wanted.collection;
    asked.query.question = question;
    asked.query.top_k = wanted.top_k;
    questions.push_back(std::move(asked));
  }
  const auto deadline = backend_.clock.now() + kShadowTimeMax;
  for (const Asked& each : questions) {
    if (backend_.clock.now() > deadline) {
      Problem late = bad_request("in " + std::to_string(kShadowTimeMax.count()) + " minutes " +
                                 std::to_string(report.questions.size()) + " of " +
                                 std::to_string(questions.size()) +
                                 " questions were compared; compare fewer (limit)");
      late.status = 504;
      co_return Report{late};
    }
    auto compared = co_await compare(caller, each, wanted, report.serving);
    if (!compared) co_return Report{compared.error()};
    report.questions.push_back(std::move(*compared));
  }
  conclude(report, wanted.gate);
  co_return Report{std::move(report)};
}

}  // namespace millrace
