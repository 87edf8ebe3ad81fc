#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "common/object_store.h"

namespace millrace {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUnfinished =
    ".unfinished";  // the end of a file's name while it is written

Error failed(std::string_view doing, const fs::path& path, int code) {
  const bool passes = code == ENOSPC || code == EIO || code == EINTR || code == EAGAIN;
  std::string message = std::string{doing} + " " + path.string() + ": " + std::strerror(code);
  return passes ? unavailable(std::move(message)) : rejected(std::move(message));
}

// Closes it.
class File {
 public:
  explicit File(int descriptor) : descriptor_{descriptor} {}
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

Status write_file(const fs::path& path, std::string_view bytes) {
  constexpr mode_t kOwnerOnly = 0600;  // a backup holds every document
  const File file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kOwnerOnly)};
  if (file.get() < 0) return failed("write", path, errno);
  while (!bytes.empty()) {
    const ssize_t written = ::write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed("write", path, errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  if (::fsync(file.get()) != 0) return failed("write", path, errno);
  return {};
}

Status sync_folder(const fs::path& folder) {
  const File file{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (file.get() < 0 || ::fsync(file.get()) != 0) return failed("write", folder, errno);
  return {};
}

class FolderStore final : public ObjectStore {
 public:
  explicit FolderStore(std::string folder) : folder_{std::move(folder)} {}

  Status put(const std::string& name, std::string bytes) override {
    const fs::path path = folder_ / name;
    const fs::path unfinished = path.string() + std::string{kUnfinished};
    std::error_code error;
    const bool made = fs::create_directories(path.parent_path(), error);
    if (error) return failed("make the folder", path.parent_path(), error.value());
    Status written = write_file(unfinished, bytes);
    if (written && ::rename(unfinished.c_str(), path.c_str()) != 0) {
      written = failed("write", path, errno);
    }
    if (!written) {
      fs::remove(unfinished, error);
      return written;
    }
    if (made) {
      if (Status synced = sync_folder(path.parent_path().parent_path()); !synced) return synced;
    }
    return sync_folder(path.parent_path());
  }

  Result<std::string> get(const std::string& name) const override {
    const fs::path path = folder_ / name;
    std::error_code error;
    const auto size = fs::file_size(path, error);
    if (error) return failed("read", path, error.value());
    if (size > kObjectBytesMax) return rejected("read " + path.string() + ": it is too large");
    std::ifstream file{path, std::ios::binary};
    std::string bytes(size, '\0');
    file.read(bytes.data(), static_cast<std::streamsize>(size));
    if (!file || file.gcount() != static_cast<std::streamsize>(size)) {
      return unavailable("read " + path.string() + ": it cannot be read whole");
    }
    return bytes;
  }

  Result<std::vector<StoredObject>> list(const std::string& prefix) const override {
    std::vector<StoredObject> found;
    std::error_code error;
    if (!fs::exists(folder_, error) && !error) return found;
    fs::recursive_directory_iterator each{folder_, error};
    for (; !error && each != fs::recursive_directory_iterator{}; each.increment(error)) {
      std::error_code gone;  // removed meanwhile
      if (!each->is_regular_file(gone)) continue;
      std::string name = each->path().lexically_relative(folder_).generic_string();
      const std::uint64_t bytes = each->file_size(gone);
      if (gone || !name.starts_with(prefix) || name.ends_with(kUnfinished)) continue;
      found.push_back({std::move(name), bytes});
    }
    if (error) return failed("list", folder_, error.value());
    std::ranges::sort(found, {}, &StoredObject::name);
    return found;
  }

  Status remove(const std::string& name) override {
    const fs::path path = folder_ / name;
    std::error_code error;
    fs::remove(path, error);
    if (error) return failed("remove", path, error.value());
    // What is not empty stays; so does the place itself.
    if (path.parent_path() != folder_) fs::remove(path.parent_path(), error);
    return {};
  }

  std::string where(std::string_view name) const override {
    return name.empty() ? folder_.string() : (folder_ / name).string();
  }

 private:
  const fs::path folder_;
};

}  // namespace

std::unique_ptr<ObjectStore> open_folder_store(std::string folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  return std::make_unique<FolderStore>(std::move(folder));
}

}  // namespace millrace
