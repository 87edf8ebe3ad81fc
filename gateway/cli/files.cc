#include "gateway/cli/files.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <utility>

namespace millrace {
namespace fs = std::filesystem;

namespace {

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

Result<std::vector<FoundFile>> walk(const fs::path& folder) {
  std::vector<FoundFile> files;
  std::error_code error;
  const fs::path above = fs::weakly_canonical(folder, error).parent_path();
  fs::recursive_directory_iterator walker{folder, error};
  for (; !error && walker != fs::recursive_directory_iterator{}; walker.increment(error)) {
    if (hidden(walker->path())) {
      walker.disable_recursion_pending();
      continue;
    }
    std::error_code ignored;
    if (walker->is_symlink(ignored) || !walker->is_regular_file(ignored)) continue;
    const fs::path whole = fs::weakly_canonical(walker->path(), ignored);
    files.push_back({walker->path(), whole.lexically_relative(above).generic_string()});
  }
  if (error) return rejected(folder.string() + ": " + error.message());
  std::ranges::sort(files, {}, &FoundFile::document_id);
  return files;
}

}  // namespace

Result<std::vector<FoundFile>> find_files(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return rejected(path.string() + ": no such file or folder");
  if (fs::is_directory(status)) return walk(path);
  if (!fs::is_regular_file(status)) return rejected(path.string() + ": not a regular file");
  return std::vector<FoundFile>{{path, path.filename().string()}};
}

Result<std::string> read_file(const fs::path& path) {
  std::ifstream in{path, std::ios::binary};
  std::string content{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
  if (!in.good() && !in.eof()) return rejected(path.string() + ": cannot be read");
  return content;
}

std::string_view media_type_of(const fs::path& path) {
  using Row = std::pair<std::string_view, std::string_view>;
  static constexpr std::array kTypes{
      Row{".pdf", "application/pdf"},
      Row{".html", "text/html"},
      Row{".htm", "text/html"},
      Row{".md", "text/markdown"},
      Row{".markdown", "text/markdown"},
      Row{".txt", "text/plain"},
      Row{".csv", "text/csv"},
      Row{".tsv", "text/tab-separated-values"},
      Row{".json", "application/json"},
      Row{".jsonl", "application/jsonl"},
      Row{".ndjson", "application/x-ndjson"},
      Row{".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
  };
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(), [](unsigned char each) {
    return static_cast<char>(each >= 'A' && each <= 'Z' ? each + 32 : each);
  });
  const auto found = std::ranges::find(kTypes, std::string_view{extension}, &Row::first);
  return found == kTypes.end() ? "application/octet-stream" : found->second;
}

}  // namespace millrace
