#include "workers/extractor/formats/docx_package.h"

#include <zip.h>

#include <array>
#include <new>
#include <utility>

namespace millrace {
namespace {

constexpr std::size_t kReadBytes = 64U * 1024;

using Archive = std::unique_ptr<zip_t, decltype(&zip_discard)>;
using Entry = std::unique_ptr<zip_file_t, decltype(&zip_fclose)>;

Error too_much(std::size_t limit) {
  return rejected("the document unpacks to more than " + std::to_string(limit) + " bytes");
}

Error broken(zip_error_t* error) {
  if (zip_error_code_zip(error) == ZIP_ER_MEMORY) throw std::bad_alloc{};
  return rejected(std::string{"the document's archive is broken: "} + zip_error_strerror(error));
}

}  // namespace

struct DocxPackage::Impl {
  Archive archive{nullptr, &zip_discard};
  std::size_t bytes_max = 0;
  std::size_t bytes_left = 0;
};

DocxPackage::DocxPackage(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
DocxPackage::DocxPackage(DocxPackage&&) noexcept = default;
DocxPackage& DocxPackage::operator=(DocxPackage&&) noexcept = default;
DocxPackage::~DocxPackage() = default;

Result<DocxPackage> DocxPackage::open(std::string_view bytes, std::size_t unpacked_bytes_max) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* source = zip_source_buffer_create(bytes.data(), bytes.size(), 0, &error);
  if (source == nullptr) return broken(&error);
  auto impl = std::make_unique<Impl>();
  impl->archive.reset(zip_open_from_source(source, ZIP_RDONLY, &error));
  if (impl->archive == nullptr) {
    zip_source_free(source);
    Error what = broken(&error);
    zip_error_fini(&error);
    return what;
  }
  impl->bytes_max = unpacked_bytes_max;
  impl->bytes_left = unpacked_bytes_max;
  return DocxPackage{std::move(impl)};
}

Result<std::string> DocxPackage::read(const std::string& part) {
  zip_t* archive = impl_->archive.get();
  const zip_int64_t index = zip_name_locate(archive, part.c_str(), 0);
  if (index < 0) return std::string{};
  zip_stat_t about;
  zip_stat_init(&about);
  // Saves inflating what says itself that it is too large.
  if (zip_stat_index(archive, static_cast<zip_uint64_t>(index), 0, &about) == 0 &&
      (about.valid & ZIP_STAT_SIZE) != 0 && about.size > impl_->bytes_left) {
    return too_much(impl_->bytes_max);
  }
  const Entry entry{zip_fopen_index(archive, static_cast<zip_uint64_t>(index), 0), &zip_fclose};
  if (entry == nullptr) {
    if (zip_error_code_zip(zip_get_error(archive)) == ZIP_ER_NOPASSWD) {
      return rejected("the document is encrypted; save it without a password");
    }
    return broken(zip_get_error(archive));
  }
  std::string content;
  std::array<char, kReadBytes> buffer;
  while (true) {
    const zip_int64_t got = zip_fread(entry.get(), buffer.data(), buffer.size());
    if (got < 0) return broken(zip_file_get_error(entry.get()));
    if (got == 0) return content;
    const auto bytes = static_cast<std::size_t>(got);
    if (bytes > impl_->bytes_left) return too_much(impl_->bytes_max);
    impl_->bytes_left -= bytes;
    content.append(buffer.data(), bytes);
  }
}

}  // namespace millrace
