#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cmath>
#include <numeric>
#include <random>
#include <set>
#include <thread>

#include "tests/unit/index/index_model.h"

// Who may not see a document finds neither it nor anything of it, by nearness, by words or by
// filters, nor do such documents weigh the words of what he finds.
namespace millrace {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::open_index;
using testing_index::random_vector;
using testing_index::Revision;
using testing_index::TemporaryFolder;

using Groups = std::vector<std::string>;
constexpr std::size_t kEverything = 900;

class RightsTest : public ::testing::Test {
 protected:
  Revision make(const std::string& collection, const std::string& id, const Groups& allow,
                const std::string& text, int chunks = 3) {
    Revision revision = make_revision(random_, collection, id, "R" + std::to_string(revisions_++),
                                      chunks, 1, allow);
    revision.document.title.clear();
    revision.document.metadata = R"({"id": ")" + id + "\"}";
    for (Chunk& chunk : revision.chunks) {
      chunk.headings.clear();
      chunk.text = text + " " + std::to_string(chunk.ordinal);
    }
    return revision;
  }
  void put(PartitionIndex& index, const Revision& revision) {
    const Result<IndexChange> change = index.apply(revision.batch(0));
    ASSERT_TRUE(change) << change.error().message;
  }
  static IndexHits find(const PartitionIndex& index, const IndexSearch& search) {
    const Result<IndexHits> hits = testing_index::search_one(index, search);
    EXPECT_TRUE(hits) << hits.error().message;
    return hits ? *hits : IndexHits{};
  }
  IndexHits find(const std::string& question, const Groups& groups, bool sees_everything = false) {
    return find(*index_, {.collection = "a",
                          .question = question,
                          .vector = vector_,
                          .top_k = kEverything,
                          .sees_everything = sees_everything,
                          .groups = groups});
  }
  std::set<std::string> documents(const Groups& groups, bool sees_everything = false) {
    std::set<std::string> ids;
    for (const Passage& passage : find("", groups, sees_everything).passages) {
      ids.insert(passage.document_id);
    }
    return ids;
  }
  void reopen() {
    ASSERT_TRUE(index_->checkpoint(++position_));
    ASSERT_TRUE(index_->snapshot());
    index_.reset();
    index_ = open_index(folder_.path() / "index");
  }

  std::mt19937 random_{17};
  int revisions_ = 0;
  Offset position_ = 0;
  std::vector<float> vector_ = random_vector(random_);
  TemporaryFolder folder_;
  std::unique_ptr<PartitionIndex> index_ = open_index(folder_.path() / "index");
};

// Passages by chunk, without the cosines' last bits. A word's terms are counted together: it has
// one for each language of its collection.
std::vector<Passage> comparable(std::vector<Passage> passages) {
  for (Passage& passage : passages) {
    if (!passage.match) continue;
    if (passage.match->cosine) {
      passage.match->cosine = std::round(*passage.match->cosine * 1e5) / 1e5;
    }
    for (std::vector<std::int64_t>& word : passage.match->counts) {
      word = {std::accumulate(word.begin(), word.end(), std::int64_t{0})};
    }
  }
  std::ranges::sort(passages, {}, &Passage::chunk_id);
  return passages;
}

// One index with the documents of others beside the asker's, one without.
class HiddenDocuments : public RightsTest {
 protected:
  void fill() {
    for (int i = 0; i < 60; ++i) {
      const std::string id = std::to_string(i);
      const Revision mine =
          make("a", "mine-" + id, i % 3 == 0 ? Groups{} : Groups{"b", "c"}, "water pump " + id);
      const Revision theirs = make("a", "theirs-" + id, i % 2 == 0 ? Groups{"a"} : Groups{"a", "d"},
                                   "water secret pump " + id);
      put(*index_, mine);
      put(*without_, mine);
      put(*index_, theirs);
    }
  }
  IndexSearch search(const std::string& question, bool near, std::size_t top_k) const {
    return {.collection = "a",
            .question = question,
            .vector = near ? std::span<const float>{vector_} : std::span<const float>{},
            .top_k = top_k,
            .groups = asker_};
  }
  const Groups asker_{"b"};
  std::unique_ptr<PartitionIndex> without_ = open_index(folder_.path() / "without");
};

