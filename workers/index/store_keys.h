#pragma once

#include <rocksdb/slice.h>
#include <rocksdb/status.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"
#include "workers/index/row_codec.h"

// Keys of the chunk store (chunk_store.h has the list), and what its failures mean.
namespace millrace {

inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view view_of(const rocksdb::Slice& text) { return {text.data(), text.size()}; }

inline std::string number_key(char prefix, std::uint64_t number) {
  std::string key(1, prefix);
  put_big_endian(key, number);
  return key;
}
inline std::string vector_key(std::uint64_t slot) {
  std::string key;
  put_big_endian(key, slot);
  return key;
}
inline std::string text_key(char prefix, std::string_view text) {
  std::string key(1, prefix);
  return key += text;
}
inline std::string staged_key(std::string_view key, std::string_view revision, std::int32_t batch) {
  std::string out = text_key('s', key);
  out.push_back('\0');
  out += revision;
  out.push_back('\0');
  put_big_endian(out, static_cast<std::uint64_t>(batch));
  return out;
}
inline std::string encoded(std::uint64_t number) {
  std::string out;
  put_big_endian(out, number);
  return out;
}

inline Error error_from(std::string_view what, const rocksdb::Status& status) {
  const std::string message = std::string{what} + ": " + status.ToString();
  if (status.IsCorruption()) {
    return fatal(message + "; the index is built again from the log at the next start");
  }
  return unavailable(message);
}
inline Error damaged(std::string_view what) {
  return error_from("read the index", rocksdb::Status::Corruption(slice(what), "is damaged"));
}

}  // namespace millrace
