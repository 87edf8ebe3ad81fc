#include "gateway/backup/backup.h"

#include <gmock/gmock.h>

#include <map>
#include <thread>

#include "schemas/answer.h"
#include "schemas/collection.h"
#include "schemas/restore.h"
#include "tests/unit/backup/backup_fixture.h"

namespace millrace {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using State = DocumentProgress::State;

class BackupTest : public BackupFixture {};

std::map<std::string, std::string> revisions(const std::vector<Record>& documents) {
  std::map<std::string, std::string> found;
  for (const Record& each : documents) {
    const auto event = document_event_from(each);
    EXPECT_TRUE(event);
    if (event) found[event->document.document_id] = event->document.revision;
  }
  return found;
}

TEST_F(BackupTest, brings_every_record_back_but_those_of_the_questions_way) {
  append(to_record(Collection{"default", "of old", 1, {}}));
  const std::string large(3U << 20U, 'x');  // segments
  const DocumentRef first = add_document("a", "R1", large);
  Transcript transcript;
  transcript.query.query_id = "Q";
  append(to_record(transcript));
  append(to_record(transcript.query));
  const auto log = restored(back_up());
  for (const TopicRow& row : topic_table()) {
    const std::string topic = topic_spec(row, kPartitions, 1).name;
    if (topic == topics::kRestores) continue;
    const auto before = records_of(*log_, topic);
    const auto after = records_of(*log, topic);
    ASSERT_EQ(after.size(), row.backed_up ? before.size() : 0) << topic;
    for (std::size_t i = 0; i < after.size(); ++i) {
      EXPECT_EQ(after[i].key, before[i].key) << topic;
      EXPECT_EQ(after[i].value, before[i].value) << topic;
      EXPECT_EQ(after[i].headers, before[i].headers) << topic;
      EXPECT_EQ(after[i].partition, before[i].partition) << topic;
    }
  }
  const auto documents = records_of(*log, "documents");
  ASSERT_EQ(documents.size(), 1U);
  EXPECT_EQ(document_event_from(documents.front())->content, large);
}

TEST_F(BackupTest, keeps_objects_within_their_bound_and_their_order) {
  for (int i = 0; i < 100; ++i) add_document("d" + std::to_string(i), "R", std::string(1'000, 'x'));
  constexpr std::size_t kObjectBytes = 10'000;
  const Manifest manifest = back_up(kObjectBytes);
  std::size_t of_documents = 0;
  for (const BackupObject& each : manifest.objects) {
    EXPECT_LE(each.bytes, static_cast<std::int64_t>(kObjectBytes));
    if (each.source.topic == "documents") ++of_documents;
  }
  EXPECT_GE(of_documents, 10U);
  EXPECT_EQ(manifest.records(), 100);
  EXPECT_EQ(revisions(records_of(*restored(manifest), "documents")).size(), 100U);
}

// Offsets of `documents` say which revision is the newer one: of a document that was replaced, the
// older events must stay older in the new log.
TEST_F(BackupTest, keeps_the_order_of_revisions_when_offsets_change) {
  const DocumentRef first = add_document("a", "R1");
  add_progress(first, State::indexed);
  add_document("b", "R1");
  const DocumentRef second = add_document("a", "R2");
  add_progress(second, State::accepted);
  add_progress(second, State::failed);
  add_text(second);
  const auto log = restored(back_up());
  std::map<std::string, DocumentProgress> events;
  for (const Record& each : records_of(*log, "document-events")) {
    const auto progress = document_progress_from(each);
    ASSERT_TRUE(progress);
    EXPECT_EQ(progress->document.metadata, first.metadata) << "and nothing else is touched";
    events[std::string{to_string(progress->state)}] = *progress;
  }
  ASSERT_EQ(events.size(), 3U);
  EXPECT_TRUE(advances(events.at("indexed"), events.at("failed")));
  EXPECT_FALSE(advances(events.at("failed"), events.at("indexed")));
  const auto texts = records_of(*log, "texts");
  ASSERT_EQ(texts.size(), 1U);
  const DocumentRef restored_ref = text_event_from(texts.front())->document;
  EXPECT_EQ(restored_ref.sequence, events.at("failed").document.sequence);
  const auto at = log->read_at({{"documents", texts.front().partition}, restored_ref.sequence});
  ASSERT_TRUE(at && *at);
  EXPECT_EQ(document_event_from(**at)->document.revision, "R2") << "for redriving";
}

TEST_F(BackupTest, lets_groups_go_on_at_the_same_record) {
  Position next;
  for (int i = 0; i < 20; ++i) {
    const Position at{
        {"documents", partition_for("default/k" + std::to_string(i % 4), kPartitions)},
        add_document("k" + std::to_string(i % 4), "R" + std::to_string(i)).sequence};
    if (at.source.partition == 0 && i < 18) next = at;
  }
  ASSERT_EQ(next.source.topic, "documents") << "one key of four falls into partition 0";
  commit(*log_, "extractor", next);
  const Manifest manifest = back_up();
  ASSERT_EQ(manifest.groups.size(), 1U);
  EXPECT_EQ(manifest.groups.front(), (GroupPosition{"extractor", next.source, next.offset}));
  const auto log = restored(manifest);
  const auto committed = log->committed("extractor", next.source);
  ASSERT_TRUE(committed && *committed);
  const auto behind = [&](Log& of, Offset from) {
    std::vector<std::string> values;
    for (const Record& each : records_of(of, "documents")) {
      if (each.partition == 0 && each.offset >= from) values.push_back(each.value);
    }
    return values;
  };
  EXPECT_EQ(behind(*log, **committed), behind(*log_, next.offset));
  EXPECT_FALSE(*log->committed("extractor", {"documents", 1})) << "where none was, none is";
}

TEST_F(BackupTest, of_chunks_leaves_out_what_is_embedded) {
  const TopicPartition source{topics::chunks(1), 0};
  for (int i = 0; i < 5; ++i) {
    Record record;
    record.topic = source.topic;
    record.partition = 0;
    record.key = "default/a";
    record.value = std::to_string(i);
    append(record);
  }
  commit(*log_, "embedder", {source, 3});
  const auto log = restored(back_up());
  std::vector<std::string> values;
  for (const Record& each : records_of(*log, source.topic)) values.push_back(each.value);
  EXPECT_THAT(values, ElementsAre("3", "4"));
  EXPECT_EQ(**log->committed("embedder", source), 0);
}

// Each document is replaced over and over; it must be in the backup at every moment, and what is
// made of it must not be newer than it is.
TEST_F(BackupTest, of_a_log_in_use_loses_no_document) {
  constexpr int kDocuments = 40;
  const auto name = [](int i) { return "d" + std::to_string(i); };
  for (int i = 0; i < kDocuments; ++i) add_document(name(i), "R0000000");
  const std::jthread writer{[&](const std::stop_token& stop) {
    for (int round = 1; !stop.stop_requested(); ++round) {
      std::string revision = std::to_string(round);
      revision = "R" + std::string(7 - revision.size(), '0') + revision;
      for (int i = 0; i < kDocuments && !stop.stop_requested(); ++i) {
        const DocumentRef document = add_document(name(i), revision);
        add_progress(document, State::accepted);
        add_text(document);
      }
    }
  }};
  for (int i = 0; i < 8; ++i) {
    const auto log = restored(back_up());
    const auto documents = revisions(records_of(*log, "documents"));
    ASSERT_EQ(documents.size(), static_cast<std::size_t>(kDocuments));
    for (const Record& each : records_of(*log, "texts")) {
      const DocumentRef document = text_event_from(each)->document;
      EXPECT_LE(document.revision, documents.at(document.document_id));
    }
  }
}

TEST_F(BackupTest, has_the_topics_of_every_generation) {
  ASSERT_TRUE(log_->create_topics(topic_specs(kPartitions, 5)));
  Collection collection{"default", "", 5, {}};
  collection.generations = {{.number = 1, .state = Generation::State::kept},
                            {.number = 5, .state = Generation::State::serving},
                            {.number = 9, .state = Generation::State::building}};
  append(to_record(collection));
  Record record;
  record.topic = topics::embeddings(5);
  record.key = "default/a";
  record.value = "v";
  append(record);
  const Manifest manifest = back_up();
  EXPECT_THAT(manifest.generations, ElementsAre(1, 5, 9));
  EXPECT_THAT(manifest.topics, ::testing::Contains("embeddings.g5"));
  EXPECT_THAT(manifest.topics, ::testing::Not(::testing::Contains("embeddings.g9")))
      << "nobody has made its topics yet";
  const auto log = make_memory_log(metrics_);
  ASSERT_TRUE(log->create_topics(*topics_for(manifest)));
  ASSERT_TRUE(restore_backup(*store_, manifest, *log, system_clock()));
  EXPECT_EQ(records_of(*log, topics::embeddings(5)).size(), 1U);
  EXPECT_EQ(*log->end_offset({"collections", 0}), 9) << "no later generation is one of these";
  EXPECT_EQ(records_of(*log, "collections").size(), 1U);
}

TEST_F(BackupTest, is_restored_into_an_empty_log_only) {
  add_document("a", "R1");
  const Manifest manifest = back_up();
  const Status again = restore_backup(*store_, manifest, *log_, system_clock());
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message, HasSubstr("documents has records"));
  EXPECT_TRUE(check_whole(*log_)) << "nothing was written";
}

TEST_F(BackupTest, a_log_that_is_half_restored_says_so) {
  add_document("a", "R1");
  const Manifest manifest = back_up();
  const auto log = new_log();
  EXPECT_TRUE(check_whole(*log));
  append(*log, to_record(RestoreEvent{manifest.name, RestoreEvent::State::running, {}}));
  const Status half = check_whole(*log);
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().kind, Error::Kind::rejected);
  EXPECT_THAT(half.error().message, HasSubstr(manifest.name));
  EXPECT_FALSE(restore_backup(*store_, manifest, *log, system_clock()));
  append(*log, to_record(RestoreEvent{manifest.name, RestoreEvent::State::done, {}}));
  EXPECT_TRUE(check_whole(*log));
}

TEST_F(BackupTest, is_not_restored_while_a_stage_runs) {
  commit(*log_, "extractor", {{"documents", 0}, 0});
  const Manifest manifest = back_up();
  const auto log = new_log();
  const auto running = log->open_session({.group = "extractor", .topics = {"documents"}});
  ASSERT_TRUE(running);
  EXPECT_FALSE(restore_backup(*store_, manifest, *log, system_clock()));
  EXPECT_TRUE(check_whole(*log)) << "nothing was written";
}

TEST_F(BackupTest, that_is_stopped_leaves_nothing) {
  add_document("a", "R1");
  std::stop_source stop;
  stop.request_stop();
  BackupProgress progress;
  const auto stopped =
      write_backup(*log_, *store_, system_clock(), {.name = backup_name({}), .log = "embedded"},
                   progress, stop.get_token());
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, Error::Kind::unavailable);
  EXPECT_TRUE(store_->list("")->empty());
}

}  // namespace
}  // namespace millrace
