#pragma once

#include <cstddef>
#include <filesystem>

#include "common/error.h"

namespace millrace {

// A file's bytes, read-only, paged in as they are touched. The file must not be cut while mapped;
// it may be unlinked or replaced by rename. Movable; const members are thread-safe.
class MappedFile {
 public:
  static Result<MappedFile> open(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  const void* bytes() const { return bytes_; }
  std::size_t size() const { return size_; }
  // Gives the pages back to the system, which reads them again when they are touched.
  void release_pages() const;

 private:
  MappedFile(void* bytes, std::size_t size) : bytes_{bytes}, size_{size} {}
  void* bytes_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace millrace
