#include "workers/extractor/sandbox_wire.h"

#include <cassert>
#include <limits>
#include <utility>

#include "common/json.h"
#include "workers/text/unicode.h"

namespace millrace::sandbox_wire {
namespace {

constexpr std::size_t kHeadingsMax = 16;  // of one block's path

void put_number(std::string& out, std::uint64_t number, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) out += static_cast<char>((number >> (8U * i)) & 0xFFU);
}
void put_i64(std::string& out, std::int64_t number) {
  put_number(out, static_cast<std::uint64_t>(number), 8);
}
void put_string(std::string& out, std::string_view text) {
  put_number(out, text.size(), 8);
  out += text;
}

// Reads fields off the front; after the first that is missing everything is nothing.
class Reader {
 public:
  explicit Reader(std::string_view body) : rest_{body} {}

  std::uint64_t number(unsigned bytes) {
    std::uint64_t value = 0;
    const std::string_view raw = take(bytes);
    for (unsigned i = 0; i < raw.size(); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(raw[i])} << (8U * i);
    }
    return value;
  }
  std::int64_t i64() { return static_cast<std::int64_t>(number(8)); }
  std::string_view string() { return take(number(8)); }
  std::string_view rest() { return std::exchange(rest_, {}); }
  bool good() const { return good_; }
  bool finished() const { return good_ && rest_.empty(); }

 private:
  std::string_view take(std::uint64_t bytes) {
    if (!good_ || bytes > rest_.size()) {
      good_ = false;
      return {};
    }
    const std::string_view taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }

  std::string_view rest_;
  bool good_ = true;
};

void put_block(std::string& out, const Block& block, const Block* before) {
  put_number(out, static_cast<std::uint64_t>(block.kind), 1);
  put_i64(out, block.start);
  put_i64(out, block.end);
  put_i64(out, block.page);
  const bool same = before != nullptr && before->headings == block.headings;
  put_number(out, same ? 1 : 0, 1);
  if (same) return;
  put_number(out, block.headings.size(), 8);
  for (const std::string& heading : block.headings) put_string(out, heading);
}

bool read_headings(Reader& in, std::vector<std::string>& out) {
  const std::uint64_t count = in.number(8);
  if (count > kHeadingsMax) return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string_view heading = in.string();
    if (!json::valid_utf8(heading)) return false;
    out.emplace_back(heading);
  }
  return in.good();
}

bool read_block(Reader& in, const Block* before, Block& out) {
  const std::uint64_t kind = in.number(1);
  if (kind > static_cast<std::uint64_t>(Block::Kind::code)) return false;
  out.kind = static_cast<Block::Kind>(kind);
  out.start = in.i64();
  out.end = in.i64();
  const std::int64_t page = in.i64();
  if (page < 0 || page > std::numeric_limits<std::int32_t>::max()) return false;
  out.page = static_cast<std::int32_t>(page);
  if (in.number(1) == 0) return read_headings(in, out.headings);
  if (before == nullptr) return false;
  out.headings = before->headings;
  return in.good();
}

bool read_blocks(Reader& in, const FormatLimits& limits, ExtractedText& out) {
  const std::uint64_t count = in.number(8);
  const std::int64_t length = code_points(out.text);
  std::int64_t end = 0;
  std::size_t heading_bytes = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    Block block;
    if (!read_block(in, out.blocks.empty() ? nullptr : &out.blocks.back(), block)) return false;
    if (block.start < end || block.end <= block.start || block.end > length) return false;
    for (const std::string& heading : block.headings) heading_bytes += heading.size();
    if (heading_bytes > limits.output_bytes_max) return false;
    end = block.end;
    out.blocks.push_back(std::move(block));
  }
  return true;
}

}  // namespace

std::string encode_head(FrameHead head) {
  std::string out;
  put_number(out, static_cast<std::uint64_t>(head.type), 1);
  put_number(out, head.length, 8);
  return out;
}

FrameHead decode_head(std::string_view bytes) {
  assert(bytes.size() == kFrameHeadBytes);
  Reader in{bytes};
  FrameHead head;
  head.type = static_cast<FrameType>(in.number(1));
  head.length = in.number(8);
  return head;
}

std::string encode_setup(std::uint64_t memory_bytes_max) {
  std::string out;
  put_number(out, memory_bytes_max, 8);
  return out;
}

bool decode_setup(std::string_view body, std::uint64_t& memory_bytes_max) {
  Reader in{body};
  memory_bytes_max = in.number(8);
  return in.finished();
}

std::string encode_request_without_content(const Request& request) {
  std::string out;
  put_number(out, request.format, 4);
  put_i64(out, request.cpu_seconds);
  put_i64(out, request.limits.pages_max);
  put_number(out, request.limits.output_bytes_max, 8);
  put_number(out, request.limits.unpacked_bytes_max, 8);
  put_string(out, request.charset);
  return out;
}

bool decode_request(std::string_view body, Request& out) {
  Reader in{body};
  out.format = static_cast<std::uint32_t>(in.number(4));
  out.cpu_seconds = in.i64();
  out.limits.pages_max = static_cast<std::int32_t>(in.i64());
  out.limits.output_bytes_max = in.number(8);
  out.limits.unpacked_bytes_max = in.number(8);
  out.charset = in.string();
  out.content = in.rest();
  return in.good() && out.format < format_table().size();
}

std::string encode_text(const ExtractedText& text) {
  std::string out;
  out.reserve(text.text.size() + text.blocks.size() * 32 + 64);
  put_string(out, text.title);
  put_i64(out, text.pages);
  put_string(out, text.text);
  put_number(out, text.blocks.size(), 8);
  const Block* before = nullptr;
  for (const Block& block : text.blocks) {
    put_block(out, block, before);
    before = &block;
  }
  return out;
}

bool decode_text(std::string_view body, const FormatLimits& limits, ExtractedText& out) {
  Reader in{body};
  out.title = in.string();
  const std::int64_t pages = in.i64();
  out.text = in.string();
  if (!in.good() || pages < 0 || pages > limits.pages_max ||
      out.text.size() > limits.output_bytes_max || !json::valid_utf8(out.title) ||
      !json::valid_utf8(out.text)) {
    return false;
  }
  out.pages = static_cast<std::int32_t>(pages);
  return read_blocks(in, limits, out) && in.finished();
}

}  // namespace millrace::sandbox_wire
