#include "workers/answerer/gather.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

#include "tests/unit/answerer/answerer_fixture.h"

namespace millrace {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using namespace std::chrono_literals;

constexpr Clock::Steady kStart{1h};

Arrival arrival(Offset offset, Clock::Steady at = kStart) {
  Arrival arrival;
  arrival.position = {{"passages", 0}, offset};
  arrival.at = at;
  return arrival;
}

PassagesEvent part(std::int32_t partition) {
  const std::string chunk = "c" + std::to_string(partition);
  return found_in("q", partition, 3,
                  {passage(chunk, 0.1 * (partition + 1)), passage(chunk + "-tied", 0.5)});
}

std::vector<std::string> chunks(const GatheredQuery& gathered) {
  std::vector<std::string> out;
  for (const Passage& found_passage : gathered.passages) out.push_back(found_passage.chunk_id);
  return out;
}

TEST(Gather, gives_the_same_passages_in_every_order_of_arrival) {
  std::array<std::int32_t, 3> order{0, 1, 2};
  std::vector<std::vector<std::string>> results;
  do {
    Gather gather{2s, 10};
    EXPECT_THAT(gather.add(part(order[0]), arrival(0)), IsEmpty());
    EXPECT_THAT(gather.add(part(order[1]), arrival(1)), IsEmpty());
    const auto done = gather.add(part(order[2]), arrival(2));
    ASSERT_THAT(done, SizeIs(1));
    EXPECT_FALSE(done[0].partial);
    EXPECT_THAT(done[0].positions, SizeIs(3));
    EXPECT_EQ(gather.open(), 0U);
    results.push_back(chunks(done[0]));
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_THAT(results, ::testing::Each(results[0]));
  EXPECT_THAT(results[0],
              ::testing::ElementsAre("c0-tied", "c1-tied", "c2-tied", "c2", "c1", "c0"));
}

TEST(Gather, puts_together_how_far_the_partitions_had_read) {
  Gather gather{2s, 10};
  for (const std::int32_t partition : {2, 0}) {
    PassagesEvent event = part(partition);
    event.provenance = Provenance{"mini", 256, 32, "", "", {{partition, 10 + partition}}};
    EXPECT_THAT(gather.add(event, arrival(partition)), IsEmpty());
  }
  PassagesEvent failed = part(1);
  failed.error = "the disk is gone";
  failed.provenance = Provenance{"mini", 256, 32};
  const auto done = gather.add(failed, arrival(9));
  ASSERT_THAT(done, SizeIs(1));
  const Provenance wanted{"mini", 256, 32, "", "", {{0, 10}, {2, 12}}};
  EXPECT_EQ(done[0].provenance, wanted);
}

TEST(Gather, keeps_the_best_top_k_and_no_chunk_twice) {
  Gather gather{2s, 10};
  PassagesEvent first = found_in("q", 0, 2, {passage("a", 0.9), passage("b", 0.8)});
  first.query.top_k = 2;
  PassagesEvent second = found_in("q", 1, 2, {passage("a", 0.9), passage("c", 0.85)});
  second.query.top_k = 2;
  gather.add(first, arrival(0));
  const auto done = gather.add(second, arrival(1));
  ASSERT_THAT(done, SizeIs(1));
  EXPECT_THAT(chunks(done[0]), ::testing::ElementsAre("a", "c"));
}

TEST(Gather, goes_on_without_the_missing_ones_at_the_deadline_of_the_first_record) {
  Gather gather{2s, 10};
  gather.add(part(0), arrival(0, kStart));
  gather.add(part(1), arrival(1, kStart + 1900ms));
  EXPECT_EQ(gather.next_deadline(), kStart + 2s);
  EXPECT_THAT(gather.expire(kStart + 1999ms), IsEmpty());
  const auto done = gather.expire(kStart + 2s);
  ASSERT_THAT(done, SizeIs(1));
  EXPECT_TRUE(done[0].partial);
  EXPECT_FALSE(done[0].failed);
  EXPECT_THAT(done[0].passages, SizeIs(4));
  EXPECT_FALSE(gather.next_deadline());
}

TEST(Gather, tells_a_failed_partition_from_a_failed_search) {
  PassagesEvent broken = part(0);
  broken.error = "damaged";
  PassagesEvent also_broken = part(1);
  also_broken.error = "gone";
  Gather gather{2s, 10};
  gather.add(broken, arrival(0));
  gather.add(also_broken, arrival(1));
  auto done = gather.add(part(2), arrival(2));
  ASSERT_THAT(done, SizeIs(1));
  EXPECT_TRUE(done[0].partial);
  EXPECT_FALSE(done[0].failed);

  gather.add(broken, arrival(3));
  gather.add(also_broken, arrival(4));
  done = gather.expire(kStart + 2s);
  ASSERT_THAT(done, SizeIs(1));
  EXPECT_TRUE(done[0].failed);
  EXPECT_EQ(done[0].error, "damaged");
}

TEST(Gather, weighs_words_by_the_partitions_that_answered) {
  const auto with_evidence = [](std::int32_t partition, std::int64_t rows) {
    PassagesEvent event = part(partition);
    event.query.mode = SearchMode::lexical;
    event.evidence = {rows, 10 * rows, {{"mill", 1}, {"wheel", rows}}};
    for (Passage& passage : event.passages) passage.match->length = 10;
    event.passages[0].match->counts = {{1}, {0}};
    event.passages[1].match->counts = {{0}, {1}};
    return event;
  };
  PassagesEvent failed = with_evidence(2, 100'000);
  failed.error = "damaged";
  std::vector<double> scores;
  for (const bool late : {true, false}) {  // in both cases partition 2 says nothing
    Gather gather{2s, 10};
    gather.add(with_evidence(0, 5), arrival(0));
    gather.add(with_evidence(1, 5), arrival(1));
    const auto done = late ? gather.expire(kStart + 2s) : gather.add(failed, arrival(2));
    ASSERT_THAT(done, SizeIs(1));
    EXPECT_TRUE(done[0].partial);
    ASSERT_THAT(done[0].passages, SizeIs(4));
    scores.push_back(done[0].passages[0].score);
  }
  const double rare = std::log(1 + 8.5 / 2.5);  // 2 of 10 rows
  const double common = std::log(1 + 0.5 / 10.5);
  EXPECT_NEAR(scores[0], rare / (1 + 0.9) / (rare + common), 1e-6);
  EXPECT_EQ(scores[0], scores[1]);
}

TEST(Gather, passes_over_a_second_record_of_a_partition) {
  Gather gather{2s, 10};
  gather.add(part(0), arrival(0));
  EXPECT_THAT(gather.add(part(0), arrival(1)), IsEmpty());
  gather.add(part(1), arrival(2));
  const auto done = gather.add(part(2), arrival(3));
  ASSERT_THAT(done, SizeIs(1));
  EXPECT_THAT(done[0].passages, SizeIs(6));
  EXPECT_THAT(done[0].positions, SizeIs(4));  // all of them are finished with the query
}

TEST(Gather, lets_the_oldest_go_on_when_too_many_are_open) {
  Gather gather{2s, 1};
  gather.add(part(0), arrival(0));
  PassagesEvent other = found_in("other", 0, 2, {passage("c", 0.3)});
  const auto done = gather.add(other, arrival(1));
  ASSERT_THAT(done, SizeIs(1));
  EXPECT_EQ(done[0].query.query_id, id_of("q"));
  EXPECT_TRUE(done[0].partial);
  EXPECT_EQ(gather.open(), 1U);
}

TEST(Gather, gives_up_a_query_that_is_taken_out) {
  Gather gather{2s, 10};
  gather.add(part(0), arrival(0));
  EXPECT_FALSE(gather.take(id_of("unknown")));
  const auto taken = gather.take(id_of("q"));
  ASSERT_TRUE(taken);
  EXPECT_THAT(taken->positions, SizeIs(1));
  EXPECT_EQ(gather.open(), 0U);
}

}  // namespace
}  // namespace millrace
