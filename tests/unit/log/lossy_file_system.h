#pragma once

#include <rocksdb/file_system.h>

#include <atomic>
#include <map>
#include <mutex>
#include <string>

namespace millrace {

// The machine's files on a disk that can fail, and that a power cut robs of what was not synced.
class LossyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  LossyFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "LossyFileSystem"; }

  enum class State { works, full, broken };
  // Full: nothing is left to write to, though what is tried comes through. Broken: nothing is
  // written or synced any more.
  void become(State state) { state_ = state; }
  // What the power cut leaves: files cut off in the middle of what was not synced, and none of
  // those whose directory was not synced. Call it when the database is closed.
  void lose_what_was_not_synced();

  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFreeSpace(const std::string& path, const rocksdb::IOOptions& options,
                                 std::uint64_t* bytes, rocksdb::IODebugContext* debug) override;

  // For the files.
  rocksdb::IOStatus check() const;
  void appended(const std::string& path, std::uint64_t bytes);
  void synced(const std::string& path);
  void directory_synced(const std::string& path);

 private:
  struct File {
    std::uint64_t bytes = 0;
    std::uint64_t synced = 0;
    bool listed = false;  // its directory was synced since it was made
  };
  std::atomic<State> state_ = State::works;
  std::mutex mutex_;
  std::map<std::string, File> files_;
};

}  // namespace millrace
