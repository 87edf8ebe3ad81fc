#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

// What the index needs of the file system. Failures are `unavailable`.
namespace millrace {

Status make_directory(const std::filesystem::path& path);  // and those above it
Status remove_tree(const std::filesystem::path& path);     // fine when it is not there
// Durable: a file's bytes, or the names in a directory.
Status sync_path(const std::filesystem::path& path);
// The new name is durable.
Status rename_path(const std::filesystem::path& from, const std::filesystem::path& to);
// Sorted; none when the directory is not there.
Result<std::vector<std::string>> names_in(const std::filesystem::path& directory);
// Of all files in the directory and those in it, hard links once; without those that vanish
// meanwhile.
std::uint64_t tree_bytes(const std::filesystem::path& directory);

// A file that is written once, from its beginning.
class FileWriter {
 public:
  static Result<FileWriter> create(const std::filesystem::path& path);
  FileWriter(FileWriter&& other) noexcept;
  FileWriter& operator=(FileWriter&&) = delete;
  ~FileWriter();
  Status write(std::string_view bytes);
  Status finish();  // durable

 private:
  FileWriter(std::filesystem::path path, int fd) : path_{std::move(path)}, fd_{fd} {}
  std::filesystem::path path_;
  int fd_;
};
Status write_file(const std::filesystem::path& path, std::string_view bytes);  // durable

}  // namespace millrace
