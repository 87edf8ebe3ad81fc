#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/http_client.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;

// "id|event|data" of every event.
std::vector<std::string> events_of(const std::vector<std::string_view>& pieces) {
  std::vector<std::string> events;
  EventStreamParser parser{[&](const ServerSentEvent& event) {
    events.push_back(event.id + "|" + event.event + "|" + event.data);
    return true;
  }};
  for (const std::string_view piece : pieces) EXPECT_TRUE(parser.feed(piece));
  return events;
}

std::string with_line_ends(std::string_view text, std::string_view end) {
  std::string changed;
  for (const char c : text) {
    if (c == '\n') {
      changed += end;
    } else {
      changed += c;
    }
  }
  return changed;
}

constexpr std::string_view kStream =
    "\xEF\xBB\xBF"
    "data: first\n\n"
    ": a comment\n\n"
    "event: delta\nid: 7\ndata:two\ndata:  lines\n\n"
    "data\n\n"
    "event: lost\n\n"
    "id\nretry: 10\nunknown: x\nevent:\ndata: é:\n\n"
    "data: unfinished";

TEST(EventStreamParser, splits_the_same_way_for_every_line_end_and_every_cut) {
  for (const std::string_view end : {"\n", "\r", "\r\n"}) {
    const std::string text = with_line_ends(kStream, end);
    const auto expected =
        ElementsAre("|message|first", "7|delta|two\n lines", "7|message|", "|message|é:");
    EXPECT_THAT(events_of({text}), expected);
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
      const std::string_view whole{text};
      ASSERT_THAT(events_of({whole.substr(0, cut), whole.substr(cut)}), expected) << cut;
    }
    std::vector<std::string_view> bytes;
    for (std::size_t i = 0; i < text.size(); ++i) bytes.emplace_back(text.data() + i, 1);
    EXPECT_THAT(events_of(bytes), expected);
  }
}

TEST(EventStreamParser, ignores_an_id_with_a_nul_and_a_byte_order_mark_further_on) {
  EXPECT_THAT(events_of({std::string_view("id: a\0b\ndata: x\n\n", 17)}),
              ElementsAre("|message|x"));
  EXPECT_THAT(events_of({"data: x\n\n\xEF\xBB\xBF"
                         "data: y\n\n"}),
              ElementsAre("|message|x"));
}

TEST(EventStreamParser, stops_when_the_handler_says_so) {
  int calls = 0;
  EventStreamParser parser{[&](const ServerSentEvent&) {
    ++calls;
    return false;
  }};
  EXPECT_FALSE(parser.feed("data: a\n\ndata: b\n\n"));
  EXPECT_FALSE(parser.feed("data: c\n\n"));
  EXPECT_EQ(calls, 1);
}

TEST(EventStreamParser, stops_at_a_line_or_an_event_that_is_too_long) {
  const auto accept = [](const ServerSentEvent&) { return true; };
  EventStreamParser exact{accept, 10};
  EXPECT_TRUE(exact.feed("data: 6789\n\n"));
  EventStreamParser line{accept, 10};
  EXPECT_TRUE(line.feed("data: 678"));
  EXPECT_FALSE(line.feed("90"));
  EventStreamParser event{accept, 10};
  EXPECT_TRUE(event.feed("data:1234\ndata:5678\n"));
  EXPECT_FALSE(event.feed("data:9\n"));
}

}  // namespace
}  // namespace millrace
