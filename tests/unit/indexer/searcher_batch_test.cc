#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "workers/indexer/searcher.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Le;
using ::testing::SizeIs;

// What was looked for, kept beyond the call.
struct Looked {
  std::string collection;
  std::string question;
  std::vector<float> vector;
  std::size_t top_k = 0;
  bool sees_everything = false;
  std::vector<std::string> groups;
  Filter filter;
  bool with_vectors = false;
};

// Finds one passage for each question, which names question and partition; but fails on "broken".
class FakeIndex : public PartitionIndex {
 public:
  explicit FakeIndex(std::string name) : name_{std::move(name)} {}

  Result<IndexChange> apply(const EmbeddingEvent& /*event*/) override { return IndexChange{}; }
  Status checkpoint(Offset /*position*/) override { return {}; }
  std::optional<Offset> restored() const override { return std::nullopt; }
  Offset position() const override { return 7; }
  Status snapshot() override { return {}; }
  IndexCounts counts() const override { return {}; }

  std::vector<Result<IndexHits>> search(std::span<const IndexSearch> searches) const override {
    const std::lock_guard lock{mutex_};
    std::vector<Result<IndexHits>> results;
    std::vector<Looked>& call = calls_.emplace_back();
    for (const IndexSearch& each : searches) {
      call.push_back({each.collection,
                      each.question,
                      {each.vector.begin(), each.vector.end()},
                      each.top_k,
                      each.sees_everything,
                      {each.groups.begin(), each.groups.end()},
                      each.filter,
                      each.with_vectors});
      if (each.question == "broken") {
        results.emplace_back(unavailable("a damaged file"));
        continue;
      }
      IndexHits hits;
      hits.passages.emplace_back().chunk_id = name_ + " " + each.question;
      hits.passages.back().match.emplace().length = 3;
      hits.evidence = {7, 70, {{each.question, 2}}};
      results.emplace_back(std::move(hits));
    }
    return results;
  }
  const std::vector<std::vector<Looked>>& calls() const { return calls_; }

 private:
  const std::string name_;
  mutable std::mutex mutex_;
  mutable std::vector<std::vector<Looked>> calls_;
};

class SearcherBatchTest : public ::testing::Test {
 protected:
  SearcherBatchTest() {
    std::vector<std::unique_ptr<PartitionIndex>> indexes;
    for (const char* name : {"zero", "one"}) {
      auto index = std::make_unique<FakeIndex>(name);
      indexes_.push_back(index.get());
      indexes.push_back(std::move(index));
    }
    set_ = std::make_unique<IndexSet>(1, std::move(indexes));
  }

  static SearchRequest asking(std::string question) {
    SearchRequest request;
    request.query.query_id = "q";
    request.query.collection = "a";
    request.query.question = std::move(question);
    request.query.top_k = 2;
    request.partitions = 2;
    request.vector = {1, 0};
    return request;
  }
  static Record record_for(SearchRequest request, std::int32_t partition) {
    request.partition = partition;
    return to_record(request, 1);
  }
  std::vector<PassagesEvent> events_of(const std::vector<Record>& batch) {
    Searcher searcher{*set_, system_clock(), candidates_min_};
    std::vector<PassagesEvent> events;
    for (const Result<Outputs>& outputs : searcher.process(batch)) {
      EXPECT_TRUE(outputs && outputs->size() == 1);
      const auto event = passages_event_from(outputs->front());
      EXPECT_TRUE(event);
      events.push_back(event ? *event : PassagesEvent{});
    }
    return events;
  }
  Looked only_look_for(const SearchRequest& request) {
    events_of({record_for(request, 0)});
    return indexes_[0]->calls().back().at(0);
  }

  std::vector<FakeIndex*> indexes_;
  std::unique_ptr<IndexSet> set_;
  std::size_t candidates_min_ = 0;
};

