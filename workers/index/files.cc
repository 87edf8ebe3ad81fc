#include "workers/index/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <utility>

namespace millrace {
namespace {

Error system_error(std::string_view what, const std::filesystem::path& path) {
  return unavailable(std::string{what} + " " + path.string() + ": " + std::strerror(errno));
}
Error system_error(std::string_view what, const std::filesystem::path& path,
                   const std::error_code& error) {
  return unavailable(std::string{what} + " " + path.string() + ": " + error.message());
}

}  // namespace

Status make_directory(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return system_error("create", path, error);
  return {};
}

Status remove_tree(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) return system_error("remove", path, error);
  return {};
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

Status rename_path(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::error_code error;
  std::filesystem::rename(from, to, error);
  if (error) return system_error("rename", from, error);
  return sync_path(to.parent_path());
}

Result<std::vector<std::string>> names_in(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  std::error_code error;
  std::filesystem::directory_iterator entry{directory, error};
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return system_error("list", directory, error);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::uint64_t tree_bytes(const std::filesystem::path& directory) {
  std::uint64_t sum = 0;
  std::set<std::pair<dev_t, ino_t>> linked;
  std::vector<std::filesystem::path> directories{directory};
  while (!directories.empty()) {
    std::error_code error;
    std::filesystem::directory_iterator each{directories.back(), error};
    directories.pop_back();
    for (; !error && each != std::filesystem::directory_iterator{}; each.increment(error)) {
      struct ::stat found {};
      if (::lstat(each->path().c_str(), &found) != 0) continue;
      if (S_ISDIR(found.st_mode)) directories.push_back(each->path());
      if (!S_ISREG(found.st_mode)) continue;
      if (found.st_nlink > 1 && !linked.emplace(found.st_dev, found.st_ino).second) continue;
      sum += static_cast<std::uint64_t>(found.st_size);
    }
  }
  return sum;
}

Result<FileWriter> FileWriter::create(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return system_error("create", path);
  return FileWriter{path, fd};
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : path_{std::move(other.path_)}, fd_{std::exchange(other.fd_, -1)} {}

FileWriter::~FileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

Status FileWriter::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd_, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return system_error("write", path_);
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return {};
}

Status FileWriter::finish() {
  if (::fsync(fd_) != 0) return system_error("sync", path_);
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) return system_error("close", path_);
  return {};
}

Status write_file(const std::filesystem::path& path, std::string_view bytes) {
  Result<FileWriter> file = FileWriter::create(path);
  if (!file) return file.error();
  if (Status written = file->write(bytes); !written) return written;
  return file->finish();
}

}  // namespace millrace
