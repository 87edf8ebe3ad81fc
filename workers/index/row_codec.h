#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schemas/chunk.h"

// What the rows of the chunk store hold. Each row begins with a version byte; numbers are varints,
// strings have their length in front. Decoding checks every length and refuses bytes left over.
namespace millrace {

// Consecutive slots: the numbers of chunks within one partition index.
struct SlotRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
  bool operator==(const SlotRange&) const = default;
};

// A chunk, and the row of its revision.
struct ChunkRow {
  std::uint64_t revision_number = 0;
  Chunk chunk;
};

// What a passage says of the document it is from. Numbered by the arrival of its first batch.
struct RevisionRow {
  std::string document_id;
  std::string revision;
  std::string title;
  std::string name;
  std::string metadata;
  std::string language;  // of its texts, so that their terms are made the same way again
};

// A collection: the number by which words know it, and the languages of its texts ever since.
struct CollectionRow {
  std::uint32_t number = 0;
  std::vector<std::string> languages;
};

// The records of one revision on `embeddings.gN`.
struct RevisionRecords {
  std::string revision;
  std::int32_t batches = 1;
  bool operator==(const RevisionRecords&) const = default;
};

// A revision that became current, and what it made superfluous when it did.
struct Swap {
  RevisionRecords records;
  std::uint64_t number = 0;
  std::int32_t completed_by = 0;  // the batch that was the last to arrive
  bool removed = false;           // it deleted the document
  std::vector<RevisionRecords> superseded;
};

// A document: its current revision, and those before, newest first, so that a record that comes
// again after a crash or a failed commit gives the change it gave before.
struct DocumentRow {
  std::vector<Swap> swaps;        // [0] is current
  std::vector<SlotRange> ranges;  // of the current revision, in the order of its batches
  std::vector<std::string> allow;

  const Swap& current() const { return swaps.front(); }
  std::uint64_t chunks() const;
};

// One batch of a revision that is not complete.
struct StagedRow {
  std::uint64_t number = 0;  // of its revision
  std::int32_t batches = 1;
  SlotRange range;
};

std::string encode(const ChunkRow& row);
std::string encode(const RevisionRow& row);
std::string encode(const CollectionRow& row);
std::string encode(const DocumentRow& row);
std::string encode(const StagedRow& row);
std::string encode(const std::vector<SlotRange>& ranges);
// False when the bytes are damaged or of a version that this program does not know.
bool decode(std::string_view bytes, ChunkRow& row);
bool decode(std::string_view bytes, RevisionRow& row);
bool decode(std::string_view bytes, CollectionRow& row);
bool decode(std::string_view bytes, DocumentRow& row);
bool decode(std::string_view bytes, StagedRow& row);
bool decode(std::string_view bytes, std::vector<SlotRange>& ranges);

// Big-endian, so that keys sort as numbers do.
void put_big_endian(std::string& out, std::uint64_t value);
std::optional<std::uint64_t> big_endian_from(std::string_view bytes);  // exactly eight

}  // namespace millrace
