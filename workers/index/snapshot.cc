#include "workers/index/snapshot.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "schemas/float16.h"

namespace millrace {
namespace {

constexpr std::string_view kMagic = "MLRV";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kIdBytes = 26;
constexpr std::size_t kHeaderBytes = 4 + 4 + kIdBytes + 4 + 4;
constexpr std::size_t kChecksumBytes = 8;
constexpr std::string_view kSuffix = ".vectors";
constexpr std::size_t kRowsMax = 1U << 20U;  // of a file; more is damage

void put(std::string& out, std::uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out.push_back(static_cast<char>((value >> (8 * i)) & 0xffU));
}

std::uint64_t take(std::string_view bytes, std::size_t at, unsigned count) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < count; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
  }
  return value;
}

// Every step is a bijection of the state, so one damaged word always shows.
std::uint64_t checksum(std::string_view bytes) {
  std::uint64_t state = 0xcbf2'9ce4'8422'2325U ^ bytes.size();
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min<std::size_t>(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), size);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    state = (state ^ word) * 0x0000'0100'0000'01b3U;
    state ^= state >> 32U;
    bytes.remove_prefix(size);
  }
  return state;
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

Status write_file(const std::filesystem::path& path, std::string_view bytes) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return system_error("create", path);
  bool written = true;
  while (written && !bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    written = count > 0;
    if (written) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
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
  std::string bytes{kMagic};
  bytes.reserve(kHeaderBytes + block.size() * (8 + 2 * dimensions_) + kChecksumBytes);
  put(bytes, kVersion, 4);
  bytes += index_id;
  put(bytes, dimensions_, 4);
  put(bytes, block.size(), 4);
  for (std::size_t row = 0; row < block.size(); ++row) put(bytes, block.rows->slots[row], 8);
  bytes += encode_float16({block.rows->values.get(), block.size() * dimensions_});
  put(bytes, checksum(bytes), 8);

  std::error_code error;
  std::filesystem::create_directories(directory_, error);
  if (error) return unavailable("create " + directory_.string() + ": " + error.message());
  const std::string name = file_name(block);
  const std::filesystem::path temporary = directory_ / (name + ".new");
  if (Status written = write_file(temporary, bytes); !written) return written.error();
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

std::vector<std::string> SnapshotFiles::list() const {
  std::error_code ignored;  // what cannot be listed is read from RocksDB
  std::vector<std::string> names = names_in(directory_, ignored);
  std::erase_if(names, [](const std::string& name) { return !name.ends_with(kSuffix); });
  return names;
}

Result<VectorBlock> SnapshotFiles::read(const std::string& name, std::string_view index_id,
                                        std::uint64_t slots_end) const {
  std::ifstream in{directory_ / name, std::ios::binary | std::ios::ate};
  const std::streamoff length = in ? static_cast<std::streamoff>(in.tellg()) : -1;
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(length, 0));
  const std::size_t size_max = kHeaderBytes + kChecksumBytes + kRowsMax * (8 + 2 * dimensions_);
  if (size < kHeaderBytes + kChecksumBytes || size > size_max) return rejected("truncated");
  std::string bytes(size, '\0');
  in.seekg(0);
  if (!in.read(bytes.data(), length)) return rejected("not readable");

  const std::string_view whole{bytes};
  const std::string_view content = whole.substr(0, size - kChecksumBytes);
  if (take(whole, content.size(), 8) != checksum(content)) return rejected("checksum differs");
  if (!content.starts_with(kMagic) || take(content, 4, 4) != kVersion) {
    return rejected("another format");
  }
  if (content.substr(8, kIdBytes) != index_id) return rejected("of another index");
  const std::size_t rows = take(content, 8 + kIdBytes + 4, 4);
  if (take(content, 8 + kIdBytes, 4) != dimensions_ || rows == 0 ||
      content.size() != kHeaderBytes + rows * (8 + 2 * dimensions_)) {
    return rejected("other dimensions");
  }
  VectorBlock block;
  block.rows = std::make_shared<BlockRows>();
  block.capacity = rows;
  block.audiences.resize(rows);
  block.rows->slots = std::make_unique_for_overwrite<std::uint64_t[]>(rows);
  for (std::size_t row = 0; row < rows; ++row) {
    block.rows->slots[row] = take(content, kHeaderBytes + row * 8, 8);
    if (row > 0 && block.rows->slots[row] <= block.rows->slots[row - 1]) {
      return rejected("slots out of order");
    }
  }
  if (block.last_slot() >= slots_end) return rejected("slots that were never given");
  std::vector<float> values;
  if (!decode_float16(content.substr(kHeaderBytes + rows * 8), values)) {
    return rejected("values that are not finite");
  }
  block.rows->values = std::make_unique_for_overwrite<float[]>(values.size());
  std::copy(values.begin(), values.end(), block.rows->values.get());
  block.file = name;
  return block;
}

}  // namespace millrace
