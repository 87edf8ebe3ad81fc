#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "workers/index/checksum.h"
#include "workers/index/files.h"
#include "workers/index/segment.h"
#include "workers/text/analyzer.h"

// A segment's folder: the files `vectors`, `words` and `columns`, which have checksums of their
// own, and `manifest`, written last, which says which rows they are and holds them together:
//   manifest = "MRSG" version:u32 analysis:u32 dimensions:u32 id-bytes:u32 index-id
//              { bytes:u64 ends:u64 } of vectors, words, columns
//              rows:u64 slot:u64*rows checksum:u64
// Numbers are little-endian. `ends` is the checksum of a file's first and last kEndBytes bytes, so
// that files of two segments are not taken for one; `analysis` is kAnalysisVersion.
namespace millrace {
namespace {

constexpr std::string_view kMagic = "MRSG";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kEndBytes = 64;
constexpr std::string_view kFiles[] = {SealedSegment::kVectorsFile, SealedSegment::kWordsFile,
                                       SealedSegment::kColumnsFile};

std::string_view bytes_of(const MappedFile& file) {
  return {static_cast<const char*>(file.bytes()), file.size()};
}

template <class Number>
void put(std::string& out, Number value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

std::string head(std::string_view index_id, std::size_t dimensions) {
  std::string out{kMagic};
  put(out, kVersion);
  put(out, static_cast<std::uint32_t>(kAnalysisVersion));
  put(out, static_cast<std::uint32_t>(dimensions));
  put(out, static_cast<std::uint32_t>(index_id.size()));
  return out += index_id;
}

struct FileMark {
  std::uint64_t bytes = 0;
  std::uint64_t ends = 0;
};

Result<FileMark> mark_of(const std::filesystem::path& path) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error) return rejected(path.filename().string() + ": " + error.message());
  const std::size_t size = std::min<std::size_t>(bytes, kEndBytes);
  std::string ends(2 * size, '\0');
  std::ifstream in{path, std::ios::binary};
  in.read(ends.data(), static_cast<std::streamsize>(size));
  in.seekg(-static_cast<std::streamoff>(size), std::ios::end);
  in.read(ends.data() + size, static_cast<std::streamsize>(size));
  if (!in) return rejected(path.filename().string() + " is not readable");
  return FileMark{bytes, checksum(ends)};
}

Result<std::string> marks(const std::filesystem::path& directory) {
  std::string out;
  for (const std::string_view name : kFiles) {
    const Result<FileMark> mark = mark_of(directory / name);
    if (!mark) return mark.error();
    put(out, mark->bytes);
    put(out, mark->ends);
  }
  return out;
}

// The slots that the bytes of a manifest end in; `rest` begins behind the marks.
bool read_slots(std::string_view rest, std::vector<std::uint64_t>& slots) {
  std::uint64_t rows = 0;
  if (rest.size() < sizeof rows) return false;
  std::memcpy(&rows, rest.data(), sizeof rows);
  rest.remove_prefix(sizeof rows);
  if (rows == 0 || rows > kSegmentRowsMax || rest.size() != rows * sizeof(std::uint64_t)) {
    return false;
  }
  slots.resize(rows);
  std::memcpy(slots.data(), rest.data(), rest.size());
  const auto ascends = [](std::uint64_t a, std::uint64_t b) { return a >= b; };
  return std::adjacent_find(slots.begin(), slots.end(), ascends) == slots.end();
}

}  // namespace

SealedSegment::SealedSegment(std::filesystem::path directory, MappedFile words_bytes,
                             MappedFile columns_bytes)
    : directory_{std::move(directory)},
      words_bytes_{std::move(words_bytes)},
      columns_bytes_{std::move(columns_bytes)} {}

Status SealedSegment::write_manifest(const std::filesystem::path& directory,
                                     std::string_view index_id, std::size_t dimensions,
                                     std::span<const std::uint64_t> slots) {
  Result<std::string> files = marks(directory);
  if (!files) return files.error();
  std::string out = head(index_id, dimensions) + *files;
  put(out, static_cast<std::uint64_t>(slots.size()));
  out.append(reinterpret_cast<const char*>(slots.data()), slots.size_bytes());
  put(out, checksum(out));
  if (Status written = write_file(directory / kManifestFile, out); !written) return written;
  return sync_path(directory);
}

