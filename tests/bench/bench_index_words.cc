#include "tests/bench/bench_index_words.h"

#include <algorithm>
#include <set>

#include "tests/bench/bench_index.h"
#include "workers/index/chunk_terms.h"

namespace millrace {
namespace {

constexpr std::size_t kLegDepth = 100;  // what hybrid search takes of each leg

}  // namespace

BareWords::BareWords(const BenchCorpus& corpus) : corpus_{corpus} {
  GrowingInverted growing;
  std::set<std::string> languages;
  for (std::size_t chunk = 0; chunk < corpus.chunks(); chunk += kChunksPerDocument) {
    const EmbeddingEvent event = corpus.document(chunk, "bare", "bare");
    const std::string language = *languages.insert(language_of(event.chunk_batch.chunks)).first;
    for (const Chunk& each : event.chunk_batch.chunks) {
      growing.add(0, ChunkTerms{each, "", language}.counts());
    }
  }
  languages_.assign(languages.begin(), languages.end());
  const Status written = growing.serialize([this](std::string_view piece) {
    bytes_ += piece;
    return Status{};
  });
  if (!written) bench_failed(written.error().message);
  Result<std::unique_ptr<InvertedIndex>> opened = InvertedIndex::open(bytes_);
  if (!opened) bench_failed(opened.error().message);
  index_ = std::move(*opened);
  all_ = Bitmap{index_->rows(), true};
}

void BareWords::ask(std::span<const std::size_t> questions) const {
  for (const std::size_t question : questions) {
    const CollectionLength length = index_->length(0);
    std::vector<QueryTerm> terms;
    for (const QueryWord& word :
         thread_analyzer().query_words(corpus_.questions[question], languages_)) {
      std::uint64_t with = 0;
      for (const std::string& term : word.terms) with += index_->document_frequency(0, term);
      for (const std::string& term : word.terms) {
        terms.push_back({term, bm25_idf(length.rows, with)});
      }
    }
    const LexicalQuery query{
        .collection = 0,
        .terms = terms,
        .mean_length = static_cast<float>(length.terms) / static_cast<float>(length.rows)};
    if (index_->search(query, all_, kLegDepth).empty()) bench_failed("a question without a hit");
  }
}

double BareWords::bytes_per_chunk() const {
  return static_cast<double>(bytes_.size()) / static_cast<double>(corpus_.chunks());
}

}  // namespace millrace
