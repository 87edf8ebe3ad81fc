#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"
#include "workers/extractor/formats.h"

namespace millrace::sandbox_wire {

// What sandbox and child say to each other over file descriptor 3, all numbers little-endian:
//   frame    = type:u8 length:u64 body
//   string   = length:u64 bytes
//   setup    = memory_bytes_max:u64       parent, first
//   hello    = ""                         child, once, when it is confined and ready
//   request  = format:u32 cpu_seconds:i64 pages_max:i64 output_bytes_max:u64 unpacked_bytes_max:u64
//              charset:string content:bytes-to-the-end
//   begun    = ""                         child: the request is read; from here a crash is its
//   fault text     = title:string pages:i64 text:string blocks:u64 block* block    = kind:u8
//   start:i64 end:i64 page:i64 same:u8 [count:u64 string*]
//              (same = 1: the headings of the block before)
//   refusal  = message                    child: `rejected`
//   failure  = message                    child: not confined, or another error that is not the
//   file's memory   = ""                         child: it needed too much memory, and ends
enum class FrameType : std::uint8_t {
  setup = 1,
  hello,
  request,
  begun,
  text,
  refusal,
  failure,
  memory
};

inline constexpr int kChildFd = 3;
inline constexpr std::size_t kFrameHeadBytes = 9;

struct FrameHead {
  FrameType type{};
  std::uint64_t length = 0;
};
std::string encode_head(FrameHead head);
FrameHead decode_head(std::string_view bytes);  // asserted kFrameHeadBytes long

std::string encode_setup(std::uint64_t memory_bytes_max);
bool decode_setup(std::string_view body, std::uint64_t& memory_bytes_max);

struct Request {
  std::uint32_t format = 0;  // index into format_table()
  std::int64_t cpu_seconds = 0;
  FormatLimits limits;
  std::string_view charset;
  std::string_view content;
};
std::string encode_request_without_content(const Request& request);
bool decode_request(std::string_view body, Request& out);

std::string encode_text(const ExtractedText& text);
// Believes nothing: false unless the text is valid UTF-8 and the blocks are in order, inside it and
// within `limits`. The child may have been taken over by the file it read.
bool decode_text(std::string_view body, const FormatLimits& limits, ExtractedText& out);

}  // namespace millrace::sandbox_wire
