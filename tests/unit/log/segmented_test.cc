#include "embedded_log_fixture.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

// The segmented view beside the log that it stands on. `events` is not compacted: what the view
// leaves in the log can be seen, and forged.
class Segmented : public EmbeddedLogTest {
 protected:
  Segmented() {
    open();
    view = make_segmented_log(*log);
  }
  ~Segmented() override { view.reset(); }

  Position append_segment(const std::string& key, const std::string& value, int number) {
    Record segment =
        make_record("events", key + '\0' + "set" + '\0' + std::to_string(number), value);
    segment.set_header(headers::kSegments, "part");
    return append(*log, {segment}).at(0);
  }
  Position append_last(const std::string& key, const std::string& value, std::string list) {
    Record last = make_record("events", key, value);
    last.set_header(headers::kSegments, std::move(list));
    return append(*log, {last}).at(0);
  }

  std::unique_ptr<Log> view;
};

TEST_F(Segmented, splits_only_what_is_larger_than_a_segment) {
  const std::string fits = printable_text(kSegmentBytes, 1);
  const std::string over = printable_text(kSegmentBytes + 1, 2);
  append(*view, {make_record("events", "a", fits), make_record("events", "b", over)});
  const auto stored = read_topic(*log, "events");
  ASSERT_THAT(stored, SizeIs(3));
  EXPECT_TRUE(is_earlier_segment(stored[0]));
  EXPECT_EQ(stored[0].value.size(), kSegmentBytes);
  EXPECT_EQ(stored[1].value, fits);
  EXPECT_THAT(segment_offsets(stored[1]), IsEmpty());
  EXPECT_EQ(stored[2].value.size(), 1U);
  EXPECT_EQ(stored[2].key, "b");
  EXPECT_THAT(segment_offsets(stored[2]), ElementsAre(0));
  EXPECT_THAT(values(read_topic(*view, "events")), ElementsAre(fits, over));
}

TEST_F(Segmented, joins_segments_that_arrive_among_others) {
  const auto a0 = append_segment("a", "a0 ", 0);
  const auto b0 = append_segment("b", "b0 ", 0);
  append(*log, {make_record("events", "c", "c")});
  const auto a1 = append_segment("a", "a1 ", 1);
  append_last("b", "b.", std::to_string(b0.offset));
  append_last("a", "a.", std::to_string(a0.offset) + "," + std::to_string(a1.offset));
  const auto session = ::millrace::open_session(*view, "readers", {"events"});
  const auto read = take(*session, 3);
  EXPECT_THAT(values(read), ElementsAre("c", "b0 b.", "a0 a1 a."));
  EXPECT_THAT(read[2].headers, IsEmpty());
  EXPECT_EQ(read[2].offset, 5);
}

TEST_F(Segmented, skips_a_record_whose_segments_are_gone) {
  append_last("a", "superseded", "77");
  append(*log, {make_record("events", "b", "1")});
  const auto session = ::millrace::open_session(*view, "readers", {"events"});
  EXPECT_THAT(values(take(*session, 1)), ElementsAre("1"));
  EXPECT_EQ(session->lag(), 0);
  EXPECT_EQ(*view->read_at({{"events", 0}, 0}), std::nullopt);
}

TEST_F(Segmented, joins_no_segments_of_another_record) {
  const auto other = append_segment("other", "secret", 0);
  const auto plain = append(*log, {make_record("events", "other", "secret")}).at(0);
  const auto second = append_segment("a", "a1", 1);
  for (const Position& each : {other, plain, second}) {
    const auto forged = append_last("a", "a", std::to_string(each.offset));
    EXPECT_EQ(*view->read_at(forged), std::nullopt);
  }
  EXPECT_THAT(values(read_topic(*view, "events")), ElementsAre("secret"));
}

TEST_F(Segmented, a_record_cannot_pass_itself_off_as_segments) {
  Record record = make_record("events", "a", "1");
  record.set_header(headers::kSegments, "part");
  Record listing = make_record("events", "a", "2");
  listing.set_header(headers::kSegments, "0,1");
  append(*view, {record, listing});
  EXPECT_THAT(values(read_topic(*view, "events")), ElementsAre("1", "2"));
}

