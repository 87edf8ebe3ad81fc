#include "workers/embedder/query_embedder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schemas/answer.h"
#include "schemas/query.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_embedding_model.h"

namespace millrace {
namespace {

using testing::ElementsAre;

Query query_of(std::string question) {
  Query query;
  query.query_id = query_id_for("01ARZ3NDEKTSV4RRFFQ69G5FAV", 7);
  query.collection = "default";
  query.question = std::move(question);
  return query;
}

class QueryEmbedderTest : public testing::Test {
 protected:
  FakeEmbeddingModel model_{8};
  FakeClock clock_;
  Generations generations_;
  MetricsRegistry metrics_;
  EmbeddingCache cache_{1U << 20U, metrics_};
  QueryEmbedder embedder_{model_, cache_, 3, generations_, 1, clock_};
};

TEST_F(QueryEmbedderTest, embeds_waiting_questions_together_and_asks_every_partition) {
  const std::vector<Record> batch{to_record(query_of("first")), to_record(query_of("second"))};
  const auto results = embedder_.process(batch);
  ASSERT_EQ(model_.calls().size(), 1U);
  EXPECT_EQ(model_.calls()[0].lane, EmbeddingModel::Lane::query);
  EXPECT_THAT(model_.calls()[0].texts, ElementsAre("first", "second"));
  ASSERT_TRUE(results[1]);
  ASSERT_EQ(results[1]->size(), 3U);
  for (std::int32_t partition = 0; partition < 3; ++partition) {
    const Record& record = (*results[1])[static_cast<std::size_t>(partition)];
    EXPECT_EQ(record.partition, partition);
    const Result<SearchRequest> request = search_request_from(record);
    ASSERT_TRUE(request);
    EXPECT_EQ(request->query.question, "second");
    EXPECT_EQ(request->partitions, 3);
    EXPECT_EQ(request->vector, model_.vector_of("second"));
  }
}

TEST_F(QueryEmbedderTest, says_what_made_the_vector_and_the_chunks) {
  QueryEmbedder embedder{model_, cache_, 1, generations_, 1, clock_, Provenance{"", 256, 32}};
  Query lexical = query_of("E-1042");
  lexical.mode = SearchMode::lexical;
  const std::vector<Record> batch{to_record(query_of("first")), to_record(lexical)};
  const auto results = embedder.process(batch);
  const Provenance wanted{model_.name(), 256, 32};
  EXPECT_EQ(search_request_from(results[0]->front())->provenance, wanted);
  EXPECT_EQ(search_request_from(results[1]->front())->provenance, (Provenance{"", 256, 32}));
}

TEST_F(QueryEmbedderTest, watches_the_questions_of_people_and_of_nobody_else) {
  constexpr std::size_t kWindow = 200;
  MetricsRegistry metrics;
  QueryEmbedder embedder{model_, cache_, 1, generations_, 1, clock_, {}, {&metrics, kWindow}};
  const auto ask = [&](Query::Origin origin, const std::string& question, std::size_t times) {
    Query query = query_of(question);
    query.origin = origin;
    const std::vector<Record> batch(times, to_record(query));
    for (const auto& each : embedder.process(batch)) EXPECT_TRUE(each);
  };
  const std::string none = "question_drift{generation=\"1\"} 0\n";
  ask(Query::Origin::person, "wheel", kWindow);
  for (const auto origin : {Query::Origin::eval, Query::Origin::replay, Query::Origin::shadow}) {
    ask(origin, "comet", kWindow);
  }
  EXPECT_THAT(metrics.render(), testing::HasSubstr(none));
  ask(Query::Origin::person, "comet", kWindow);
  EXPECT_THAT(metrics.render(), testing::Not(testing::HasSubstr(none)));
}

TEST_F(QueryEmbedderTest, keeps_rows_apart_when_a_record_cannot_be_read) {
  Record broken = to_record(query_of("broken"));
  broken.value = "{";
  const std::vector<Record> batch{broken, to_record(query_of("good"))};
  const auto results = embedder_.process(batch);
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().kind, Error::Kind::rejected);
  ASSERT_TRUE(results[1]);
  EXPECT_EQ(search_request_from(results[1]->front())->vector, model_.vector_of("good"));
}

TEST_F(QueryEmbedderTest, does_not_embed_what_is_looked_for_by_its_words_alone) {
  Query lexical = query_of("E-1042");
  lexical.mode = SearchMode::lexical;
  const std::vector<Record> batch{to_record(lexical), to_record(query_of("second"))};
  auto results = embedder_.process(batch);
  ASSERT_EQ(model_.calls().size(), 1U);
  EXPECT_THAT(model_.calls()[0].texts, ElementsAre("second"));
  ASSERT_TRUE(results[0]);
  ASSERT_EQ(results[0]->size(), 3U);
  const Result<SearchRequest> request = search_request_from(results[0]->back());
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_EQ(request->query.mode, SearchMode::lexical);
  EXPECT_TRUE(request->vector.empty());
  EXPECT_EQ(search_request_from(results[1]->front())->vector, model_.vector_of("second"));

  model_.fail(retryable("the encoder is gone"));
  const std::vector<Record> other{to_record(lexical), to_record(query_of("third"))};
  results = embedder_.process(other);
  EXPECT_TRUE(results[0]);
  EXPECT_FALSE(results[1]);
}

TEST_F(QueryEmbedderTest, does_not_embed_a_question_again) {
  const std::vector<Record> first{to_record(query_of("first"))};
  ASSERT_TRUE(embedder_.process(first).front());
  const std::vector<Record> both{to_record(query_of("second")), to_record(query_of("first"))};
  const auto results = embedder_.process(both);
  ASSERT_EQ(model_.calls().size(), 2U);
  EXPECT_THAT(model_.calls()[1].texts, ElementsAre("second"));
  EXPECT_EQ(search_request_from(results[0]->front())->vector, model_.vector_of("second"));
  EXPECT_EQ(search_request_from(results[1]->front())->vector, model_.vector_of("first"));
}

TEST_F(QueryEmbedderTest, leaves_questions_to_the_generation_that_they_are_for) {
  Collection both{.name = "default", .generation = 7};
  both.generations = {{.number = 1, .state = Generation::State::kept}, {.number = 7}};
  ASSERT_TRUE(generations_.apply(to_record(both)));
  Query query = query_of("first");
  query.collection = "default";
  query.generation = 7;
  Query gone = query;
  gone.generation = 5;
  Record broken = to_record(query);
  broken.value = "{";
  const std::vector<Record> batch{to_record(query), to_record(gone), broken};
  const auto by_first = embedder_.process(batch);
  ASSERT_TRUE(by_first[0]);
  EXPECT_TRUE(by_first[0]->empty());
  ASSERT_FALSE(by_first[1]) << "nobody else tells its asker";
  EXPECT_EQ(by_first[1].error().kind, Error::Kind::rejected);
  EXPECT_FALSE(by_first[2]);

  QueryEmbedder seventh{model_, cache_, 3, generations_, 7, clock_};
  const auto by_seventh = seventh.process(batch);
  ASSERT_TRUE(by_seventh[0]);
  ASSERT_EQ(by_seventh[0]->size(), 3U);
  EXPECT_EQ(by_seventh[0]->front().topic, "searches.g7");
  ASSERT_TRUE(by_seventh[1]);
  EXPECT_TRUE(by_seventh[1]->empty());
  ASSERT_TRUE(by_seventh[2]) << "one dead letter is enough";
  EXPECT_TRUE(by_seventh[2]->empty());
}

TEST_F(QueryEmbedderTest, tells_the_asker_when_a_question_is_given_up) {
  const Outputs told = embedder_.given_up(to_record(query_of("why")), retryable("no luck"));
  ASSERT_EQ(told.size(), 1U);
  const Result<AnswerEvent> event = answer_event_from(told.front());
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, AnswerEvent::Type::failed);
  EXPECT_TRUE(event->last);
  EXPECT_EQ(event->reason, "embedding_failed");
}

}  // namespace
}  // namespace millrace
