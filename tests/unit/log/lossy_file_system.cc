#include "lossy_file_system.h"

#include <filesystem>

namespace millrace {

namespace {

using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;

class LossyFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LossyFile(LossyFileSystem& owner, std::string path, std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), owner_(owner), path_(std::move(path)) {}

  IOStatus Append(const rocksdb::Slice& bytes, const IOOptions& options,
                  IODebugContext* debug) override {
    if (IOStatus failure = owner_.check(); !failure.ok()) return failure;
    owner_.appended(path_, bytes.size());
    return target()->Append(bytes, options, debug);
  }
  IOStatus Append(const rocksdb::Slice& bytes, const IOOptions& options,
                  const rocksdb::DataVerificationInfo&, IODebugContext* debug) override {
    return Append(bytes, options, debug);
  }
  IOStatus Sync(const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus failure = owner_.check(); !failure.ok()) return failure;
    IOStatus status = target()->Sync(options, debug);
    if (status.ok()) owner_.synced(path_);
    return status;
  }
  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  LossyFileSystem& owner_;
  const std::string path_;
};

class LossyDirectory final : public rocksdb::FSDirectory {
 public:
  LossyDirectory(LossyFileSystem& owner, std::string path,
                 std::unique_ptr<rocksdb::FSDirectory> directory)
      : owner_(owner), path_(std::move(path)), directory_(std::move(directory)) {}

  IOStatus Fsync(const IOOptions& options, IODebugContext* debug) override {
    if (IOStatus failure = owner_.check(); !failure.ok()) return failure;
    IOStatus status = directory_->Fsync(options, debug);
    if (status.ok()) owner_.directory_synced(path_);
    return status;
  }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    return directory_->Close(options, debug);
  }

 private:
  LossyFileSystem& owner_;
  const std::string path_;
  const std::unique_ptr<rocksdb::FSDirectory> directory_;
};

std::string parent(const std::string& path) {
  return std::filesystem::path{path}.lexically_normal().parent_path().string();
}

}  // namespace

void LossyFileSystem::lose_what_was_not_synced() {
  const std::lock_guard lock{mutex_};
  for (const auto& [path, file] : files_) {
    std::error_code gone;
    if (!file.listed) {
      std::filesystem::remove(path, gone);
    } else if (file.synced < file.bytes) {
      std::filesystem::resize_file(path, file.synced + (file.bytes - file.synced) / 2, gone);
    }
  }
  files_.clear();
}

IOStatus LossyFileSystem::NewWritableFile(const std::string& path,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSWritableFile>* file,
                                          IODebugContext* debug) {
  if (IOStatus failure = check(); !failure.ok()) return failure;
  std::unique_ptr<rocksdb::FSWritableFile> made;
  IOStatus status = target()->NewWritableFile(path, options, &made, debug);
  if (!status.ok()) return status;
  {
    const std::lock_guard lock{mutex_};
    files_[path] = {};
  }
  *file = std::make_unique<LossyFile>(*this, path, std::move(made));
  return status;
}

IOStatus LossyFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                       std::unique_ptr<rocksdb::FSDirectory>* directory,
                                       IODebugContext* debug) {
  std::unique_ptr<rocksdb::FSDirectory> made;
  IOStatus status = target()->NewDirectory(path, options, &made, debug);
  if (status.ok()) *directory = std::make_unique<LossyDirectory>(*this, path, std::move(made));
  return status;
}

IOStatus LossyFileSystem::RenameFile(const std::string& from, const std::string& to,
                                     const IOOptions& options, IODebugContext* debug) {
  if (IOStatus failure = check(); !failure.ok()) return failure;
  IOStatus status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  const std::lock_guard lock{mutex_};
  if (auto moved = files_.extract(from)) {
    moved.mapped().listed = true;  // renames are taken to last: the target's name was there before
    moved.key() = to;
    files_.erase(to);
    files_.insert(std::move(moved));
  }
  return status;
}

IOStatus LossyFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                     IODebugContext* debug) {
  if (IOStatus failure = check(); !failure.ok()) return failure;
  IOStatus status = target()->DeleteFile(path, options, debug);
  const std::lock_guard lock{mutex_};
  files_.erase(path);
  return status;
}

IOStatus LossyFileSystem::GetFreeSpace(const std::string& path, const IOOptions& options,
                                       std::uint64_t* bytes, IODebugContext* debug) {
  if (state_ != State::full) return target()->GetFreeSpace(path, options, bytes, debug);
  *bytes = 0;
  return IOStatus::OK();
}

IOStatus LossyFileSystem::check() const {
  return state_ == State::broken ? IOStatus::IOError("the disk does not answer") : IOStatus::OK();
}

void LossyFileSystem::appended(const std::string& path, std::uint64_t bytes) {
  const std::lock_guard lock{mutex_};
  files_[path].bytes += bytes;
}

void LossyFileSystem::synced(const std::string& path) {
  const std::lock_guard lock{mutex_};
  files_[path].synced = files_[path].bytes;
}

void LossyFileSystem::directory_synced(const std::string& path) {
  const std::lock_guard lock{mutex_};
  const std::string directory = (std::filesystem::path{path} / "").lexically_normal().string();
  for (auto& [name, file] : files_) {
    if (parent(name) + "/" == directory) file.listed = true;
  }
}

}  // namespace millrace
