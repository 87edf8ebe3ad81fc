#include "workers/answerer/answerer.h"

#include "tests/unit/answerer/answerer_fixture.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(AnswererTest, answers_in_order_from_started_to_completed) {
  begin().pipe(to_record(found("boiling")));
  const auto seen = events("boiling");
  ASSERT_GE(seen.size(), 4U);
  expect_sequence(seen, 1);
  EXPECT_EQ(seen[0].type, T::started);
  EXPECT_EQ(seen[1].type, T::passages);
  EXPECT_THAT(seen[1].passages, SizeIs(2));
  EXPECT_EQ(seen.back().type, T::completed);
  EXPECT_EQ(text(seen), "Water boils at 100 degrees.");
  EXPECT_EQ(seen.back().answer.text, text(seen));
  EXPECT_EQ(seen.back().answer.usage.completion_tokens, 7);
  EXPECT_FALSE(seen.back().answer.partial);
}

TEST_F(AnswererTest, keeps_a_transcript_of_a_completed_answer) {
  begin().pipe(to_record(found("boiling")));
  const auto kept = transcripts("boiling");
  ASSERT_THAT(kept, SizeIs(1));
  EXPECT_EQ(kept[0].outcome, "completed");
  EXPECT_EQ(kept[0].answer.text, "Water boils at 100 degrees.");
  EXPECT_EQ(kept[0].query.question, "boiling");
  EXPECT_THAT(kept[0].passages, SizeIs(2));
}

TEST_F(AnswererTest, ends_a_search_with_its_passages_alone) {
  begin().pipe(to_record(found("boiling", Query::Kind::search)));
  const auto seen = events("boiling");
  EXPECT_THAT(types(seen), ElementsAre(T::passages));
  expect_sequence(seen, 1);
  EXPECT_THAT(seen[0].passages, SizeIs(2));
  EXPECT_THAT(transcripts("boiling"), IsEmpty());
  EXPECT_EQ(model.calls("boiling"), 0);
}

TEST_F(AnswererTest, merges_what_the_partitions_found) {
  begin().pipe_all({to_record(found_in("q", 1, 2, {passage("low", 0.2), passage("lowest", 0.1)})),
                    to_record(found_in("q", 0, 2, {passage("high", 0.8)}))});
  const auto seen = events("q");
  ASSERT_GE(seen.size(), 2U);
  ASSERT_THAT(seen[1].passages, SizeIs(3));
  EXPECT_EQ(seen[1].passages[0].chunk_id, "high");
  EXPECT_FALSE(seen[1].partial);
}

TEST_F(AnswererTest, goes_on_without_a_partition_that_is_late) {
  begin().start();
  driver->append({to_record(found_in("q", 0, 2, {passage("c", 0.8)}))});
  ASSERT_TRUE(driver->log().wait_until([&] { return driver->log().polls() > 1; }));
  driver->clock().advance(std::chrono::seconds{1});
  driver->drain();
  const auto seen = wait_for_last("q");
  ASSERT_GE(seen.size(), 3U);
  EXPECT_TRUE(seen[1].partial);
  EXPECT_TRUE(seen.back().answer.partial);
}

TEST_F(AnswererTest, ends_a_late_search_with_what_there_is) {
  PassagesEvent half = found("q", Query::Kind::search);
  half.partitions = 2;
  begin().start();
  driver->append({to_record(half)});
  ASSERT_TRUE(driver->log().wait_until([&] { return driver->log().polls() > 1; }));
  driver->clock().advance(std::chrono::seconds{1});
  driver->drain();
  const auto seen = wait_for_last("q");
  EXPECT_THAT(types(seen), ElementsAre(T::passages));
  EXPECT_TRUE(seen[0].partial);
}

TEST_F(AnswererTest, counts_a_failed_partition_as_missing) {
  PassagesEvent failed = found_in("q", 1, 2, {});
  failed.error = "its index is damaged";
  begin().pipe_all({to_record(failed), to_record(found_in("q", 0, 2, {passage("c", 0.8)}))});
  const auto seen = events("q");
  ASSERT_GE(seen.size(), 3U);
  EXPECT_TRUE(seen[1].partial);
  EXPECT_EQ(seen.back().type, T::completed);
}

TEST_F(AnswererTest, fails_when_no_partition_could_be_searched) {
  PassagesEvent answer = found("a");
  answer.error = "its index is damaged";
  PassagesEvent search = found("s", Query::Kind::search);
  search.error = "its index is damaged";
  begin().pipe_all({to_record(answer), to_record(search)});
  for (const std::string name : {"a", "s"}) {
    const auto seen = events(name);
    ASSERT_THAT(types(seen), ElementsAre(T::failed));
    expect_sequence(seen, 1);
    EXPECT_EQ(seen[0].reason, "search_failed");
    EXPECT_THAT(seen[0].message, HasSubstr("its index is damaged"));
  }
  ASSERT_THAT(transcripts("a"), SizeIs(1));
  EXPECT_EQ(transcripts("a")[0].outcome, "failed");
  EXPECT_THAT(transcripts("s"), IsEmpty());
}

TEST_F(AnswererTest, closes_the_model_call_of_a_cancelled_answer) {
  model.write({"Water ", "boils."}, HeldModel::Hold::after_first);
  begin().start();
  driver->append({to_record(found("q"))});
  model.wait_for_call("q");
  wait_for("q", [](const auto& seen) { return seen.size() == 3; });
  driver->append({cancellation_of("q")});
  model.wait_for_close("q");
  driver->drain();
  const auto seen = events("q");
  EXPECT_THAT(types(seen), ElementsAre(T::started, T::passages, T::delta, T::failed));
  expect_sequence(seen, 1);
  EXPECT_EQ(seen.back().reason, "cancelled");
  ASSERT_THAT(transcripts("q"), SizeIs(1));
  EXPECT_EQ(transcripts("q")[0].outcome, "cancelled");
}