Result<std::shared_ptr<const SealedSegment>> SealedSegment::open(std::filesystem::path directory,
                                                                 std::string_view index_id,
                                                                 std::size_t dimensions) {
  Result<MappedFile> words = MappedFile::open(directory / kWordsFile);
  if (!words) return rejected(words.error().message);
  Result<MappedFile> columns = MappedFile::open(directory / kColumnsFile);
  if (!columns) return rejected(columns.error().message);
  std::shared_ptr<SealedSegment> segment{
      new SealedSegment{std::move(directory), std::move(*words), std::move(*columns)}};
  if (Status loaded = segment->load(index_id, dimensions); !loaded) return loaded.error();
  return std::shared_ptr<const SealedSegment>{std::move(segment)};
}

Status SealedSegment::load(std::string_view index_id, std::size_t dimensions) {
  std::ifstream in{directory_ / kManifestFile, std::ios::binary};
  const std::string manifest{std::istreambuf_iterator<char>{in}, {}};
  const std::string wanted = head(index_id, dimensions);
  if (!std::string_view{manifest}.starts_with(wanted)) {
    return rejected("the manifest is missing, damaged, or of another index or format");
  }
  std::uint64_t sum = 0;
  if (manifest.size() < wanted.size() + sizeof sum) return rejected("the manifest is truncated");
  const std::string_view body = std::string_view{manifest}.substr(0, manifest.size() - sizeof sum);
  std::memcpy(&sum, manifest.data() + body.size(), sizeof sum);
  if (sum != checksum(body)) return rejected("the manifest's checksum differs");
  const Result<std::string> files = marks(directory_);
  if (!files) return files.error();
  const std::string_view rest = body.substr(wanted.size());
  if (!rest.starts_with(*files)) return rejected("a file is truncated or of another segment");
  if (!read_slots(rest.substr(files->size()), slots_)) return rejected("the rows are damaged");

  Result<std::unique_ptr<VectorIndex>> vectors =
      VectorIndex::open(directory_ / kVectorsFile, dimensions);
  if (!vectors) return with_context("vectors", vectors.error());
  vectors_ = std::move(*vectors);
  Result<std::unique_ptr<InvertedIndex>> words = InvertedIndex::open(bytes_of(words_bytes_));
  if (!words) return with_context("words", words.error());
  words_ = std::move(*words);
  Result<std::unique_ptr<Columns>> columns = Columns::open(bytes_of(columns_bytes_));
  if (!columns) return with_context("columns", columns.error());
  columns_ = std::move(*columns);
  if (vectors_->rows() != rows() || words_->rows() != rows() || columns_->rows() != rows()) {
    return rejected("its files do not have the same rows");
  }
  return {};
}

std::uint64_t SealedSegment::memory_bytes() const {
  return vectors_->bytes() + words_bytes_.size() + columns_bytes_.size() +
         slots_.size() * sizeof(std::uint64_t);
}

std::vector<std::vector<VectorHit>> SealedSegment::nearest(std::span<const float> queries,
                                                           const Bitmap& rows, std::size_t count,
                                                           std::span<const float> floors) const {
  return vectors_->search(queries, rows, count, floors);
}
std::vector<float> SealedSegment::cosines(std::span<const float> query,
                                          std::span<const Row> rows) const {
  return vectors_->scores(query, rows);
}
CollectionLength SealedSegment::length(std::uint32_t collection, const Bitmap* rows) const {
  return words_->length(collection, rows);
}
std::uint64_t SealedSegment::document_frequency(std::uint32_t collection, std::string_view term,
                                                const Bitmap* rows) const {
  return words_->document_frequency(collection, term, rows);
}
std::vector<LexicalHit> SealedSegment::search(const LexicalQuery& query, const Bitmap& rows,
                                              std::size_t count) const {
  return words_->search(query, rows, count);
}
TermMatches SealedSegment::matches(std::uint32_t collection, std::span<const std::string> terms,
                                   std::span<const Row> rows) const {
  return words_->matches(collection, terms, rows);
}
Bitmap SealedSegment::select(const Filter& filter, std::size_t rows) const {
  return resized(columns_->select(filter), rows);
}

}  // namespace millrace
