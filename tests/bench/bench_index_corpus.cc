#include "tests/bench/bench_index_corpus.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <random>

#include "common/json.h"
#include "tests/bench/bench_index.h"

namespace millrace {
namespace {

constexpr std::size_t kDimensions = 384;
constexpr std::size_t kDocumentsPerTopic = 50;
constexpr std::size_t kVocabulary = 60'000;
constexpr std::size_t kTopicWords = 200;
constexpr std::size_t kWordsPerChunk = 120;  // some 800 bytes, as the chunker makes them
constexpr std::size_t kWordsPerQuestion = 8;
constexpr std::size_t kChunksPerQuestion = 50;
// Lengths of what is added to a topic's vector of length 1. Neighbours in a document then have a
// cosine of .84, in a topic of .62; a question's to its chunk is .75.
constexpr float kDocumentNoise = 0.6F;
constexpr float kChunkNoise = 0.5F;
constexpr float kQuestionNoise = 0.88F;

class Maker {
 public:
  explicit Maker(unsigned seed) : random_{seed} {}

  std::size_t below(std::size_t end) { return random_() % end; }
  // `from` and noise of about this length; not of length 1.
  std::vector<float> near(std::span<const float> from, float noise) {
    const float deviation = noise / std::sqrt(static_cast<float>(from.size()));
    std::vector<float> vector(from.begin(), from.end());
    for (float& value : vector) value += deviation * normal_(random_);
    return vector;
  }
  std::string topic_word(std::size_t topic) {
    return word(1'000 + (topic * 7'919 + zipf(kTopicWords)) % (kVocabulary - 1'000));
  }
  std::string text(std::size_t topic, std::size_t words, std::size_t one_of_topic_in) {
    std::string text;
    for (std::size_t i = 0; i < words; ++i) {
      if (i > 0) text += ' ';
      text += below(one_of_topic_in) == 0 ? topic_word(topic) : word(zipf(kVocabulary));
    }
    return text;
  }

 private:
  std::size_t zipf(std::size_t end) {
    const double share = static_cast<double>(random_()) / 4294967296.0;
    return static_cast<std::size_t>(std::pow(static_cast<double>(end), share)) - 1;
  }
  static std::string word(std::size_t number) {
    static constexpr const char* kSyllables[] = {"ka",  "ro",  "mi",  "ten", "sol", "ver", "an",
                                                 "du",  "pli", "gra", "net", "os",  "ba",  "lu",
                                                 "cel", "tri", "ma",  "for", "gen", "ic"};
    std::string word;
    for (++number; number > 0; number /= std::size(kSyllables)) {
      word += kSyllables[number % std::size(kSyllables)];
    }
    return word;
  }

  std::mt19937 random_;
  std::normal_distribution<float> normal_;
};

void append_unit(std::vector<float>& vectors, std::vector<float> vector) {
  double square = 0;
  for (const float value : vector) square += static_cast<double>(value) * value;
  const auto length = static_cast<float>(std::sqrt(square));
  for (float& value : vector) value /= length;
  vectors.insert(vectors.end(), vector.begin(), vector.end());
}

}  // namespace

EmbeddingEvent BenchCorpus::document(std::size_t chunk, const std::string& id,
                                     const std::string& revision) const {
  const std::size_t count = std::min(kChunksPerDocument, chunks() - chunk);
  EmbeddingEvent event;
  event.model = "bench";
  event.dimensions = static_cast<std::int32_t>(dimensions);
  DocumentRef& document = event.chunk_batch.document;
  document.collection = kBenchCollection;
  document.document_id = id;
  document.revision = revision;
  document.metadata = R"({"year": )" + std::to_string(1990 + chunk / 8 % 35) + "}";
  event.chunk_batch.chunks_total = static_cast<std::int64_t>(count);
  for (std::size_t i = 0; i < count; ++i) {
    Chunk& out = event.chunk_batch.chunks.emplace_back();
    out.chunk_id = std::to_string(chunk + i);
    out.ordinal = static_cast<std::int64_t>(i);
    out.text = texts[chunk + i];
    out.end = static_cast<std::int64_t>(out.text.size());
  }
  const auto from = vectors.begin() + static_cast<std::ptrdiff_t>(chunk * dimensions);
  event.vectors.assign(from, from + static_cast<std::ptrdiff_t>(count * dimensions));
  return event;
}

BenchCorpus made_corpus(std::size_t chunks, std::size_t questions) {
  Maker make{20261121};
  BenchCorpus corpus;
  corpus.dimensions = kDimensions;
  corpus.vectors.reserve(chunks * kDimensions);
  corpus.texts.reserve(chunks);
  const std::vector<float> zero(kDimensions);
  const std::size_t topics = 1 + chunks / (kDocumentsPerTopic * kChunksPerDocument);
  std::vector<std::vector<float>> topic_vectors;
  for (std::size_t i = 0; i < topics; ++i) topic_vectors.push_back(make.near(zero, 1));
  std::vector<std::size_t> topic_of;  // by document
  std::vector<float> document;
  while (corpus.chunks() < chunks) {
    if (corpus.chunks() % kChunksPerDocument == 0) {
      topic_of.push_back(make.below(topics));
      document = make.near(topic_vectors[topic_of.back()], kDocumentNoise);
    }
    append_unit(corpus.vectors, make.near(document, kChunkNoise));
    corpus.texts.push_back(make.text(topic_of.back(), kWordsPerChunk, 5));
  }
  for (std::size_t i = 0; i < questions; ++i) {
    const std::size_t about = make.below(chunks);
    const auto vector = std::span{corpus.vectors}.subspan(about * kDimensions, kDimensions);
    append_unit(corpus.question_vectors, make.near(vector, kQuestionNoise));
    corpus.questions.push_back(
        make.text(topic_of[about / kChunksPerDocument], kWordsPerQuestion, 2));
  }
  return corpus;
}

BenchCorpus read_corpus(const std::filesystem::path& folder) {
  BenchCorpus corpus;
  std::ifstream texts{folder / "texts.jsonl"};
  std::ifstream vectors{folder / "vectors.f32", std::ios::binary};
  std::size_t rows = 0;
  std::vector<float> vector;
  for (std::string line; std::getline(texts, line); ++rows) {
    const Result<json::Document> row = json::Document::parse(line);
    if (!row) bench_failed(row.error().message);
    const auto dimensions = static_cast<std::size_t>(row->root().member("dimensions").as_integer());
    if (rows == 0) corpus.dimensions = dimensions;
    vector.resize(corpus.dimensions);
    const auto bytes = static_cast<std::streamsize>(vector.size() * sizeof(float));
    if (dimensions != corpus.dimensions ||
        !vectors.read(reinterpret_cast<char*>(vector.data()), bytes)) {
      bench_failed((folder / "vectors.f32").string() + " has no vector for text " +
                   std::to_string(rows));
    }
    std::string text{row->root().member("text").as_string()};
    const bool is_question = rows % kChunksPerQuestion == kChunksPerQuestion - 1;
    append_unit(is_question ? corpus.question_vectors : corpus.vectors, vector);
    (is_question ? corpus.questions : corpus.texts).push_back(std::move(text));
  }
  for (std::string& question : corpus.questions) {  // its first words
    std::size_t end = 0;
    for (std::size_t word = 0; word < kWordsPerQuestion && end < question.size(); ++word) {
      end = std::min(question.find(' ', end + 1), question.size());
    }
    question.resize(end);
  }
  if (corpus.questions.empty()) bench_failed("too few texts in " + folder.string());
  return corpus;
}

}  // namespace millrace
