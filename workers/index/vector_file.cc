#include "workers/index/vector_file.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace millrace {
namespace {

constexpr std::string_view kMagic = "MRVX";
constexpr std::uint32_t kVersion = 2;
constexpr std::size_t kHeaderNumbers = 8;  // the magic is the first
constexpr std::size_t kHeaderBytes = kHeaderNumbers * sizeof(std::uint32_t);
constexpr std::size_t kBufferBytes = 1U << 20U;  // a multiple of the checksum's words

// The sections, in the order of the file; bytes() has been compared with its size.
class Sections {
 public:
  explicit Sections(const char* bytes) : at_{bytes} {}
  template <class Number>
  std::span<const Number> take(std::size_t count) {
    const auto* begin = reinterpret_cast<const Number*>(at_);
    at_ += count * sizeof(Number);
    return {begin, count};
  }

 private:
  const char* at_;
};

bool sound(std::span<const std::uint16_t> halves) {
  constexpr unsigned kExponent = 0x7c00;
  return std::ranges::all_of(halves, [](unsigned half) { return (half & kExponent) != kExponent; });
}
bool sound(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) {
    return std::abs(value) <= kCoordinateMax;  // not so of what is no number
  });
}

Result<VectorLayout> read_layout(std::string_view bytes) {
  std::uint32_t numbers[kHeaderNumbers];
  if (bytes.size() < kHeaderBytes + sizeof(std::uint64_t)) return rejected("cut short");
  if (!bytes.starts_with(kMagic)) return rejected("not vectors");
  std::memcpy(numbers, bytes.data(), kHeaderBytes);
  const auto [magic, version, kind, rows, dimensions, lists, parts, zero] = numbers;
  if (version != kVersion) return rejected("of another version");
  const VectorLayout layout{static_cast<VectorKind>(kind), rows, dimensions, lists, parts};
  const bool flat = layout.kind == VectorKind::flat;
  const bool products = layout.kind == VectorKind::products;
  if (!flat && !products && layout.kind != VectorKind::bytes) return rejected("of another kind");
  if (zero != 0 || rows > kVectorRowsMax || dimensions == 0 || dimensions > kVectorDimensionsMax ||
      flat != (lists == 0) || lists > rows || products != (parts > 0) ||
      (products && dimensions % parts != 0)) {
    return rejected("an impossible header");
  }
  if (bytes.size() != layout.file_bytes()) return rejected("of another length");
  return layout;
}

Status check_lists(const VectorFile& file) {
  const auto& begins = file.begins;
  if (begins.front() != 0 || begins.back() != file.rows.size() ||
      !std::is_sorted(begins.begin(), begins.end())) {
    return rejected("lists that do not fit");
  }
  Bitmap seen{file.rows.size()};
  for (const Row row : file.rows) {
    if (row >= file.rows.size() || seen.test(row)) return rejected("rows that are none");
    seen.set(row);
  }
  return {};
}

}  // namespace

std::size_t VectorLayout::file_bytes() const {
  const std::size_t ends = kHeaderBytes + sizeof(std::uint64_t);
  if (kind == VectorKind::flat) return ends + rows * dimensions * sizeof(std::uint16_t);
  const std::size_t codebooks = kind == VectorKind::products ? kCodebook : 0;
  return ends + (2 + lists + codebooks) * dimensions * sizeof(float) +
         (lists + 1 + rows) * sizeof(std::uint32_t) + rows * (dimensions + parts);
}

