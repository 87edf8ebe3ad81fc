#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/error.h"
#include "common/log/record.h"
#include "schemas/document.h"

namespace millrace {

// A stored piece of a document.
struct Chunk {
  std::string chunk_id;      // derived: chunk_id_for()
  std::int64_t ordinal = 0;  // in the document, from 0
  std::string text;          // exactly the code points [start, end) of the extracted text
  std::int64_t start = 0;
  std::int64_t end = 0;
  std::int32_t page = 0;  // of its first code point; 0: none
  std::vector<std::string> headings;
  std::int32_t tokens = 0;  // of the embedding model, headings excluded
  bool operator==(const Chunk&) const = default;
};

// 32 hex digits of SHA-256 over collection, document id, revision and ordinal.
std::string chunk_id_for(const DocumentRef& document, std::int64_t ordinal);

// What is embedded: the heading path (or title), cut to kPrefixBytesMax so that it never crowds out
// the text, and the text: a chunk stands by itself.
inline constexpr std::size_t kPrefixBytesMax = 192;
std::string text_to_embed(const DocumentRef& document, const Chunk& chunk);

// Chunks of one revision travel in batches of at most this many, so that no record is huge.
inline constexpr std::size_t kChunksPerRecord = 64;

// Topic `chunks.gN`, key: the document. A document without text has one batch without chunks;
// `removed`: one batch without chunks.
struct ChunkEvent {
  DocumentRef document;
  bool removed = false;
  std::int32_t batch = 0;    // from 0
  std::int32_t batches = 1;  // of this revision
  std::int32_t pages = 0;
  std::int64_t chunks_total = 0;  // of this revision
  std::vector<Chunk> chunks;
  static constexpr std::string_view kType = "chunks";
  bool operator==(const ChunkEvent&) const = default;
};
Record to_record(const ChunkEvent& event, int generation);
Result<ChunkEvent> chunk_event_from(const Record& record);

// Topic `embeddings.gN`, key: document '\0' revision '\0' batch, so that the indexer can remove the
// records of a superseded revision one by one. The vectors are the body: float16, little-endian,
// chunks.size() * dimensions, row by row, each of length 1.
struct EmbeddingEvent {
  ChunkEvent chunk_batch;
  std::string model;  // that made the vectors
  std::int32_t dimensions = 0;
  std::vector<float> vectors;  // float16 on the wire
  static constexpr std::string_view kType = "embeddings";
  bool operator==(const EmbeddingEvent&) const = default;
};
Record to_record(const EmbeddingEvent& event, int generation);
Result<EmbeddingEvent> embedding_event_from(const Record& record);
std::string embedding_key(std::string_view document_key, std::string_view revision,
                          std::int32_t batch);

}  // namespace millrace