TEST_F(AnswererTest, does_not_begin_what_was_cancelled_before) {
  begin().pipe(cancellation_of("q"));
  driver->pipe(to_record(found("q")));
  EXPECT_THAT(types(events("q")), ElementsAre(T::failed));
  EXPECT_EQ(events("q")[0].reason, "cancelled");
  EXPECT_EQ(model.calls("q"), 0);
}

TEST_F(AnswererTest, cancels_what_is_still_being_gathered) {
  begin().start();
  driver->append({to_record(found_in("q", 0, 2, {passage("c", 0.8)}))});
  driver->append({cancellation_of("q")});
  driver->drain();
  const auto seen = wait_for_last("q");
  EXPECT_THAT(types(seen), ElementsAre(T::failed));
  EXPECT_EQ(seen[0].reason, "cancelled");
}

TEST_F(AnswererTest, leaves_a_finished_answer_alone_when_it_is_cancelled) {
  begin().pipe(to_record(found("q")));
  driver->pipe(cancellation_of("q"));
  EXPECT_EQ(events("q").back().type, T::completed);
  EXPECT_THAT(transcripts("q"), SizeIs(1));
}

TEST_F(AnswererTest, commits_up_to_the_oldest_unfinished_answer) {
  model.write({"Text."}, HeldModel::Hold::before);
  begin().start();
  driver->append({to_record(found("a")), to_record(found("b")), to_record(found("c"))});
  for (const std::string name : {"a", "b", "c"}) model.wait_for_call(name);
  model.release("b");
  wait_for_last("b");
  EXPECT_LE(driver->committed(topics::kPassages), 0);
  model.release("a");
  EXPECT_TRUE(driver->log().wait_until([&] { return driver->committed(topics::kPassages) == 2; }));
  model.release("c");
  driver->drain();
  EXPECT_EQ(driver->committed(topics::kPassages), 3);
}

TEST_F(AnswererTest, fails_as_overloaded_what_it_can_neither_answer_nor_queue) {
  options.in_flight_max = 1;
  options.waiting_max = 1;
  model.write({"Text."}, HeldModel::Hold::before);
  begin().start();
  driver->append({to_record(found("runs")), to_record(found("waits")), to_record(found("over"))});
  const auto seen = wait_for_last("over");
  EXPECT_THAT(types(seen), ElementsAre(T::failed));
  EXPECT_EQ(seen[0].reason, "overloaded");
  model.wait_for_call("runs");
  EXPECT_EQ(model.calls("waits"), 0);
  model.release("runs");
  model.release("waits");
  driver->drain();
  EXPECT_EQ(events("waits").back().type, T::completed);
  EXPECT_EQ(transcripts("over").at(0).outcome, "failed");
}

TEST_F(AnswererTest, fails_an_answer_that_takes_too_long_and_closes_its_call) {
  options.answer_timeout = std::chrono::milliseconds{20};
  model.write({"Text."}, HeldModel::Hold::before);
  begin().pipe(to_record(found("q")));
  model.wait_for_close("q");
  EXPECT_EQ(events("q").back().type, T::failed);
  EXPECT_EQ(events("q").back().reason, "timeout");
}

TEST_F(AnswererTest, names_a_model_that_is_down_and_what_to_check) {
  model.fail(unavailable("connection refused"));
  begin().pipe(to_record(found("q")));
  const auto seen = events("q");
  EXPECT_EQ(seen.back().type, T::failed);
  EXPECT_EQ(seen.back().reason, "model_unavailable");
  EXPECT_THAT(seen.back().message, HasSubstr("connection refused"));
  EXPECT_THAT(seen.back().message, HasSubstr("check that its server is up"));
}

TEST_F(AnswererTest, passes_on_why_a_model_refused_the_request) {
  model.fail(rejected("no such model"));
  begin().pipe(to_record(found("q")));
  EXPECT_EQ(events("q").back().reason, "model_rejected");
  EXPECT_THAT(events("q").back().message, HasSubstr("no such model"));
}

TEST_F(AnswererTest, tells_the_client_when_passages_cannot_be_read) {
  Record garbage = to_record(found("q"));
  garbage.value = "no json";
  begin().pipe(garbage);
  EXPECT_THAT(types(events("q")), ElementsAre(T::failed));
  EXPECT_THAT(driver->read(topics::kDeadLetters), SizeIs(1));
}

TEST_F(AnswererTest, rejects_a_partition_that_cannot_be) {
  begin().pipe(to_record(found_in("q", 2, 2, {})));
  EXPECT_THAT(driver->read(topics::kDeadLetters), SizeIs(1));
  EXPECT_EQ(events("q").back().type, T::failed);
}

TEST_F(AnswererTest, counts_what_became_of_queries) {
  begin().pipe(to_record(found("q")));
  EXPECT_THAT(
      driver->metrics().render(),
      HasSubstr("rag_query_duration_seconds_count{kind=\"answer\",outcome=\"completed\"} 1"));
  EXPECT_THAT(driver->metrics().render(), HasSubstr("answers_in_flight 0"));
}

}  // namespace
}  // namespace millrace
