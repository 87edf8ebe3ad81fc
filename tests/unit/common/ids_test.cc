#include "common/ids.h"

#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "common/trace.h"

namespace millrace {
namespace {

class FixedClock : public Clock {
 public:
  explicit FixedClock(std::int64_t ms) : now_{std::chrono::milliseconds{ms}} {}
  Wall wall_now() const override { return now_; }

 private:
  Wall now_;
};

TEST(Ulid, sorts_in_the_order_of_making_even_when_the_clock_goes_back) {
  const FixedClock later{4'000'000'000'000};
  const FixedClock earlier{3'999'999'999'000};
  std::string last = new_ulid(later);
  for (int i = 0; i < 5000; ++i) {
    const std::string next = new_ulid(i % 2 == 0 ? earlier : later);
    ASSERT_TRUE(is_ulid(next)) << next;
    ASSERT_LT(last, next);
    last = next;
  }
}

TEST(Ulid, begins_with_the_time) {
  // Later than the clock of any other test: ids of one process never go back.
  EXPECT_EQ(new_ulid(FixedClock{5'000'000'000'000}).substr(0, 10), "04HGKKJM00");
}

TEST(Ulid, differs_between_threads) {
  std::mutex mutex;
  std::set<std::string> seen;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const std::string id = new_ulid(system_clock());
        const std::lock_guard lock{mutex};
        seen.insert(id);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(seen.size(), 2000U);
}

TEST(Ulid, is_told_from_other_text) {
  EXPECT_TRUE(is_ulid("01ARZ3NDEKTSV4RRFFQ69G5FAV"));
  EXPECT_FALSE(is_ulid("01arz3ndektsv4rrffq69g5fav"));
  EXPECT_FALSE(is_ulid("81ARZ3NDEKTSV4RRFFQ69G5FAV"));  // later than 48 bits of milliseconds
  EXPECT_FALSE(is_ulid("01ARZ3NDEKTSV4RRFFQ69G5FAU"));  // U is not in the alphabet
  EXPECT_FALSE(is_ulid("01ARZ3NDEKTSV4RRFFQ69G5FA"));
  EXPECT_FALSE(is_ulid(""));
}

TEST(Sha256, matches_the_published_vectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(ConstantTimeEqual, compares_content_and_length) {
  EXPECT_TRUE(constant_time_equal("", ""));
  EXPECT_TRUE(constant_time_equal("secret", "secret"));
  EXPECT_FALSE(constant_time_equal("secret", "secreT"));
  EXPECT_FALSE(constant_time_equal("secret", "secrets"));
}

TEST(Base64, encodes_the_vectors_of_rfc_4648_and_back) {
  const std::pair<std::string, std::string> cases[] = {{"", ""},
                                                       {"f", "Zg=="},
                                                       {"fo", "Zm8="},
                                                       {"foo", "Zm9v"},
                                                       {"foob", "Zm9vYg=="},
                                                       {"fooba", "Zm9vYmE="},
                                                       {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : cases) {
    EXPECT_EQ(base64_encode(bytes), text);
    std::string out = "old";
    EXPECT_TRUE(base64_decode(text, out)) << text;
    EXPECT_EQ(out, bytes);
  }
}

TEST(Base64, carries_more_than_one_call_of_openssl_takes) {
  std::string bytes;
  for (std::size_t i = 0; i < (7U << 20U) + 1; ++i) bytes += static_cast<char>(i * 7 + i / 251);
  std::string out;
  ASSERT_TRUE(base64_decode(base64_encode(bytes), out));
  EXPECT_TRUE(out == bytes);
}

TEST(Base64, refuses_anything_else) {
  std::string out;
  for (const std::string_view text : {"Zg", "Zg=", "Zg==\n", " Zg==", "Z===", "====", "Zg==Zg==",
                                      "Zm9v_A==", "Zm9-", "Z=g=", "\xff\xff\xff\xff"}) {
    EXPECT_FALSE(base64_decode(text, out)) << text;
  }
}

TEST(FormatTime, is_rfc_3339_in_utc) {
  EXPECT_EQ(format_time(Clock::Wall{std::chrono::milliseconds{0}}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(format_time(Clock::Wall{std::chrono::milliseconds{1'795'216'689'123}}),
            "2026-11-20T23:18:09.123Z");
  EXPECT_EQ(format_time(Clock::Wall{std::chrono::milliseconds{-1}}), "1969-12-31T23:59:59.999Z");
}

TEST(Trace, goes_through_the_header_and_back) {
  const TraceContext trace = new_trace();
  const auto parsed = parse_traceparent(trace.traceparent());
  ASSERT_TRUE(parsed);
  EXPECT_EQ(parsed->trace_id, trace.trace_id);
  EXPECT_EQ(parsed->span_id, trace.span_id);
  EXPECT_TRUE(parsed->sampled);
  EXPECT_NE(new_trace().trace_id, trace.trace_id);
}

TEST(Trace, gives_a_child_the_same_trace_and_flag_and_a_span_of_its_own) {
  const std::string header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
  const TraceContext child = child_of(header);
  EXPECT_EQ(child.trace_id, "0af7651916cd43dd8448eb211c80319c");
  EXPECT_NE(child.span_id, "b7ad6b7169203331");
  EXPECT_FALSE(child.sampled);
  EXPECT_EQ(child_of("nonsense").trace_id.size(), 32U);
}

TEST(Trace, refuses_an_invalid_header) {
  const std::string good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  ASSERT_TRUE(parse_traceparent(good));
  for (const std::string_view bad : {"", "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
                                     "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                                     "00-00000000000000000000000000000000-b7ad6b7169203331-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
                                     "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0x",
                                     "00-0af7651916cd43dd8448eb211c80319cab7ad6b7169203331-01"}) {
    EXPECT_FALSE(parse_traceparent(bad)) << bad;
  }
  EXPECT_FALSE(parse_traceparent(good + "-more"));
}

}  // namespace
}  // namespace millrace
