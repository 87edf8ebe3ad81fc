#include "common/object_store.h"

namespace millrace {

namespace {

constexpr std::string_view kS3 = "s3://";

}  // namespace

Result<std::unique_ptr<ObjectStore>> open_object_store(const std::string& location,
                                                       const S3Options& s3, const Clock& clock) {
  if (location.empty()) return rejected("the location is empty: a folder or s3://BUCKET/PREFIX");
  if (!location.starts_with(kS3)) {
    if (location.find("://") != std::string::npos) {
      return rejected("\"" + location + "\" is neither a folder nor s3://BUCKET/PREFIX");
    }
    return open_folder_store(location);
  }
  const std::string_view place = std::string_view{location}.substr(kS3.size());
  const auto slash = place.find('/');
  const std::string_view prefix =
      slash == std::string_view::npos ? std::string_view{} : place.substr(slash + 1);
  return open_s3_store(place.substr(0, slash), prefix, s3, clock);
}

}  // namespace millrace
