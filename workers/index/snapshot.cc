#include "workers/index/snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>
#include <utility>

namespace millrace {
namespace {

constexpr std::string_view kMagic = "MLRV";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kIdBytes = 26;
constexpr std::size_t kRowsMax = 1U << 20U;  // of a file; more is damage
constexpr std::string_view kSuffix = ".vectors";
constexpr std::uint64_t kChecksumStart = 0xcbf2'9ce4'8422'2325U;

// The fixed part of a file. Packed by hand: see encode() and decode().
struct FileHeader {
  std::string index_id;
  std::uint32_t dimensions = 0;
  std::uint32_t rows = 0;
};
constexpr std::size_t kHeaderBytes = 4 + 4 + kIdBytes + 4 + 4;

template <class Number>
void put(std::string& out, Number value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

template <class Number>
Number take(std::string_view bytes, std::size_t at) {
  Number value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string encode(const FileHeader& header) {
  std::string bytes{kMagic};
  put(bytes, kVersion);
  bytes += header.index_id;
  put(bytes, header.dimensions);
  put(bytes, header.rows);
  return bytes;
}

bool decode(std::string_view bytes, FileHeader& header) {
  if (bytes.size() != kHeaderBytes || !bytes.starts_with(kMagic)) return false;
  if (take<std::uint32_t>(bytes, 4) != kVersion) return false;
  header.index_id = bytes.substr(8, kIdBytes);
  header.dimensions = take<std::uint32_t>(bytes, 8 + kIdBytes);
  header.rows = take<std::uint32_t>(bytes, 8 + kIdBytes + 4);
  return header.rows > 0 && header.rows <= kRowsMax;
}

// Every step is a bijection of the state, so one damaged word always shows.
std::uint64_t checksum(std::string_view bytes, std::uint64_t state) {
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min<std::size_t>(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), size);
    state = (state ^ word) * 0x0000'0100'0000'01b3U;
    state ^= state >> 32U;
    bytes.remove_prefix(size);
  }
  return state;
}

std::string_view bytes_of(const float* values, std::size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof *values};
}
std::string_view bytes_of(const std::uint64_t* values, std::size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof *values};
}

Error system_error(std::string_view what, const std::filesystem::path& path) {
  return unavailable(std::string{what} + " " + path.string() + ": " + std::strerror(errno));
}

Status sync_path(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return system_error("open", path);
  const bool synced = ::fsync(fd) == 0;
  const int saved = errno;
  ::close(fd);
  errno = saved;
  if (!synced) return system_error("sync", path);
  return {};
}

bool write_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

Status write_file(const std::filesystem::path& path, std::span<const std::string_view> parts) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return system_error("create", path);
  bool written = true;
  for (const std::string_view part : parts) written = written && write_all(fd, part);
  written = written && ::fsync(fd) == 0;
  const int saved = errno;
  ::close(fd);
  errno = saved;
  if (!written) return system_error("write", path);
  return {};
}

std::string file_name(const VectorBlock& block) {
  std::string first = std::to_string(block.first_slot());
  first.insert(0, 20 - first.size(), '0');  // sorts by first slot
  return first + "-" + std::to_string(block.size()) + std::string{kSuffix};
}

// Names of the files in the directory; none when it does not exist.
std::vector<std::string> names_in(const std::filesystem::path& directory, std::error_code& error) {
  std::vector<std::string> names;
  std::filesystem::directory_iterator entry{directory, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error == std::errc::no_such_file_or_directory) error.clear();
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

SnapshotFiles::SnapshotFiles(std::filesystem::path directory, std::int32_t dimensions)
    : directory_{std::move(directory)}, dimensions_{static_cast<std::size_t>(dimensions)} {}

Result<std::string> SnapshotFiles::write(const VectorBlock& block,
                                         std::string_view index_id) const {
  const auto rows = static_cast<std::uint32_t>(block.size());
  std::string head =
      encode(FileHeader{std::string{index_id}, static_cast<std::uint32_t>(dimensions_), rows});
  head += bytes_of(block.rows->slots.get(), rows);
  const std::string_view values = bytes_of(block.rows->values.get(), rows * dimensions_);
  std::string tail;
  put(tail, checksum(values, checksum(head, kChecksumStart)));
  const std::array<std::string_view, 3> parts{head, values, tail};

  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return unavailable("create " + directory_.string() + ": " + error.message());
  const std::string name = file_name(block);
  const std::filesystem::path temporary = directory_ / (name + ".new");
  if (Status written = write_file(temporary, parts); !written) return written.error();
  std::filesystem::rename(temporary, directory_ / name, error);
  if (error) return unavailable("rename " + temporary.string() + ": " + error.message());
  if (Status synced = sync_path(directory_); !synced) return synced.error();
  return name;
}

Status SnapshotFiles::remove_others(std::span<const std::string> keep) const {
  std::error_code error;
  for (const std::string& name : names_in(directory_, error)) {
    if (std::find(keep.begin(), keep.end(), name) != keep.end()) continue;
    if (!error) std::filesystem::remove(directory_ / name, error);
  }
  if (error) return unavailable("clear " + directory_.string() + ": " + error.message());
  return {};
}

Result<std::vector<std::string>> SnapshotFiles::list() const {
  std::error_code error;
  std::vector<std::string> names = names_in(directory_, error);
  if (error) return unavailable("list " + directory_.string() + ": " + error.message());
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(kSuffix); });
  return names;
}

Result<VectorBlock> SnapshotFiles::read(const std::string& name, std::string_view index_id,
                                        std::uint64_t slots_end) const {
  std::ifstream in{directory_ / name, std::ios::binary};
  std::string head(kHeaderBytes, '\0');
  FileHeader header;
  if (!in.read(head.data(), static_cast<std::streamsize>(head.size()))) {
    return rejected("truncated");
  }
  if (!decode(head, header)) return rejected("damaged, or of another format");
  if (header.index_id != index_id) return rejected("of another index");
  if (header.dimensions != dimensions_) return rejected("other dimensions");
  std::error_code error;
  const std::uint64_t row_bytes = sizeof(std::uint64_t) + sizeof(float) * dimensions_;
  if (std::filesystem::file_size(directory_ / name, error) !=
          kHeaderBytes + header.rows * row_bytes + sizeof(std::uint64_t) ||
      error) {
    return rejected("another length");
  }

  VectorBlock block;
  block.capacity = header.rows;
  block.audiences.resize(header.rows);
  block.file = name;
  block.rows = std::make_shared<BlockRows>();
  block.rows->slots = std::make_unique_for_overwrite<std::uint64_t[]>(header.rows);
  block.rows->values = std::make_unique_for_overwrite<float[]>(header.rows * dimensions_);
  const std::string_view slots = bytes_of(block.rows->slots.get(), header.rows);
  const std::string_view values = bytes_of(block.rows->values.get(), header.rows * dimensions_);
  std::string tail(sizeof(std::uint64_t), '\0');
  in.read(reinterpret_cast<char*>(block.rows->slots.get()),
          static_cast<std::streamsize>(slots.size()));
  in.read(reinterpret_cast<char*>(block.rows->values.get()),
          static_cast<std::streamsize>(values.size()));
  in.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  if (!in) return rejected("not readable");
  head += slots;
  if (take<std::uint64_t>(tail, 0) != checksum(values, checksum(head, kChecksumStart))) {
    return rejected("checksum differs");
  }
  // What has the right checksum is as it was written: slots ascend, values are finite.
  if (block.last_slot() >= slots_end) return rejected("slots that were never given");
  return block;
}

}  // namespace millrace
