#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "common/error.h"
#include "common/json.h"

namespace millrace {

// A text file by lines, which are hostile: none is longer than kLineBytesMax.
class LineFile {
 public:
  static constexpr std::size_t kLineBytesMax = 64U << 20U;

  static Result<LineFile> open(const std::filesystem::path& path);
  // The next line that is not empty, without its end; false at the end of the file. `rejected` when
  // a line is too long or the file cannot be read.
  Result<bool> next(std::string& line);
  // On from a place that offset() and number() gave before the line in question.
  void seek(std::uint64_t offset, std::size_t number);

  std::uint64_t offset() const { return offset_; }  // of the next line
  std::size_t number() const { return number_; }    // of the line that next() gave, from 1
  // `message`, with the file's name and the line's number.
  Error error(const std::string& message) const;

 private:
  explicit LineFile(const std::filesystem::path& path);
  std::string name_;
  std::ifstream in_;
  std::uint64_t offset_ = 0;
  std::size_t number_ = 0;
};

// The next line as JSON; nullopt at the end of the file.
Result<std::optional<json::Document>> next_json(LineFile& file);

}  // namespace millrace
