#include "workers/text/unicode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace millrace {
namespace {

// Code points of one to four bytes, in an order that depends on the seed.
std::string mixed_text(std::uint32_t seed, int length) {
  const std::vector<std::string> letters{"a", " ", "é", "ß", "語", "€", "😀", "𝔘"};
  std::mt19937 random{seed};
  std::string out;
  for (int i = 0; i < length; ++i) out += letters[random() % letters.size()];
  return out;
}

TEST(CodePoints, are_counted_not_bytes) {
  EXPECT_EQ(code_points(""), 0);
  EXPECT_EQ(code_points("abc"), 3);
  EXPECT_EQ(code_points("aé語😀"), 4);
}

TEST(CodePointIndex, maps_both_ways_at_every_boundary) {
  for (const int length : {0, 1, 63, 64, 65, 128, 1000}) {
    const std::string text = mixed_text(static_cast<std::uint32_t>(length), length);
    const CodePointIndex index{text};
    ASSERT_EQ(index.size(), length);
    std::size_t byte = 0;
    for (std::int64_t point = 0; point <= length; ++point) {
      ASSERT_EQ(index.byte_offset(point), byte);
      ASSERT_EQ(index.code_point(byte), point);
      if (byte < text.size()) ++byte;
      while (byte < text.size() && (static_cast<unsigned char>(text[byte]) & 0xC0U) == 0x80U) {
        ++byte;
      }
    }
  }
}

TEST(CodePointIndex, slices_by_code_points) {
  const std::string text = "Grüße, 世界!";
  const CodePointIndex index{text};
  EXPECT_EQ(index.slice(7, 9), "世界");
  EXPECT_EQ(index.slice(0, index.size()), text);
  EXPECT_EQ(index.slice(4, 4), "");
}

TEST(CodePointIndex, of_ascii_is_the_identity) {
  const std::string text(1000, 'x');
  const CodePointIndex index{text};
  EXPECT_EQ(index.byte_offset(777), 777U);
  EXPECT_EQ(index.code_point(777), 777);
}

}  // namespace
}  // namespace millrace
