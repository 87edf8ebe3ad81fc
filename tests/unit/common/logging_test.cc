#include "common/logging.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <thread>
#include <vector>

#include "common/json.h"

namespace millrace {
namespace {

// What one call writes to standard error.
template <class Call>
std::string written_by(Call call) {
  testing::internal::CaptureStderr();
  call();
  return testing::internal::GetCapturedStderr();
}

TEST(Logging, writes_one_line_of_json_with_typed_fields) {
  const std::string line = written_by([] {
    log_event(LogLevel::warning, "record_dead_lettered",
              {{"topic", "texts"},
               {"offset", std::int64_t{42}},
               {"partition", 3},
               {"seconds", 0.5},
               {"final", true},
               {"broken", std::nan("")},
               {"message", std::string{"line\nbreak \xff"}}});
  });
  ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
  const auto document = json::Document::parse(line);
  ASSERT_TRUE(document) << line;
  const json::Value root = document->root();
  EXPECT_EQ(root.member("level").as_string(), "warning");
  EXPECT_EQ(root.member("event").as_string(), "record_dead_lettered");
  EXPECT_EQ(root.member("time").as_string().size(), 24U);
  EXPECT_EQ(root.member("topic").as_string(), "texts");
  EXPECT_EQ(root.member("offset").as_integer(), 42);
  EXPECT_EQ(root.member("partition").as_integer(), 3);
  EXPECT_EQ(root.member("seconds").as_double(), 0.5);
  EXPECT_TRUE(root.member("final").as_bool());
  EXPECT_TRUE(root.member("broken").is_null());
  EXPECT_EQ(root.member("message").as_string(), "line\nbreak \xEF\xBF\xBD");
}

TEST(Logging, drops_lines_below_its_level) {
  set_log_level(LogLevel::error);
  const std::string quiet = written_by([] { log_event(LogLevel::warning, "quiet"); });
  const std::string loud = written_by([] { log_event(LogLevel::error, "loud"); });
  set_log_level(LogLevel::debug);
  const std::string detail = written_by([] { log_event(LogLevel::debug, "detail"); });
  set_log_level(LogLevel::info);
  EXPECT_EQ(quiet, "");
  EXPECT_NE(loud, "");
  EXPECT_NE(detail, "");
}

TEST(Logging, cuts_a_long_value_between_characters) {
  std::string value = "x";
  for (int i = 0; i < 3000; ++i) value += "é";
  const std::string line = written_by([&] {
    log_event(LogLevel::info, "long", {{"value", value}});
  });
  const auto document = json::Document::parse(line);
  ASSERT_TRUE(document);
  const std::string_view shown = document->root().member("value").as_string();
  EXPECT_LE(shown.size(), 4096U + 3);
  EXPECT_TRUE(shown.ends_with("é…"));
}

TEST(Logging, keeps_lines_of_threads_apart) {
  const std::string lines = written_by([] {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([] {
        for (int i = 0; i < 100; ++i) log_event(LogLevel::info, "tick", {{"i", i}});
      });
    }
  });
  std::size_t count = 0;
  for (std::size_t at = 0; at < lines.size(); ++count) {
    const std::size_t end = lines.find('\n', at);
    ASSERT_NE(end, std::string::npos);
    ASSERT_TRUE(json::Document::parse(std::string_view{lines}.substr(at, end - at)));
    at = end + 1;
  }
  EXPECT_EQ(count, 400U);
}

}  // namespace
}  // namespace millrace
