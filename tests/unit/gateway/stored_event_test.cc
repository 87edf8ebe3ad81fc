// The table of documents must not depend on when it reads: compaction takes records away that
// others have seen.
#include "gateway/stored_event.h"

#include <gmock/gmock.h>

#include <map>
#include <random>

#include "gateway/document_json.h"

namespace millrace {
namespace {

using State = DocumentProgress::State;
using Rows = std::map<std::string, std::string>;

DocumentProgress progress_of(std::size_t sequence, State state, std::string stage = "") {
  DocumentProgress progress;
  progress.document.collection = "c";
  progress.document.document_id = "d";
  progress.document.revision = "r" + std::to_string(sequence);
  progress.document.sequence = static_cast<std::int64_t>(sequence);
  progress.state = state;
  if (state == State::failed) progress.error_stage = std::move(stage);
  return progress;
}

void feed(Record record, Rows& rows) {
  if (record.offset < 0) record.offset = 0;  // somewhere
  record.partition = 0;
  const auto found = rows.find(std::string{partition_key(record.key)});
  const std::optional<std::string> current =
      found == rows.end() ? std::nullopt : std::optional{found->second};
  for (const TableChange& change : documents_applier()(record, current)) {
    if (change.value) {
      rows[change.key] = *change.value;
    } else {
      rows.erase(change.key);
    }
  }
}

// What a topic may hold: revisions overtake one another, but not within a stage, since a document's
// records stay in one partition. Acceptances, which gateways write beside that, come at any time.
// Some revisions fail on the way, some delete the document. Another generation follows at a pace of
// its own with the steps behind the text.
constexpr int kOther = 7;
std::vector<Record> random_topic(std::mt19937& random) {
  const std::size_t revisions = 1 + random() % 5;
  std::vector<std::vector<State>> ways;
  for (std::size_t i = 0; i < revisions; ++i) {
    std::vector<State>& states = ways.emplace_back();
    states = {State::extracted, State::chunked, State::embedded, State::indexed};
    if (random() % 4 == 0) states.back() = State::deleted;
    if (random() % 4 == 0) {
      states.resize(random() % 4);
      states.push_back(State::failed);
    }
  }
  std::vector<Record> topic;
  const auto add = [&](const DocumentProgress& progress, std::size_t place) {
    topic.insert(topic.begin() + static_cast<std::ptrdiff_t>(place), to_record(progress));
  };
  std::vector<std::size_t> done(revisions);
  for (;;) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < revisions; ++i) {
      const bool left = done[i] < ways[i].size();
      bool first = true;  // of those that are still to come to this stage
      for (std::size_t j = 0; j < i; ++j) first &= done[j] > done[i] || done[j] == ways[j].size();
      if (left && first) ready.push_back(i);
    }
    if (ready.empty()) break;
    const std::size_t next = ready[random() % ready.size()];
    const std::size_t step = done[next]++;
    add(progress_of(next, ways[next][step], step == 0 ? "extractor" : std::to_string(step)),
        topic.size());
  }
  std::size_t place = 0;
  for (std::size_t i = 0; i < revisions; ++i) {
    for (std::size_t step = 1; step < ways[i].size(); ++step) {
      DocumentProgress progress = progress_of(i, ways[i][step], std::to_string(step));
      progress.generation = kOther;
      place += random() % (topic.size() - place + 1);
      add(progress, place++);
    }
  }
  for (std::size_t i = 0; i < revisions; ++i) {
    add(progress_of(i, State::accepted), random() % (topic.size() + 1));
  }
  for (std::size_t i = 0; i < topic.size(); ++i) {
    topic[i].partition = 0;
    topic[i].offset = static_cast<Offset>(i);
  }
  return topic;
}

std::vector<Record> compacted(const std::vector<Record>& topic) {
  std::vector<Record> kept;
  for (std::size_t i = 0; i < topic.size(); ++i) {
    const bool superseded =
        std::any_of(topic.begin() + static_cast<std::ptrdiff_t>(i) + 1, topic.end(),
                    [&](const Record& later) { return later.key == topic[i].key; });
    if (!superseded) kept.push_back(topic[i]);
  }
  return kept;
}

