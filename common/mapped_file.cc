#include "common/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace millrace {
namespace {

Error failure(const std::filesystem::path& path) {
  return fatal(path.string() + ": " + std::generic_category().message(errno));
}

}  // namespace

Result<MappedFile> MappedFile::open(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return failure(path);
  struct stat status {};
  if (::fstat(file, &status) != 0) {
    const Error error = failure(path);
    ::close(file);
    return error;
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) {
    ::close(file);
    return fatal(path.string() + ": empty");
  }
  void* bytes = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  const Error error = failure(path);
  ::close(file);
  if (bytes == MAP_FAILED) return error;
  return MappedFile{bytes, size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : bytes_{std::exchange(other.bytes_, nullptr)}, size_{std::exchange(other.size_, 0)} {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  std::swap(size_, other.size_);
  return *this;
}

MappedFile::~MappedFile() {
  if (bytes_ != nullptr) ::munmap(bytes_, size_);
}

void MappedFile::release_pages() const {
  if (bytes_ != nullptr) ::madvise(bytes_, size_, MADV_DONTNEED);
}

}  // namespace millrace
