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

void feed(const Record& record, Rows& rows) {
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
// Some revisions fail on the way, some delete the document.
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
    add(progress_of(next, ways[next][step], "stage " + std::to_string(step)), topic.size());
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
    const auto status = document_from_row("c/d", along.begin()->second);
    ASSERT_TRUE(status && is_final(status->progress.state)) << "round " << round;
  }
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
