#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "workers/text/unicode.h"

namespace millrace {
namespace {

using namespace std::string_literals;

std::string utf8_of(std::string_view bytes, std::string_view declared = {}) {
  auto text = to_utf8(bytes, declared);
  return text ? *text : "error: " + text.error().message;
}

std::string utf16(std::u16string_view text, bool little) {
  std::string out;
  for (const char16_t unit : text) {
    const char low = static_cast<char>(unit & 0xFF);
    const char high = static_cast<char>(unit >> 8);
    out += little ? low : high;
    out += little ? high : low;
  }
  return out;
}

TEST(ToUtf8, leaves_utf8_as_it_is_and_drops_its_mark) {
  EXPECT_EQ(utf8_of("Grüße, 世界"), "Grüße, 世界");
  EXPECT_EQ(utf8_of("\xEF\xBB\xBFGrüße"), "Grüße");
  EXPECT_EQ(utf8_of(""), "");
}

TEST(ToUtf8, believes_bytes_more_than_a_declaration) {
  EXPECT_EQ(utf8_of("Grüße", "iso-8859-1"), "Grüße");
}

TEST(ToUtf8, reads_utf16_and_utf32_by_their_marks) {
  EXPECT_EQ(utf8_of("\xFF\xFE" + utf16(u"Grüße 😀", true)), "Grüße 😀");
  EXPECT_EQ(utf8_of("\xFE\xFF" + utf16(u"Grüße 😀", false)), "Grüße 😀");
  EXPECT_EQ(utf8_of("\xFF\xFE\0\0"s + "H\0\0\0i\0\0\0"s), "Hi");
  EXPECT_EQ(utf8_of("\0\0\xFE\xFF\0\0\0H\0\0\0i"s), "Hi");
}

TEST(ToUtf8, reads_utf16_and_utf32_without_marks_by_where_zeros_stand) {
  EXPECT_EQ(utf8_of(utf16(u"Plain words here.", true)), "Plain words here.");
  EXPECT_EQ(utf8_of(utf16(u"Plain words here.", false)), "Plain words here.");
  EXPECT_EQ(utf8_of("H\0\0\0i\0\0\0"s), "Hi");
}

TEST(ToUtf8, reads_declared_utf16_that_has_no_latin_letters) {
  EXPECT_EQ(utf8_of(utf16(u"これは日本語の文章です。", true), "UTF-16LE"),
            "これは日本語の文章です。");
}

TEST(ToUtf8, reads_a_declared_charset) {
  EXPECT_EQ(utf8_of("\x93\xFA\x96\x7B\x8C\xEA", "Shift_JIS"), "日本語");
  EXPECT_EQ(utf8_of("Gr\xFC\xDF"
                    "e",
                    "windows-1252"),
            "Grüße");
  EXPECT_EQ(utf8_of("\x1b$BF|K\\\x1b(B", "ISO-2022-JP"), "日本");
}

TEST(ToUtf8, detects_when_nothing_is_declared_or_the_declaration_is_nonsense) {
  const std::string french =
      "Les \xE9l\xE8ves ont \xE9t\xE9 re\xE7us \xE0 l'\xE9"
      "cole. ";
  const std::string wanted = "Les élèves ont été reçus à l'école. ";
  EXPECT_EQ(utf8_of(french), wanted);
  EXPECT_EQ(utf8_of(french, "no-such-charset"), wanted);
  EXPECT_EQ(utf8_of(french, "utf-8\0x"s), wanted);
  const std::string russian =
      "\xFD\xF2\xEE \xEF\xF0\xE8\xEC\xE5\xF0 \xF2\xE5\xEA\xF1\xF2\xE0 \xED\xE0 "
      "\xF0\xF3\xF1\xF1\xEA\xEE\xEC \xFF\xE7\xFB\xEA\xE5";
  EXPECT_EQ(utf8_of(russian), "это пример текста на русском языке");
}

TEST(ToUtf8, detects_by_lines_far_down_the_text) {
  std::string bytes;
  for (int i = 0; i < 2000; ++i) bytes += "nothing but ascii on this line\n";
  const std::string head = bytes;
  bytes +=
      "\xFD\xF2\xEE \xEF\xF0\xE8\xEC\xE5\xF0 \xF2\xE5\xEA\xF1\xF2\xE0 \xED\xE0 "
      "\xF0\xF3\xF1\xF1\xEA\xEE\xEC \xFF\xE7\xFB\xEA\xE5";
  EXPECT_EQ(utf8_of(bytes), head + "это пример текста на русском языке");
}

TEST(ToUtf8, repairs_damaged_utf8_instead_of_guessing) {
  std::string text;
  for (int i = 0; i < 20; ++i) text += "größe ";
  EXPECT_EQ(utf8_of(text + "\xC3"), text + "\uFFFD");
}

TEST(ToUtf8, turns_control_characters_into_spaces_and_unifies_line_ends) {
  EXPECT_EQ(utf8_of("a\0b\x01"
                    "c\x7F"
                    "d\u0085e\tf\r\ng\rh\n"s),
            "a b c d e\tf\ng\nh\n");
}

TEST(ToUtf8, rejects_binary) {
  std::mt19937 random{7};
  std::string noise;
  for (int i = 0; i < 5000; ++i) noise += static_cast<char>(random());
  for (const std::string& bytes : {noise, "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\10\6\0\0"s,
                                   "\xFF\xFE" + noise, std::string(100, '\0')}) {
    const auto text = to_utf8(bytes);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().kind, Error::Kind::rejected);
  }
}

TEST(ToUtf8, always_gives_valid_utf8_whatever_comes) {
  std::mt19937 random{11};
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    const std::size_t size = random() % 200;
    for (std::size_t i = 0; i < size; ++i) {
      bytes += static_cast<char>(round % 2 == 0 ? random() : 0x20 + random() % 0xE0);
    }
    const auto text = to_utf8(bytes, round % 3 == 0 ? "GB18030" : "");
    if (!text) continue;
    const CodePointIndex index{*text};
    EXPECT_EQ(utf8_of(*text), *text) << "round " << round;
  }
}

}  // namespace
}  // namespace millrace