Result<VectorFile> VectorFile::open(const std::filesystem::path& path, std::size_t dimensions) {
  const auto damaged = [&path](std::string_view why) {
    return rejected("vectors " + path.string() + ": " + std::string{why});
  };
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error == std::errc::no_such_file_or_directory) return damaged("missing");
  if (error) return unavailable("vectors " + path.string() + ": " + error.message());
  if (size == 0) return damaged("empty");
  Result<MappedFile> mapped = MappedFile::open(path);
  if (!mapped) return unavailable("vectors " + mapped.error().message);

  VectorFile file{std::move(*mapped)};
  const Result<VectorLayout> layout = read_layout(file.all());
  if (!layout) return damaged(layout.error().message);
  file.layout = *layout;
  if (layout->dimensions != dimensions) return damaged("of other dimensions");
  const std::string_view summed = file.all().substr(0, file.all().size() - sizeof(std::uint64_t));
  std::uint64_t expected = 0;
  std::memcpy(&expected, summed.data() + summed.size(), sizeof expected);
  if (checksum(summed) != expected) return damaged("the checksum differs");

  Sections sections{summed.data() + kHeaderBytes};
  if (layout->kind == VectorKind::flat) {
    file.values = sections.take<std::uint16_t>(layout->rows * dimensions);
    if (!sound(file.values)) return damaged("a coordinate that is no number");
    return file;
  }
  const bool products = layout->kind == VectorKind::products;
  file.scale.minimum = sections.take<float>(dimensions);
  file.scale.step = sections.take<float>(dimensions);
  file.centroids = sections.take<float>(layout->lists * dimensions);
  file.codebook = sections.take<float>(products ? kCodebook * dimensions : 0);
  file.begins = sections.take<std::uint32_t>(layout->lists + 1);
  file.rows = sections.take<Row>(layout->rows);
  file.codes = sections.take<std::uint8_t>(layout->rows * dimensions);
  file.parts = sections.take<std::uint8_t>(layout->rows * layout->parts);
  if (!sound(file.scale.minimum) || !sound(file.scale.step) || !sound(file.centroids) ||
      !sound(file.codebook)) {
    return damaged("a coordinate that is no number");
  }
  if (Status checked = check_lists(file); !checked) return damaged(checked.error().message);
  return file;
}

VectorFileWriter::VectorFileWriter(std::filesystem::path path, std::filesystem::path temporary,
                                   FileWriter file)
    : path_{std::move(path)}, temporary_{std::move(temporary)}, file_{std::move(file)} {
  buffer_.reserve(kBufferBytes);
}

VectorFileWriter::~VectorFileWriter() {
  std::error_code ignored;  // what is left is overwritten by the next
  std::filesystem::remove(temporary_, ignored);
}

Result<std::unique_ptr<VectorFileWriter>> VectorFileWriter::create(std::filesystem::path path,
                                                                   const VectorLayout& layout) {
  std::filesystem::path temporary = path.string() + ".new";
  Result<FileWriter> file = FileWriter::create(temporary);
  if (!file) return file.error();
  std::unique_ptr<VectorFileWriter> writer{
      new VectorFileWriter{std::move(path), std::move(temporary), std::move(*file)}};
  const std::uint32_t numbers[] = {kVersion,
                                   static_cast<std::uint32_t>(layout.kind),
                                   static_cast<std::uint32_t>(layout.rows),
                                   static_cast<std::uint32_t>(layout.dimensions),
                                   static_cast<std::uint32_t>(layout.lists),
                                   static_cast<std::uint32_t>(layout.parts),
                                   0};
  if (Status written = writer->write(kMagic); !written) return written.error();
  if (Status written = writer->write(std::span<const std::uint32_t>{numbers}); !written) {
    return written.error();
  }
  return writer;
}

Status VectorFileWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t size = std::min(bytes.size(), kBufferBytes - buffer_.size());
    buffer_.append(bytes.substr(0, size));
    bytes.remove_prefix(size);
    if (buffer_.size() < kBufferBytes) break;
    checksum_ = checksum(buffer_, checksum_);
    if (Status written = file_.write(buffer_); !written) return written;
    buffer_.clear();
  }
  return {};
}

Status VectorFileWriter::commit() {
  const std::uint64_t sum = checksum(buffer_, checksum_);
  buffer_.append(reinterpret_cast<const char*>(&sum), sizeof sum);
  if (Status written = file_.write(buffer_); !written) return written;
  if (Status finished = file_.finish(); !finished) return finished;
  return rename_path(temporary_, path_);
}

}  // namespace millrace
