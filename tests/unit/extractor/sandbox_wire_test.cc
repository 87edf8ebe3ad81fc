#include "workers/extractor/sandbox_wire.h"

#include <gtest/gtest.h>

namespace millrace::sandbox_wire {
namespace {

ExtractedText sample() {
  ExtractedText text;
  text.title = "Ti\u00E4";
  text.pages = 3;
  text.text = "H\u00E9ad\n\nbody";
  text.blocks = {{Block::Kind::heading, 0, 4, 1, {}},
                 {Block::Kind::paragraph, 6, 8, 2, {"H\u00E9ad"}},
                 {Block::Kind::code, 8, 10, 3, {"H\u00E9ad"}}};
  return text;
}

bool accepted(const ExtractedText& text, const FormatLimits& limits = {}) {
  ExtractedText out;
  return decode_text(encode_text(text), limits, out);
}

TEST(SandboxWire, brings_a_text_through_unchanged) {
  const ExtractedText text = sample();
  ExtractedText out;
  ASSERT_TRUE(decode_text(encode_text(text), {}, out));
  EXPECT_EQ(out.text, text.text);
  EXPECT_EQ(out.title, text.title);
  EXPECT_EQ(out.pages, text.pages);
  EXPECT_EQ(out.blocks, text.blocks);
}

TEST(SandboxWire, refuses_a_text_cut_short_anywhere_or_too_long) {
  const std::string whole = encode_text(sample());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    ExtractedText out;
    EXPECT_FALSE(decode_text(whole.substr(0, length), {}, out)) << length;
  }
  ExtractedText out;
  EXPECT_FALSE(decode_text(whole + "x", {}, out));
}

TEST(SandboxWire, refuses_what_a_parser_never_says) {
  ExtractedText text = sample();
  text.blocks[1].start = 3;
  EXPECT_FALSE(accepted(text)) << "overlapping blocks";
  text = sample();
  text.blocks[2].end = 11;
  EXPECT_FALSE(accepted(text)) << "a block beyond the text";
  text = sample();
  text.blocks[0].end = 0;
  EXPECT_FALSE(accepted(text)) << "an empty block";
  text = sample();
  text.blocks[0].start = -1;
  EXPECT_FALSE(accepted(text)) << "a block before the text";
  text = sample();
  text.blocks[0].page = -1;
  EXPECT_FALSE(accepted(text)) << "a page below zero";
  text = sample();
  text.text[1] = '\xFF';
  EXPECT_FALSE(accepted(text)) << "text that is no UTF-8";
  text = sample();
  text.blocks[1].headings = {"\xC0"};
  EXPECT_FALSE(accepted(text)) << "a heading that is no UTF-8";
  text = sample();
  text.blocks[1].headings.assign(17, "h");
  EXPECT_FALSE(accepted(text)) << "too many headings";
  EXPECT_FALSE(accepted(sample(), {.pages_max = 2}));
  EXPECT_FALSE(accepted(sample(), {.output_bytes_max = 5}));
  EXPECT_TRUE(accepted(sample()));
}

TEST(SandboxWire, brings_a_request_through_unchanged) {
  const std::string content("raw\0bytes", 9);
  const Request request{.format = 2,
                        .cpu_seconds = 7,
                        .limits = {.pages_max = 1, .output_bytes_max = 2, .unpacked_bytes_max = 3},
                        .charset = "utf-8",
                        .content = content};
  const std::string body = encode_request_without_content(request) + content;
  Request out;
  ASSERT_TRUE(decode_request(body, out));
  EXPECT_EQ(out.format, 2U);
  EXPECT_EQ(out.cpu_seconds, 7);
  EXPECT_EQ(out.limits.pages_max, 1);
  EXPECT_EQ(out.limits.output_bytes_max, 2U);
  EXPECT_EQ(out.limits.unpacked_bytes_max, 3U);
  EXPECT_EQ(out.charset, "utf-8");
  EXPECT_EQ(out.content, content);
  EXPECT_FALSE(decode_request(body.substr(0, 20), out));
}

}  // namespace
}  // namespace millrace::sandbox_wire
