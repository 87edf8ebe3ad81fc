#include "gateway/cli/eval/line_file.h"

namespace millrace {

LineFile::LineFile(const std::filesystem::path& path)
    : name_{path.string()}, in_{path, std::ios::binary} {}

Result<LineFile> LineFile::open(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    return rejected(path.string() + ": there is no such file");
  }
  LineFile file{path};
  if (!file.in_) return rejected(path.string() + ": cannot be read");
  return file;
}

Result<bool> LineFile::next(std::string& line) {
  auto& bytes = *in_.rdbuf();
  constexpr int kEnd = std::char_traits<char>::eof();
  for (;;) {
    line.clear();
    int each = bytes.sbumpc();
    if (each == kEnd) return false;
    ++number_;
    for (; each != kEnd && each != '\n'; each = bytes.sbumpc()) {
      if (line.size() == kLineBytesMax) {
        return error("is longer than " + std::to_string(kLineBytesMax) + " bytes");
      }
      line += static_cast<char>(each);
    }
    offset_ += line.size() + (each == kEnd ? 0 : 1);
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) return true;
  }
}

void LineFile::seek(std::uint64_t offset, std::size_t number) {
  in_.clear();
  in_.seekg(static_cast<std::streamoff>(offset));
  offset_ = offset;
  number_ = number;
}

Error LineFile::error(const std::string& message) const {
  return rejected(name_ + " line " + std::to_string(number_) + ": " + message);
}

Result<std::optional<json::Document>> next_json(LineFile& file) {
  using Next = std::optional<json::Document>;
  std::string line;
  Result<bool> more = file.next(line);
  if (!more) return more.error();
  if (!*more) return Next{};
  Result<json::Document> parsed = json::Document::parse(line);
  if (!parsed) return file.error("is not JSON: " + parsed.error().message);
  return Next{*std::move(parsed)};
}

}  // namespace millrace