TEST_F(Segmented, a_list_that_is_none_makes_a_plain_record) {
  for (const char* list : {"", "x", "1,", "1,,2", "-1", "1;2", "99999999999999999999", "parts"}) {
    Record record = make_record("events", "a", "1");
    record.set_header(headers::kSegments, list);
    const bool trailing_comma = std::string_view{list} == "1,";
    EXPECT_THAT(segment_offsets(record), SizeIs(trailing_comma ? 1 : 0)) << list;
    EXPECT_FALSE(is_earlier_segment(record)) << list;
  }
  std::string endless = "0";
  for (int i = 1; i < 1'000; ++i) endless += "," + std::to_string(i);
  Record record = make_record("events", "a", "1");
  record.set_header(headers::kSegments, endless);
  EXPECT_THAT(segment_offsets(record), IsEmpty());
}

TEST_F(Segmented, moves_over_segments_though_a_poll_returns_nothing) {
  for (int i = 0; i < 10; ++i) append_segment("a", "half an upload", i);
  const auto session = ::millrace::open_session(*view, "readers", {"events"});
  EXPECT_THAT(*session->poll(2, 10, milliseconds{0}), IsEmpty());
  EXPECT_EQ(session->lag(), 0);
}

TEST_F(Segmented, a_poll_joins_no_more_than_it_was_asked_for) {
  std::vector<Position> parts;
  const std::string part(kSegmentBytes, 'x');
  for (int i = 0; i < 4; ++i) parts.push_back(append_segment("a" + std::to_string(i), part, 0));
  for (int i = 0; i < 4; ++i) {
    append_last("a" + std::to_string(i), std::to_string(i),
                std::to_string(parts[static_cast<std::size_t>(i)].offset));
  }
  const std::size_t two = 2 * kSegmentBytes + 1'000;
  const auto session = ::millrace::open_session(*view, "readers", {"events"});
  const auto first = *session->poll(100, two, kPatience);
  EXPECT_THAT(first, SizeIs(2));
  EXPECT_EQ(session->lag(), 2);
  ASSERT_TRUE(session->rewind());
  EXPECT_EQ(session->lag(), 8);
  EXPECT_THAT(*session->poll(100, two, kPatience), SizeIs(2));
  EXPECT_THAT(*session->poll(100, two, kPatience), SizeIs(2));
  EXPECT_EQ(session->lag(), 0);
  ASSERT_TRUE(session->seek({{{"events", 0}, 7}}));
  EXPECT_THAT(take(*session, 1), SizeIs(1));
}

TEST_F(Segmented, a_reader_stands_before_what_it_has_not_given_out) {
  std::vector<Position> parts;
  const std::string part(kSegmentBytes, 'x');
  for (int i = 0; i < 2; ++i) parts.push_back(append_segment("a" + std::to_string(i), part, 0));
  for (int i = 0; i < 2; ++i) {
    append_last("a" + std::to_string(i), "",
                std::to_string(parts[static_cast<std::size_t>(i)].offset));
  }
  const auto reader = read_from_beginning(*view, "events");
  EXPECT_THAT(*reader->poll(100, kSegmentBytes + 1'000, kPatience), SizeIs(1));
  EXPECT_EQ(reader->positions(), (Offsets{{{"events", 0}, 3}}));
  EXPECT_THAT(*reader->poll(100, kSegmentBytes + 1'000, kPatience), SizeIs(1));
  EXPECT_EQ(reader->positions(), (Offsets{{{"events", 0}, 4}}));
}

TEST_F(Segmented, an_append_is_finished_though_its_writer_is_gone) {
  const std::string value = printable_text(3U << 20U, 1);
  std::latch stored{1};
  view->open_writer()->append_async({make_record("states", "a", value)},
                                    [&](const Result<std::vector<Position>>& positions) {
                                      EXPECT_TRUE(positions);
                                      stored.count_down();
                                    });
  stored.wait();
  EXPECT_THAT(values(read_topic(*view, "states")), ElementsAre(value));
}

TEST_F(Segmented, an_aborted_commit_leaves_no_record) {
  append(*view, {make_record("events", "a", "1")});
  const auto session = ::millrace::open_session(*view, "copier", {"events"});
  const auto read = take(*session, 1);
  const std::vector<Record> outputs{make_record("states", "a", std::string(2U << 20U, 'x')),
                                    make_record("no-such-topic", "a", "1")};
  EXPECT_FALSE(session->commit(outputs, consumed(read)));
  EXPECT_THAT(read_topic(*view, "states"), IsEmpty());
  EXPECT_EQ(*view->committed("copier", {"events", 0}), std::nullopt);
}

}  // namespace
}  // namespace millrace
