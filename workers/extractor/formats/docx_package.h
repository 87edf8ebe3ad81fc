#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace millrace {

// The parts of an OOXML file. The sum of what is unpacked from it is limited, counted while
// inflating: what an archive says of its sizes is not believed.
class DocxPackage {
 public:
  // Reads from `bytes`, which must outlive it.
  static Result<DocxPackage> open(std::string_view bytes, std::size_t unpacked_bytes_max);
  DocxPackage(DocxPackage&&) noexcept;
  DocxPackage& operator=(DocxPackage&&) noexcept;
  ~DocxPackage();

  // The part's bytes; empty when there is no such part.
  Result<std::string> read(const std::string& part);

 private:
  struct Impl;
  explicit DocxPackage(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
