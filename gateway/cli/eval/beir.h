#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/error.h"
#include "gateway/cli/eval/retrieval.h"

namespace millrace {

// A folder as the BEIR benchmark has them. Every reader is `rejected` with file, line and what
// would be right.

// corpus.jsonl: {"_id": …, "title": … (may be missing), "text": …} per line; what else a line has
// is passed over. Read twice, so that it need not fit into memory: once to know that all of it is
// right, once to be sent.
struct Corpus {
  struct Batch {  // of consecutive lines
    std::uint64_t offset = 0;
    std::size_t lines_before = 0;
    std::size_t documents = 0;
  };
  std::filesystem::path path;
  std::vector<std::string> ids;
  std::vector<Batch> batches;
};
Result<Corpus> read_corpus(const std::filesystem::path& path);
// A batch as the body of POST /v1/collections/{c}/documents.
Result<std::string> documents_json(const Corpus& corpus, const Corpus::Batch& batch);

// A query that has a relevant document.
struct JudgedQuery {
  std::string id;
  std::string text;
  Judgements judgements;
};
// In the order of the judgements: qrels/SPLIT.tsv where a split is named, else qrels.tsv or
// qrels/test.tsv: a line of headings, then query, document and grade with tabs between. Texts are
// from queries.jsonl: {"_id": …, "text": …} per line.
Result<std::vector<JudgedQuery>> read_judged_queries(const std::filesystem::path& folder,
                                                     const std::string& split);

}  // namespace millrace