TEST(DocumentsTable, is_the_same_whenever_it_reads) {
  std::mt19937 random{20};
  for (int round = 0; round < 1'000; ++round) {
    const std::vector<Record> topic = random_topic(random);
    Rows along;
    for (const Record& record : topic) feed(record, along);
    // Reads the beginning in time, then only what compaction has left.
    const Offset away = static_cast<Offset>(random() % (topic.size() + 1));
    Rows late;
    for (const Record& record : topic) {
      if (record.offset < away) feed(record, late);
    }
    for (const Record& record : compacted(topic)) {
      if (record.offset >= away) feed(record, late);
    }
    ASSERT_EQ(late, along) << "round " << round << ", away from " << away;
    ASSERT_EQ(along.size(), 1U);
    for (const int generation : {1, kOther}) {
      const std::string& row = along.begin()->second;
      const auto status = document_from_row("c/d", row, generation);
      ASSERT_TRUE(status && is_final(status->progress.state)) << "round " << round;
      const auto head = stored_document_head(row, generation);
      ASSERT_TRUE(head);
      ASSERT_EQ(head->state, status->progress.state) << "round " << round;
      ASSERT_EQ(head->sequence, status->progress.document.sequence) << "round " << round;
    }
  }
}

TEST(DocumentsTable, shows_each_generation_as_far_as_it_is) {
  const auto state_in = [](const Rows& rows, int generation) {
    return document_from_row("c/d", rows.begin()->second, generation)->progress.state;
  };
  Rows rows;
  feed(to_record(progress_of(0, State::extracted)), rows);
  EXPECT_EQ(state_in(rows, kOther), State::extracted);
  feed(to_record(progress_of(0, State::indexed)), rows);
  EXPECT_EQ(state_in(rows, 1), State::indexed);
  EXPECT_EQ(state_in(rows, kOther), State::extracted) << "the other has no chunks of it yet";
  DocumentProgress other = progress_of(0, State::failed, "chunker");
  other.generation = kOther;
  feed(to_record(other), rows);
  EXPECT_EQ(state_in(rows, kOther), State::failed);
  EXPECT_EQ(state_in(rows, 1), State::indexed);
  feed(to_record(progress_of(1, State::accepted)), rows);
  EXPECT_EQ(state_in(rows, 1), State::accepted);
  EXPECT_EQ(state_in(rows, kOther), State::accepted) << "a newer revision is everybody's";
  feed(to_record(progress_of(1, State::failed, "extractor")), rows);
  EXPECT_EQ(state_in(rows, kOther), State::failed);
}

TEST(DocumentsTable, reads_rows_that_an_earlier_version_wrote) {
  const std::string row = "0:4 indexed 12\n" + to_record(progress_of(3, State::indexed)).value;
  EXPECT_EQ(stored_document_head(row, 1)->chunks, 12);
  EXPECT_EQ(document_from_row("c/d", row, 1)->progress.state, State::indexed);
  Rows rows{{"c/d", row}};
  DocumentProgress other = progress_of(3, State::indexed);
  other.generation = kOther;
  feed(to_record(other), rows);
  EXPECT_EQ(document_from_row("c/d", rows.begin()->second, kOther)->progress.state, State::indexed);
  EXPECT_EQ(stored_document_head(rows.begin()->second, 1)->chunks, 12);
}

TEST(DocumentsTable, forgets_a_document_with_its_acceptance_only) {
  Rows rows;
  feed(to_record(progress_of(0, State::indexed)), rows);
  Record gone = to_record(progress_of(0, State::embedded));
  gone.value.clear();
  gone.tombstone = true;
  feed(gone, rows);
  EXPECT_EQ(rows.size(), 1U);
  gone.key = progress_key(progress_of(0, State::accepted));
  feed(gone, rows);
  EXPECT_TRUE(rows.empty());
}

}  // namespace
}  // namespace millrace