TEST_F(SearcherBatchTest, searches_together_what_waits_for_a_partition) {
  std::vector<Record> batch;
  for (int i = 0; i < 200; ++i) {
    batch.push_back(record_for(asking("question " + std::to_string(i)), i % 3 == 0 ? 1 : 0));
  }
  const std::vector<PassagesEvent> events = events_of(batch);
  ASSERT_THAT(events, SizeIs(batch.size()));
  for (int i = 0; i < 200; ++i) {
    const PassagesEvent& event = events[static_cast<std::size_t>(i)];
    const std::string question = "question " + std::to_string(i);
    EXPECT_EQ(event.partition, i % 3 == 0 ? 1 : 0);
    EXPECT_EQ(event.query.question, question);
    ASSERT_THAT(event.passages, SizeIs(1));
    EXPECT_EQ(event.passages[0].chunk_id, (i % 3 == 0 ? "one " : "zero ") + question);
    EXPECT_EQ(event.passages[0].match.value().length, 3);
    EXPECT_EQ(event.evidence, (LexicalEvidence{7, 70, {{question, 2}}}));
  }
  std::size_t looked = 0;
  for (const FakeIndex* index : indexes_) {
    EXPECT_THAT(index->calls(), SizeIs(Le(9U)));  // a part for each thread, of which there are 8
    for (const auto& call : index->calls()) looked += call.size();
  }
  EXPECT_EQ(looked, batch.size());
}

TEST_F(SearcherBatchTest, a_search_that_fails_fails_alone) {
  SearchRequest other_layout = asking("fine");
  other_layout.partitions = 10;
  const std::vector<PassagesEvent> events =
      events_of({record_for(asking("fine"), 0), record_for(asking("broken"), 0),
                 record_for(other_layout, 5), record_for(asking("as well"), 0)});
  EXPECT_THAT(events[0].passages, SizeIs(1));
  EXPECT_EQ(events[1].error, "a damaged file");
  EXPECT_THAT(events[1].passages, IsEmpty());
  EXPECT_THAT(events[2].error, HasSubstr("partition 5"));
  EXPECT_THAT(events[3].passages, SizeIs(1));
}

TEST_F(SearcherBatchTest, looks_for_what_the_query_says) {
  SearchRequest request = asking("what?");
  request.query.groups = {"red", "blue"};
  request.query.filter = *Filter::parse(R"({"year":2026})", {});
  const Looked looked = only_look_for(request);
  EXPECT_EQ(looked.collection, "a");
  EXPECT_EQ(looked.question, "what?");
  EXPECT_THAT(looked.vector, ElementsAre(1, 0));
  EXPECT_EQ(looked.top_k, 2U);
  EXPECT_FALSE(looked.sees_everything);
  EXPECT_THAT(looked.groups, ElementsAre("red", "blue"));
  EXPECT_EQ(looked.filter, request.query.filter);
  EXPECT_FALSE(looked.with_vectors);
  request.query.sees_everything = true;
  EXPECT_TRUE(only_look_for(request).sees_everything);
}

TEST_F(SearcherBatchTest, leaves_out_the_leg_that_the_mode_does_not_want) {
  SearchRequest request = asking("what?");
  request.query.mode = SearchMode::dense;
  EXPECT_THAT(only_look_for(request).question, IsEmpty());
  EXPECT_THAT(only_look_for(request).vector, SizeIs(2));
  request.query.mode = SearchMode::lexical;
  EXPECT_EQ(only_look_for(request).question, "what?");
  EXPECT_THAT(only_look_for(request).vector, IsEmpty());
  request.vector.clear();
  EXPECT_THAT(only_look_for(request).vector, IsEmpty());
}

TEST_F(SearcherBatchTest, asks_for_more_than_are_shown_where_some_will_be_left_out) {
  SearchRequest request = asking("what?");
  request.query.one_per_document = true;
  EXPECT_EQ(only_look_for(request).top_k, 8U);
  EXPECT_FALSE(only_look_for(request).with_vectors);
  request.query.one_per_document = false;
  request.query.diversity = 0.1;
  EXPECT_TRUE(only_look_for(request).with_vectors);
  for (const auto& [top_k, asked] :
       std::map<std::int64_t, std::size_t>{{1, 4}, {25, 100}, {50, 100}, {100, 100}, {300, 300}}) {
    request.query.top_k = top_k;
    EXPECT_EQ(only_look_for(request).top_k, asked);
  }
}

TEST_F(SearcherBatchTest, asks_for_as_many_as_a_re_ranker_reads) {
  candidates_min_ = 30;
  SearchRequest request = asking("what?");
  EXPECT_EQ(only_look_for(request).top_k, 30U);
  request.query.top_k = 31;
  EXPECT_EQ(only_look_for(request).top_k, 31U);
}

}  // namespace
}  // namespace millrace
