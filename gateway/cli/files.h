#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace millrace {

// A file to add. The document id is the path below the folder that was named, with the folder's own
// name, so that adding the same folder again replaces instead of doubling.
struct FoundFile {
  std::filesystem::path path;
  std::string document_id;
};

// The file itself, or every regular file below a folder in name order; hidden ones and links out of
// it are passed over. `rejected` when there is no such path or it cannot be read.
Result<std::vector<FoundFile>> find_files(const std::filesystem::path& path);
Result<std::string> read_file(const std::filesystem::path& path);

// What the name says; "application/octet-stream" when it says nothing: the server looks at the
// bytes.
std::string_view media_type_of(const std::filesystem::path& path);

}  // namespace millrace
