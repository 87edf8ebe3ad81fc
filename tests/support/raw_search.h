#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace millrace {

// The files below `folder` in which the bytes stand as they are.
inline std::vector<std::string> files_with(const std::filesystem::path& folder,
                                           const std::string& bytes) {
  std::vector<std::string> found;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{folder}) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file{entry.path(), std::ios::binary};
    const std::string content{std::istreambuf_iterator<char>{file}, {}};
    if (content.find(bytes) != std::string::npos) found.push_back(entry.path().string());
  }
  return found;
}

}  // namespace millrace
