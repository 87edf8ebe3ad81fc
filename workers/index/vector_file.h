#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "common/error.h"
#include "common/mapped_file.h"
#include "workers/index/bitmap.h"
#include "workers/index/byte_codes.h"
#include "workers/index/checksum.h"
#include "workers/index/files.h"

// The vectors of a segment in a file. Numbers are little-endian, floats finite and within
// +-kCoordinateMax.
//   file    = "MRVX" version:u32 kind:u32 rows:u32 dimensions:u32 lists:u32 parts:u32 zero:u32
//             (flat | lists) checksum:u64
//   flat    = value:f16*rows*dimensions                                       kind 1
//   lists   = minimum:f32*dimensions step:f32*dimensions                      byte_codes.h
//             centroid:f32*lists*dimensions
//             codebook:f32*256*dimensions            256 subvectors of each part; kind 3, else none
//             begin:u32*(lists+1)                    where in the order by lists each begins
//             row:u32*rows                           the rows, ordered by lists
//             code:u8*rows*dimensions                of the rows in this order
//             part:u8*rows*parts                     kind 3: which subvector, of the residual
// The checksum is of everything before.
namespace millrace {

enum class VectorKind : std::uint32_t { flat = 1, bytes = 2, products = 3 };

inline constexpr float kCoordinateMax = 65'504;  // the greatest float16
inline constexpr std::size_t kVectorRowsMax = std::size_t{1} << 31U;
inline constexpr std::size_t kVectorDimensionsMax = 65'536;
inline constexpr std::size_t kCodebook = 256;

struct VectorLayout {
  VectorKind kind = VectorKind::flat;
  std::size_t rows = 0;
  std::size_t dimensions = 0;
  std::size_t lists = 0;  // flat: 0
  std::size_t parts = 0;  // of a vector, each kept as one byte; kind products only

  std::size_t file_bytes() const;
};

// A file, mapped, checked to the last byte.
struct VectorFile {
  static Result<VectorFile> open(const std::filesystem::path& path, std::size_t dimensions);

  std::string_view all() const { return {static_cast<const char*>(file.bytes()), file.size()}; }

  MappedFile file;
  VectorLayout layout = {};
  std::span<const std::uint16_t> values = {};
  ByteScale scale = {};
  std::span<const float> centroids = {};
  std::span<const float> codebook = {};
  std::span<const std::uint32_t> begins = {};
  std::span<const Row> rows = {};
  std::span<const std::uint8_t> codes = {};
  std::span<const std::uint8_t> parts = {};
};

// Writes the sections one after another. Without commit() nothing is left.
class VectorFileWriter {
 public:
  static Result<std::unique_ptr<VectorFileWriter>> create(std::filesystem::path path,
                                                          const VectorLayout& layout);
  VectorFileWriter(const VectorFileWriter&) = delete;
  VectorFileWriter& operator=(const VectorFileWriter&) = delete;
  ~VectorFileWriter();

  Status write(std::string_view bytes);
  template <class Number>
  Status write(std::span<const Number> numbers) {
    return write({reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes()});
  }
  // The checksum; then the file is durable under its name.
  Status commit();

 private:
  VectorFileWriter(std::filesystem::path path, std::filesystem::path temporary, FileWriter file);

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  FileWriter file_;
  std::string buffer_;
  std::uint64_t checksum_ = kChecksumStart;
};

}  // namespace millrace
