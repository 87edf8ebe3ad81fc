#include "gateway/cli/eval/beir.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "gateway/cli/eval/line_file.h"

namespace millrace {
namespace fs = std::filesystem;

namespace {

// Documents and bytes of one request. More is no faster, and servers take 1000 and 64 MiB.
constexpr std::size_t kBatchDocuments = 200;
constexpr std::uint64_t kBatchBytes = 4U << 20U;
constexpr std::size_t kDocumentIdBytesMax = 512;

struct CorpusRow {
  std::string id;
  std::string title;
  std::string text;
};

Result<CorpusRow> read_row(const LineFile& file, json::Value value, std::string_view what) {
  CorpusRow row;
  json::ObjectReader in{value, what, json::ObjectReader::Unknown::ignore};
  in.required("_id", row.id);
  in.optional("title", row.title);
  in.required("text", row.text);
  if (Status status = in.finish(); !status) return file.error(status.error().message);
  if (row.id.empty()) return file.error("\"_id\" is empty");
  return row;
}

Result<std::unordered_map<std::string, std::string>> read_queries(const fs::path& path) {
  Result<LineFile> file = LineFile::open(path);
  if (!file) return file.error();
  std::unordered_map<std::string, std::string> queries;
  for (;;) {
    auto next = next_json(*file);
    if (!next) return next.error();
    if (!*next) return queries;
    Result<CorpusRow> row = read_row(*file, (*next)->root(), "query");
    if (!row) return row.error();
    if (row->text.empty()) return file->error("\"text\" is empty");
    if (!queries.try_emplace(row->id, std::move(row->text)).second) {
      return file->error("there is a query \"" + row->id + "\" already");
    }
  }
}

std::optional<std::int64_t> grade_of(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '+')) text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  std::int64_t grade = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, grade);
  constexpr std::int64_t kGradeMax = 1'000'000;
  const bool number = error == std::errc{} && rest == end;
  return number && std::abs(grade) <= kGradeMax ? std::optional{grade} : std::nullopt;
}

struct Judgement {
  std::string query;
  std::string document;
  std::optional<std::int64_t> grade;
};

// Three fields with tabs between; the grade is left out where it is no whole number.
std::optional<Judgement> split_judgement(std::string_view line) {
  std::array<std::string_view, 3> fields;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t tab = line.find('\t');
    const bool last = i + 1 == fields.size();
    if (last != (tab == std::string_view::npos)) return std::nullopt;
    fields[i] = line.substr(0, tab);
    line.remove_prefix(last ? line.size() : tab + 1);
  }
  return Judgement{std::string{fields[0]}, std::string{fields[1]}, grade_of(fields[2])};
}

Result<fs::path> qrels_path(const fs::path& folder, const std::string& split) {
  if (split.find('/') != std::string::npos) {
    return rejected("--split " + split + ": is a name, such as test, not a path");
  }
  const fs::path named = folder / "qrels" / ((split.empty() ? "test" : split) + ".tsv");
  std::error_code ignored;
  if (split.empty() && fs::exists(folder / "qrels.tsv", ignored)) return folder / "qrels.tsv";
  if (fs::exists(named, ignored)) return named;
  return rejected(folder.string() + ": has no judgements: neither " +
                  (split.empty() ? "qrels.tsv nor " : "") +
                  named.lexically_relative(folder).string() + (split.empty() ? "" : " (--split)"));
}

constexpr const char* kJudgementShape =
    "is not query, document and grade (a whole number) with tabs between";

}  // namespace

Result<Corpus> read_corpus(const fs::path& path) {
  Result<LineFile> file = LineFile::open(path);
  if (!file) return file.error();
  Corpus corpus;
  corpus.path = path;
  std::unordered_set<std::string> seen;
  for (;;) {
    const std::uint64_t offset = file->offset();
    const std::size_t lines_before = file->number();
    auto next = next_json(*file);
    if (!next) return next.error();
    if (!*next) break;
    Result<CorpusRow> row = read_row(*file, (*next)->root(), "document");
    if (!row) return row.error();
    if (row->id.size() > kDocumentIdBytesMax) return file->error("\"_id\" is over 512 bytes long");
    if (!seen.insert(row->id).second) {
      return file->error("there is a document \"" + row->id + "\" already");
    }
    const bool full = corpus.batches.empty() ||
                      corpus.batches.back().documents == kBatchDocuments ||
                      file->offset() - corpus.batches.back().offset > kBatchBytes;
    if (full) corpus.batches.push_back({offset, lines_before, 0});
    ++corpus.batches.back().documents;
    corpus.ids.push_back(std::move(row->id));
  }
  if (corpus.ids.empty()) return rejected(path.string() + ": has no document");
  return corpus;
}

Result<std::string> documents_json(const Corpus& corpus, const Corpus::Batch& batch) {
  Result<LineFile> file = LineFile::open(corpus.path);
  if (!file) return file.error();
  file->seek(batch.offset, batch.lines_before);
  json::Writer out;
  out.begin_object().key("documents").begin_array();
  for (std::size_t i = 0; i < batch.documents; ++i) {
    auto next = next_json(*file);
    if (!next) return next.error();
    if (!*next) return file->error("the file has become shorter");
    Result<CorpusRow> row = read_row(*file, (*next)->root(), "document");
    if (!row) return row.error();
    out.begin_object().field("id", row->id);
    if (!row->title.empty()) out.field("title", row->title);
    out.field("text", row->text).end_object();
  }
  return out.end_array().end_object().take();
}

Result<std::vector<JudgedQuery>> read_judged_queries(const fs::path& folder,
                                                     const std::string& split) {
  const Result<fs::path> path = qrels_path(folder, split);
  if (!path) return path.error();
  auto texts = read_queries(folder / "queries.jsonl");
  if (!texts) return texts.error();
  Result<LineFile> file = LineFile::open(*path);
  if (!file) return file.error();
  std::vector<JudgedQuery> queries;
  std::unordered_map<std::string, std::size_t> places;
  std::string line;
  for (bool heading = true;; heading = false) {
    Result<bool> more = file->next(line);
    if (!more) return more.error();
    if (!*more) break;
    const std::optional<Judgement> judgement = split_judgement(line);
    if (!judgement || judgement->grade.has_value() == heading) {
      return file->error(heading ? "should be headings, such as query-id, corpus-id and score with "
                                   "tabs between"
                                 : kJudgementShape);
    }
    if (heading) continue;
    const auto text = texts->find(judgement->query);
    if (text == texts->end()) {
      return file->error("query \"" + judgement->query + "\" is not in queries.jsonl");
    }
    const auto [place, is_new] = places.try_emplace(judgement->query, queries.size());
    if (is_new) queries.push_back({judgement->query, text->second, {}});
    queries[place->second].judgements[judgement->document] = *judgement->grade;
  }
  std::erase_if(queries,
                [](const JudgedQuery& each) { return !score_ranking({}, each.judgements); });
  if (queries.empty()) return rejected(path->string() + ": judges no document as relevant");
  return queries;
}

}  // namespace millrace