TEST_F(HiddenDocuments, change_nothing_of_what_is_found_and_how_it_matches) {
  fill();
  for (const char* question : {"", "water", "secret pump", "pump 17", "nothing"}) {
    SCOPED_TRACE(question);
    for (const bool near : {true, false}) {
      const IndexSearch everything = search(question, near, kEverything);
      const IndexHits with = find(*index_, everything);
      const IndexHits without = find(*without_, everything);
      EXPECT_TRUE(comparable(with.passages) == comparable(without.passages));
      EXPECT_TRUE(with.evidence == without.evidence);
    }
  }
  for (const std::size_t top_k : {1U, 10U, 50U}) {
    const IndexSearch nearest = search("", true, top_k);
    EXPECT_TRUE(comparable(find(*index_, nearest).passages) ==
                comparable(find(*without_, nearest).passages));
  }
}

TEST_F(HiddenDocuments, leave_words_in_the_evidence_that_the_question_brought_and_no_other) {
  fill();
  const IndexHits hits = find(*index_, search("secret water", true, kEverything));
  std::vector<std::string> words;
  for (const LexicalEvidence::Word& word : hits.evidence.words) words.push_back(word.word);
  EXPECT_THAT(words, ElementsAre("secret", "water"));
  for (const Passage& passage : hits.passages) {
    ASSERT_TRUE(passage.match);
    EXPECT_THAT(passage.match->counts, SizeIs(2));
    EXPECT_THAT(passage.match->counts[0], ::testing::Each(0)) << "of a word that only others have";
  }
}

TEST_F(HiddenDocuments, are_found_by_those_who_may) {
  fill();
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(documents({"a"}), Contains("theirs-4"));
    EXPECT_THAT(documents({"d"}), Contains("theirs-5"));
    EXPECT_THAT(documents({"d"}), Not(Contains("theirs-4")));
    EXPECT_THAT(documents({}, true), SizeIs(120));
    reopen();
  }
}

TEST_F(RightsTest, a_collection_changes_nothing_in_another_one) {
  for (int i = 0; i < 40; ++i) {
    const std::string id = std::to_string(i);
    put(*index_, make("a", id, {}, "water pump " + id));
  }
  const IndexHits before = find("water pump 7", {});
  for (int i = 0; i < 40; ++i) {
    const std::string id = std::to_string(i);
    put(*index_, make("b", id, {}, "el agua water water de la bomba " + id));
  }
  const IndexHits after = find("water pump 7", {});
  EXPECT_TRUE(after.evidence == before.evidence);
  EXPECT_TRUE(comparable(after.passages) == comparable(before.passages));
}

TEST_F(RightsTest, what_few_may_see_among_many_is_found_in_full) {
  for (int i = 0; i < 400; ++i) {
    const std::string id = std::to_string(i);
    put(*index_, make("a", "hidden-" + id, {"a"}, "water pump " + id, 5));
    if (i % 80 == 0) put(*index_, make("a", "open-" + id, {"b"}, "water pump " + id, 3));
  }
  const Groups groups{"b"};
  for (const char* question : {"", "water"}) {
    for (const bool near : {true, false}) {
      if (!near && *question == '\0') continue;
      const IndexHits hits = find(
          *index_, {.collection = "a",
                    .question = question,
                    .vector = near ? std::span<const float>{vector_} : std::span<const float>{},
                    .top_k = 15,
                    .groups = groups});
      EXPECT_THAT(hits.passages, SizeIs(15));
      for (const Passage& passage : hits.passages) {
        EXPECT_TRUE(passage.document_id.starts_with("open-")) << passage.document_id;
      }
    }
  }
}

