#include "tests/bench/bench_kafka_embeddings.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "common/clock.h"
#include "common/ids.h"
#include "common/json.h"
#include "common/log/kafka_log.h"
#include "common/log/segmented.h"
#include "common/metrics.h"
#include "schemas/chunk.h"
#include "schemas/topics.h"
#include "tests/bench/bench_kafka_raw.h"

namespace millrace {
namespace {

constexpr std::uint64_t kSeed = 20261121;
constexpr std::int32_t kDimensions = 384;  // the default model's
constexpr std::size_t kChunksPerDocument = 8;
constexpr std::size_t kWordsPerChunk = 150;  // about what 256 tokens hold
constexpr std::int32_t kTokensPerChunk = 256;
constexpr std::size_t kVocabulary = 6'000;
constexpr std::size_t kRecordsPerAppend = 64;  // of 18 KiB

class Author {
 public:
  Author() {
    for (std::size_t i = 0; i < kVocabulary; ++i) {
      std::string word;
      for (std::size_t length = 2 + generator_() % 9; length > 0; --length) {
        word += static_cast<char>('a' + generator_() % 26);
      }
      words_.push_back(std::move(word));
    }
  }

  EmbeddingEvent document(std::size_t number, std::size_t chunks) {
    EmbeddingEvent event;
    event.model = "seeded random vectors";
    event.dimensions = kDimensions;
    ChunkEvent& batch = event.chunk_batch;
    batch.document.collection = "default";
    batch.document.document_id = "bench-" + std::to_string(number);
    batch.document.revision = new_ulid(system_clock());
    batch.document.title = text(6);
    batch.document.media_type = "text/plain";
    batch.document.accepted_at = system_clock().wall_now();
    batch.chunks_total = static_cast<std::int64_t>(chunks);
    std::int64_t at = 0;
    for (std::size_t i = 0; i < chunks; ++i) {
      Chunk chunk;
      chunk.ordinal = static_cast<std::int64_t>(i);
      chunk.chunk_id = chunk_id_for(batch.document, chunk.ordinal);
      chunk.text = text(kWordsPerChunk);
      chunk.start = at;
      at += static_cast<std::int64_t>(chunk.text.size());  // one byte each code point
      chunk.end = at;
      chunk.tokens = kTokensPerChunk;
      batch.chunks.push_back(std::move(chunk));
      add_vector(event.vectors);
    }
    batch.document.bytes = at;
    return event;
  }

 private:
  std::string text(std::size_t words) {
    std::string text;
    for (; words > 0; --words) text.append(words_[generator_() % words_.size()]).append(" ");
    return text;
  }

  void add_vector(std::vector<float>& vectors) {
    const std::size_t first = vectors.size();
    float squares = 0;
    for (std::int32_t i = 0; i < kDimensions; ++i) {
      vectors.push_back(normal_(generator_));
      squares += vectors.back() * vectors.back();
    }
    for (std::size_t i = first; i < vectors.size(); ++i) vectors[i] /= std::sqrt(squares);
  }

  std::mt19937_64 generator_{kSeed};
  std::normal_distribution<float> normal_;
  std::vector<std::string> words_;
};

}  // namespace

std::string write_embeddings(const std::string& brokers, const std::string& prefix,
                             std::int32_t partitions, std::size_t chunks) {
  MetricsRegistry metrics;
  KafkaLogOptions options;
  options.brokers = brokers;
  options.prefix = prefix;
  const auto base = open_kafka_log(options, system_clock(), metrics);
  if (!base) fail(base.error().message);
  const std::unique_ptr<Log> log = make_segmented_log(**base);
  const auto there = log->partitions(topics::embeddings(kGeneration));
  if (!there) fail(there.error().message);
  if (*there != partitions) fail("the topic has " + std::to_string(*there) + " partitions");
  const auto writer = log->open_writer();
  Author author;
  const auto began = std::chrono::steady_clock::now();
  std::vector<Record> records;
  for (std::size_t number = 0, left = chunks; left > 0; ++number) {
    const std::size_t some = std::min(kChunksPerDocument, left);
    left -= some;
    records.push_back(to_record(author.document(number, some), kGeneration));
    if (records.size() < kRecordsPerAppend && left > 0) continue;
    if (const auto stored = writer->append(std::move(records)); !stored) {
      fail(stored.error().message);
    }
    records.clear();
  }
  json::Writer out;
  out.begin_object()
      .field("chunks", static_cast<std::int64_t>(chunks))
      .field("seconds", seconds_since(began))
      .end_object();
  return out.take();
}

}  // namespace millrace
