#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/ids.h"
#include "gateway/backup/backup.h"
#include "gateway/backup/restore.h"
#include "gateway/backup/stored_backups.h"
#include "schemas/document.h"
#include "schemas/topics.h"
#include "tests/support/memory_log.h"

namespace millrace {

inline constexpr std::int32_t kPartitions = 2;

// A log in memory and a folder for its backups.
class BackupFixture : public ::testing::Test {
 protected:
  BackupFixture()
      : folder_{std::filesystem::temp_directory_path() /
                ("millrace-backup-" + new_ulid(system_clock()))},
        store_{open_folder_store(folder_.string())},
        log_{new_log()} {}
  ~BackupFixture() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::unique_ptr<Log> new_log() {
    auto log = make_memory_log(metrics_);
    const Status made = log->create_topics(topic_specs(kPartitions, kGeneration));
    EXPECT_TRUE(made) << made.error().message;
    return log;
  }

  static Position append(Log& log, Record record) {
    std::vector<Record> records;
    records.push_back(std::move(record));
    const auto stored = log.open_writer()->append(std::move(records));
    EXPECT_TRUE(stored) << stored.error().message;
    return stored ? stored->front() : Position{};
  }
  Position append(Record record) { return append(*log_, std::move(record)); }

  static DocumentRef ref(const std::string& id, const std::string& revision) {
    DocumentRef ref;
    ref.collection = "default";
    ref.document_id = id;
    ref.revision = revision;
    ref.metadata = R"({"sequence":7,"note":"\"sequence\":8"})";
    return ref;
  }
  // The revision's bytes, and what came of them.
  DocumentRef add_document(const std::string& id, const std::string& revision,
                           const std::string& content = "words") {
    DocumentEvent event{ref(id, revision), DocumentEvent::Operation::put, content};
    event.document.sequence = append(to_record(event)).offset;
    return event.document;
  }
  Position add_progress(const DocumentRef& document, DocumentProgress::State state) {
    DocumentProgress progress;
    progress.document = document;
    progress.state = state;
    if (state == DocumentProgress::State::failed) progress.error_stage = "extractor";
    return append(to_record(progress));
  }
  Position add_text(const DocumentRef& document) {
    TextEvent text;
    text.document = document;
    text.text = "words";
    return append(to_record(text));
  }
  void commit(Log& log, const std::string& group, const Position& next) {
    const auto session = log.open_session({.group = group, .topics = {next.source.topic}});
    ASSERT_TRUE(session) << session.error().message;
    const Status done = (*session)->commit({}, {{next.source, next.offset}});
    ASSERT_TRUE(done) << done.error().message;
  }

  Manifest back_up(std::size_t object_bytes = 32U << 20U) {
    BackupOptions options;
    options.name = backup_name(Clock::Wall{std::chrono::seconds{1'795'000'000 + backups_++}});
    options.log = "embedded";
    options.object_bytes = object_bytes;
    BackupProgress progress;
    auto manifest = write_backup(*log_, *store_, system_clock(), options, progress, {});
    EXPECT_TRUE(manifest) << manifest.error().message;
    return manifest ? std::move(*manifest) : Manifest{};
  }
  std::unique_ptr<Log> restored(const Manifest& manifest) {
    auto log = new_log();
    const Status done = restore_backup(*store_, manifest, *log, system_clock());
    EXPECT_TRUE(done) << done.error().message;
    return log;
  }

  static std::vector<Record> records_of(Log& log, const std::string& topic) {
    std::vector<Record> all;
    const std::span one{&topic, 1};
    const auto begins = begin_offsets(log, one);
    const auto ends = end_offsets(log, one);
    EXPECT_TRUE(begins && ends);
    const auto reader = log.open_reader(*begins);
    EXPECT_TRUE(reader);
    while ((*reader)->positions() != *ends) {
      auto records = (*reader)->poll(100, 64U << 20U, std::chrono::milliseconds{100});
      EXPECT_TRUE(records) << records.error().message;
      if (!records) break;
      std::move(records->begin(), records->end(), std::back_inserter(all));
    }
    return all;
  }

  MetricsRegistry metrics_;
  const std::filesystem::path folder_;
  const std::unique_ptr<ObjectStore> store_;
  const std::unique_ptr<Log> log_;
  int backups_ = 0;
};

}  // namespace millrace
