#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "common/error.h"

namespace millrace {

struct StoredObject {
  std::string name;
  std::uint64_t bytes = 0;
};

// A place for named objects: a folder, or a bucket of an S3-compatible store. Names are parts of
// [A-Za-z0-9._-] with '/' between them, relative to the place. Every call waits for the disk or the
// network: never on an Asio thread. `unavailable` while the place does not answer, `rejected` where
// it refuses. Thread-safe.
class ObjectStore {
 public:
  static constexpr std::size_t kObjectBytesMax = 128U << 20U;

  virtual ~ObjectStore() = default;
  // Whole or not at all, and on the disk when it returns; replaces one of that name.
  virtual Status put(const std::string& name, std::string bytes) = 0;
  virtual Result<std::string> get(const std::string& name) const = 0;  // `rejected`: there is none
  // Those whose names begin so, by name.
  virtual Result<std::vector<StoredObject>> list(const std::string& prefix) const = 0;
  virtual Status remove(const std::string& name) = 0;  // one that is not there is no failure
  // The place, for messages; of an object when it is named.
  virtual std::string where(std::string_view name = {}) const = 0;
};

// Credentials and address of an S3-compatible store; the place itself is in the location.
struct S3Options {
  std::string endpoint;  // http or https; empty: AWS's of the region
  std::string region = "us-east-1";
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // of temporary credentials; else empty
};

// location = PATH | "s3://" BUCKET [ "/" PREFIX ]. Touches nothing yet. `rejected` for a location
// that is none, and for S3 without credentials.
Result<std::unique_ptr<ObjectStore>> open_object_store(const std::string& location,
                                                       const S3Options& s3, const Clock& clock);

// The two kinds.
std::unique_ptr<ObjectStore> open_folder_store(std::string folder);
Result<std::unique_ptr<ObjectStore>> open_s3_store(std::string_view bucket, std::string_view prefix,
                                                   const S3Options& options, const Clock& clock);

}  // namespace millrace