TEST_F(RightsTest, groups_are_the_same_by_each_byte_or_not_at_all) {
  const Groups names{"a",
                     "A",
                     "b",
                     "ab",
                     "a b",
                     "a,b",
                     "a ",
                     std::string("a\0b", 3),
                     "\xc3\xa4",
                     "a\xcc\x88",
                     "[\"a\"]",
                     "*",
                     std::string(300, 'a')};
  for (std::size_t i = 0; i < names.size(); ++i) {
    put(*index_, make("a", std::to_string(i), {names[i]}, "text"));
  }
  put(*index_, make("a", "both", {"a", "b"}, "text"));
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      std::set<std::string> wanted{std::to_string(i)};
      if (names[i] == "a" || names[i] == "b") wanted.insert("both");
      EXPECT_EQ(documents({names[i]}), wanted) << names[i];
    }
    EXPECT_THAT(documents({}), IsEmpty());
    EXPECT_THAT(documents({""}), IsEmpty());
    EXPECT_EQ(documents({"a", "a", "nobody", "b"}), (std::set<std::string>{"0", "2", "both"}));
    reopen();
  }
}

TEST_F(RightsTest, a_new_revision_has_its_own_rights_and_the_old_one_none) {
  const std::vector<Groups> lists{{"a"}, {"b"}, {}, {"a", "b"}, {"c"}, {"b"}, {"a"}};
  for (int filler = 0; filler < 30; ++filler) {
    put(*index_, make("a", "filler-" + std::to_string(filler), {"z"}, "text"));
  }
  for (const Groups& allow : lists) {
    put(*index_, make("a", "doc", allow, "text"));
    for (const std::string group : {"a", "b", "c"}) {
      const bool may = allow.empty() || std::ranges::find(allow, group) != allow.end();
      EXPECT_EQ(documents({group}).contains("doc"), may) << group;
    }
    if (allow.size() == 2) reopen();
  }
  put(*index_, make_removal("a", "doc", "gone"));
  for (const std::string group : {"a", "b", "c"}) EXPECT_THAT(documents({group}), IsEmpty());
  EXPECT_FALSE(documents({}, true).contains("doc"));
}

TEST_F(RightsTest, a_filter_does_not_tell_what_is_hidden) {
  put(*index_, make("a", "hidden", {"a"}, "text"));
  put(*index_, make("a", "open", {}, "text"));
  for (const std::string json :
       {R"({"id": "hidden"})", R"({"not": {"id": "open"}})", R"({"id": {"gt": "a", "lt": "i"}})"}) {
    const Result<Filter> filter = Filter::parse(json, {});
    ASSERT_TRUE(filter) << filter.error().message;
    IndexSearch search{.collection = "a", .question = "text", .vector = vector_};
    search.filter = *filter;
    EXPECT_THAT(find(*index_, search).passages, IsEmpty()) << json;
    const Groups groups{"a"};
    search.groups = groups;
    EXPECT_THAT(find(*index_, search).passages, SizeIs(3)) << json;
  }
}

// The document is for "a" and "b" by turns; its text says for whom.
TEST_F(RightsTest, hold_at_every_moment_while_they_change) {
  constexpr int kChanges = 300;
  std::vector<Revision> revisions;
  for (int i = 0; i < kChanges; ++i) {
    const std::string group = i % 2 == 0 ? "a" : "b";
    revisions.push_back(make("a", "doc", {group}, "for " + group, 1 + i % 30));
  }
  std::atomic<bool> done{false};
  std::barrier started{3};
  std::vector<std::jthread> readers;
  for (const std::string group : {"a", "b"}) {
    readers.emplace_back([&, group] {
      const Groups groups{group};
      started.arrive_and_wait();
      do {
        const IndexHits hits = find(*index_, {.collection = "a",
                                              .question = "for",
                                              .vector = vector_,
                                              .top_k = 40,
                                              .groups = groups});
        for (const Passage& passage : hits.passages) {
          EXPECT_TRUE(passage.text.starts_with("for " + group)) << passage.text;
        }
      } while (!done && !HasFailure());
    });
  }
  started.arrive_and_wait();
  for (const Revision& revision : revisions) put(*index_, revision);
  done = true;
}

}  // namespace
}  // namespace millrace
