#include "tests/unit/answerer/answerer_fixture.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

using AnswererRedeliveryTest = AnswererTest;

AnswerEvent event_of(const std::string& name, std::int32_t index, AnswerEvent::Type type,
                     bool last = false) {
  AnswerEvent event;
  event.query_id = id_of(name);
  event.index = index;
  event.type = type;
  event.last = last;
  return event;
}

TEST_F(AnswererRedeliveryTest, begins_again_after_a_reset_what_an_earlier_run_left_unfinished) {
  begin([](StageDriver& before) {
    before.append({to_record(found("q"))});
    AnswerEvent delta = event_of("q", 2, T::delta);
    delta.text = "Wat";
    const auto writer = before.log().open_writer();
    ASSERT_TRUE(writer->append({to_record(event_of("other", 0, T::failed, true)),
                                to_record(event_of("q", 0, T::started)),
                                to_record(event_of("q", 1, T::passages)), to_record(delta)}));
  });
  driver->drain();
  auto seen = events("q");
  seen.erase(seen.begin(), seen.begin() + 3);
  ASSERT_GE(seen.size(), 5U);
  expect_sequence(seen, 2);
  EXPECT_EQ(seen[0].type, T::reset);
  EXPECT_EQ(seen[1].type, T::started);
  EXPECT_EQ(seen[2].type, T::passages);
  EXPECT_EQ(seen.back().type, T::completed);
  EXPECT_EQ(text(seen), "Water boils at 100 degrees.");
}

TEST_F(AnswererRedeliveryTest, answers_as_the_first_attempt_what_nobody_began) {
  begin([](StageDriver& before) { before.append({to_record(found("q"))}); });
  driver->drain();
  expect_sequence(events("q"), 1);
  EXPECT_EQ(events("q").front().type, T::started);
}

TEST_F(AnswererRedeliveryTest, does_not_answer_again_what_was_finished) {
  begin([](StageDriver& before) {
    before.append({to_record(found("q"))});
    AnswerEvent completed = event_of("q", 2, T::completed, true);
    completed.answer.text = "It was said before.";
    const auto writer = before.log().open_writer();
    ASSERT_TRUE(writer->append({to_record(event_of("q", 0, T::started)), to_record(completed)}));
  });
  driver->drain();
  EXPECT_EQ(model.calls("q"), 0);
  EXPECT_THAT(types(events("q")), ElementsAre(T::started, T::completed));
  // The run before may have been killed between the two.
  ASSERT_THAT(transcripts("q"), SizeIs(1));
  EXPECT_EQ(transcripts("q")[0].answer.text, "It was said before.");
}

TEST_F(AnswererRedeliveryTest, another_run_takes_over_what_is_in_flight_at_a_stop) {
  model.write({"Water ", "boils."}, HeldModel::Hold::after_first);
  begin().start();
  driver->append({to_record(found("q")), to_record(found("after"))});
  model.wait_for_call("q");
  wait_for("q", [](const auto& seen) { return seen.size() == 3; });
  model.release("after");
  wait_for_last("after");
  driver->stop();
  EXPECT_LE(driver->committed(topics::kPassages), 0);
  EXPECT_THAT(types(events("q")), ElementsAre(T::started, T::passages, T::delta));

  model.write({"Water ", "boils."});
  driver->restart_with(make_answerer(*driver));
  driver->drain();
  auto seen = events("q");
  seen.erase(seen.begin(), seen.begin() + 3);
  expect_sequence(seen, 2);
  EXPECT_EQ(seen[0].type, T::reset);
  EXPECT_EQ(text(seen), "Water boils.");
  EXPECT_EQ(model.calls("after"), 1);
}

TEST_F(AnswererRedeliveryTest, says_a_failure_as_the_next_attempt) {
  PassagesEvent failed = found("q");
  failed.error = "its index is damaged";
  begin([&](StageDriver& before) {
    before.append({to_record(failed)});
    const auto writer = before.log().open_writer();
    ASSERT_TRUE(writer->append({to_record(event_of("q", 0, T::started))}));
  });
  driver->drain();
  auto seen = events("q");
  seen.erase(seen.begin());
  EXPECT_THAT(types(seen), ElementsAre(T::reset, T::failed));
  expect_sequence(seen, 2);
}

TEST_F(AnswererRedeliveryTest, drops_a_second_copy_of_what_it_answered_or_is_answering) {
  model.write({"Text."}, HeldModel::Hold::before);
  begin().start();
  driver->append({to_record(found("q"))});
  model.wait_for_call("q");
  driver->append({to_record(found("q"))});
  model.release("q");
  driver->drain();
  driver->pipe(to_record(found("q")));
  EXPECT_EQ(model.calls("q"), 1);
  expect_sequence(events("q"), 1);
}

TEST_F(AnswererRedeliveryTest, gives_a_search_again_whose_commit_failed) {
  begin();
  int faults = 1;
  driver->log().set_commit_fault(
      [&](std::span<const Record> outputs, const Offsets&) -> std::optional<Error> {
        if (outputs.empty() || faults-- <= 0) return std::nullopt;
        return unavailable("the disk is slow");
      });
  driver->pipe(to_record(found("q", Query::Kind::search)));
  EXPECT_THAT(types(events("q")), ElementsAre(T::passages));
}

TEST_F(AnswererRedeliveryTest, goes_on_answering_when_the_batch_of_its_record_comes_again) {
  model.write({"Text."}, HeldModel::Hold::before);
  begin();
  int faults = 1;
  driver->log().set_commit_fault(
      [&](std::span<const Record> outputs, const Offsets&) -> std::optional<Error> {
        if (outputs.empty() || faults-- <= 0) return std::nullopt;
        return unavailable("the disk is slow");
      });
  driver->start();
  driver->append({to_record(found("a")), to_record(found("s", Query::Kind::search))});
  wait_for_last("s");
  model.release("a");
  driver->drain();
  EXPECT_EQ(model.calls("a"), 1);
  expect_sequence(events("a"), 1);
}

}  // namespace
}  // namespace millrace
