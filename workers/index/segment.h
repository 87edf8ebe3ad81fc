#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/mapped_file.h"
#include "schemas/filter.h"
#include "workers/index/bitmap.h"
#include "workers/index/columns.h"
#include "workers/index/inverted.h"
#include "workers/index/vector_index.h"

namespace millrace {

// Rows that are searched together, by their slots, which ascend. Bitmaps may have less rows than a
// segment that grows has by now: those behind them are not looked at.
class Segment {
 public:
  virtual ~Segment() = default;

  // These need no lock, also while the segment grows.
  virtual const std::uint64_t* slots() const = 0;  // of rows that the caller knows of
  // As VectorIndex.
  virtual std::vector<std::vector<VectorHit>> nearest(std::span<const float> queries,
                                                      const Bitmap& rows, std::size_t count,
                                                      std::span<const float> floors) const = 0;
  virtual std::vector<float> cosines(std::span<const float> query,
                                     std::span<const Row> rows) const = 0;

  // These do while it grows: the owner's shared one. As inverted.h and columns.h.
  // `rows`: of the collection, to count these only; null: all of them.
  virtual CollectionLength length(std::uint32_t collection, const Bitmap* rows) const = 0;
  virtual std::uint64_t document_frequency(std::uint32_t collection, std::string_view term,
                                           const Bitmap* rows) const = 0;
  virtual std::vector<LexicalHit> search(const LexicalQuery& query, const Bitmap& rows,
                                         std::size_t count) const = 0;
  virtual TermMatches matches(std::uint32_t collection, std::span<const std::string> terms,
                              std::span<const Row> rows) const = 0;
  virtual Bitmap select(const Filter& filter, std::size_t rows) const = 0;
};

// In memory: its vectors never move, so that they are read while rows are added. Filled by one
// thread, under the owner's unique lock; once it is full or frozen nothing changes any more.
class GrowingSegment : public Segment {
 public:
  GrowingSegment(std::size_t dimensions, std::size_t capacity);

  // How many rows still fit: none once it is as large in memory as it may be.
  std::size_t room() const;
  // First the metadata of some rows, then these rows one by one. Vectors are kept as float16.
  void add_metadata(std::string_view metadata, std::size_t rows);
  void add_row(std::uint64_t slot, std::span<const float> vector, std::uint32_t collection,
               std::span<const TermCount> terms);
  std::size_t rows() const { return words_.rows(); }
  std::size_t dimensions() const { return dimensions_; }
  std::uint64_t memory_bytes() const;  // about

  const std::uint64_t* slots() const override { return slots_.get(); }
  std::vector<std::vector<VectorHit>> nearest(std::span<const float> queries, const Bitmap& rows,
                                              std::size_t count,
                                              std::span<const float> floors) const override;
  std::vector<float> cosines(std::span<const float> query,
                             std::span<const Row> rows) const override;
  CollectionLength length(std::uint32_t collection, const Bitmap* rows) const override;
  std::uint64_t document_frequency(std::uint32_t collection, std::string_view term,
                                   const Bitmap* rows) const override;
  std::vector<LexicalHit> search(const LexicalQuery& query, const Bitmap& rows,
                                 std::size_t count) const override;
  TermMatches matches(std::uint32_t collection, std::span<const std::string> terms,
                      std::span<const Row> rows) const override;
  Bitmap select(const Filter& filter, std::size_t rows) const override;

  const GrowingInverted& words() const { return words_; }
  const GrowingColumns& columns() const { return columns_; }

 private:
  const std::uint16_t* values(Row row) const { return values_.get() + row * dimensions_; }

  const std::size_t dimensions_;
  const std::size_t capacity_;
  // Not initialised: pages that no row has reached cost no memory.
  std::unique_ptr<std::uint16_t[]> values_;  // float16, as they came
  std::unique_ptr<std::uint64_t[]> slots_;
  GrowingInverted words_;
  GrowingColumns columns_;
};

// In files that do not change, all with checksums: see sealed_segment.cc. Thread-safe.
class SealedSegment : public Segment {
 public:
  // `rejected`, saying why, when a file is missing, damaged, of another segment or another index.
  static Result<std::shared_ptr<const SealedSegment>> open(std::filesystem::path directory,
                                                           std::string_view index_id,
                                                           std::size_t dimensions);
  // The last step of making one whose other files are written: what they are, in `directory`.
  static Status write_manifest(const std::filesystem::path& directory, std::string_view index_id,
                               std::size_t dimensions, std::span<const std::uint64_t> slots);

  std::size_t rows() const { return slots_.size(); }
  const std::filesystem::path& directory() const { return directory_; }
  std::uint64_t memory_bytes() const;  // mapped files included

  const std::uint64_t* slots() const override { return slots_.data(); }
  std::vector<std::vector<VectorHit>> nearest(std::span<const float> queries, const Bitmap& rows,
                                              std::size_t count,
                                              std::span<const float> floors) const override;
  std::vector<float> cosines(std::span<const float> query,
                             std::span<const Row> rows) const override;
  CollectionLength length(std::uint32_t collection, const Bitmap* rows) const override;
  std::uint64_t document_frequency(std::uint32_t collection, std::string_view term,
                                   const Bitmap* rows) const override;
  std::vector<LexicalHit> search(const LexicalQuery& query, const Bitmap& rows,
                                 std::size_t count) const override;
  TermMatches matches(std::uint32_t collection, std::span<const std::string> terms,
                      std::span<const Row> rows) const override;
  Bitmap select(const Filter& filter, std::size_t rows) const override;

  const InvertedIndex& words() const { return *words_; }
  const Columns& columns() const { return *columns_; }

  // Of its folder.
  static constexpr std::string_view kVectorsFile = "vectors";
  static constexpr std::string_view kWordsFile = "words";
  static constexpr std::string_view kColumnsFile = "columns";
  static constexpr std::string_view kManifestFile = "manifest";

 private:
  SealedSegment(std::filesystem::path directory, MappedFile words_bytes, MappedFile columns_bytes);
  Status load(std::string_view index_id, std::size_t dimensions);

  const std::filesystem::path directory_;
  const MappedFile words_bytes_;
  const MappedFile columns_bytes_;
  std::vector<std::uint64_t> slots_;
  std::unique_ptr<VectorIndex> vectors_;
  std::unique_ptr<InvertedIndex> words_;
  std::unique_ptr<Columns> columns_;
};

// The bitmap with so many rows: cut, or without the rows that come to it.
Bitmap resized(const Bitmap& bitmap, std::size_t rows);

}  // namespace millrace
