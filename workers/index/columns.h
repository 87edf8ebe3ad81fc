#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "common/error.h"
#include "schemas/filter.h"
#include "workers/index/bitmap.h"

namespace millrace {

// The metadata of a segment's rows by field and value, so that a filter costs no look at each
// document. The chunks of a document share its metadata and are neighbours, so rows are kept as
// runs.
//
// Nothing is left out because a segment has many fields or values: a field costs what a value
// costs, and all grows with what the documents hold, of each at most what filter_value.h says. The
// owner closes a segment that grows when bytes() is more than it wants to spend.

// A segment that grows. Not thread-safe: the owner adds under its unique lock and selects under its
// shared one.
class GrowingColumns {
 public:
  GrowingColumns();
  GrowingColumns(GrowingColumns&&) noexcept;
  ~GrowingColumns();
  // `count` rows more with this metadata, a JSON object.
  void add(std::string_view metadata, std::size_t count);
  std::size_t rows() const;
  Bitmap select(const Filter& filter) const;  // as Filter::matches of each row's metadata
  std::size_t bytes() const;                  // of memory, about
  std::string serialize() const;              // what Columns reads: see columns_format.h

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The same over bytes that somebody else keeps. Thread-safe.
class Columns {
 public:
  // `rejected` when they are damaged; nothing that passes is read out of bounds. How many rows
  // there are is what the bytes say: the owner compares it with what it knows.
  static Result<std::unique_ptr<Columns>> open(std::string_view bytes);
  ~Columns();
  std::size_t rows() const;
  Bitmap select(const Filter& filter) const;

  // The rows of several, one after the other, without those that `keep` does not have (without a
  // `keep`: all of them). Memory: the result twice, and a term.
  struct Source {
    const Columns* columns = nullptr;
    const Bitmap* keep = nullptr;
  };
  static std::string merge(std::span<const Source> sources);

  struct Impl;  // columns_format.h

 private:
  explicit Columns(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
