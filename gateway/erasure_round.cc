#include "gateway/erasure_round.h"

#include <algorithm>
#include <set>

#include "common/erasure.h"
#include "common/logging.h"
#include "gateway/stored_event.h"
#include "gateway/stored_letter.h"
#include "schemas/erasure.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kScanRows = 500;
constexpr std::size_t kRecordsPerAppend = 1'000;
constexpr std::size_t kLettersMax = 10'000;         // of one document; more in the next round
constexpr std::size_t kIndexPartitionsMax = 1'024;  // the bound of the setting `partitions`
constexpr std::chrono::milliseconds kTableWait{2'000};

constexpr std::size_t kPollBytes = 1U << 20U;
constexpr std::chrono::milliseconds kPollWait{100};
constexpr int kPollsMax = 50;  // of a partition whose reader does not come to its end

Error not_read(std::string_view table) {
  return unavailable("the table of " + std::string{table} + " is still being read from the log");
}

Result<bool> has_records(Log& log, const TopicPartition& partition, Offset from, Offset end) {
  const auto reader = log.open_reader({{partition, from}});
  if (!reader) return reader.error();
  for (int polls = 0; (*reader)->positions().at(partition) < end; ++polls) {
    const auto records = (*reader)->poll(1, kPollBytes, kPollWait);
    if (!records) return records.error();
    if (!records->empty()) return records->front().offset < end;
    if (polls == kPollsMax) return true;  // nobody knows: asked again later
  }
  return false;
}

}  // namespace

Result<bool> has_records(Log& log, const Offsets& from, const Offsets& ends) {
  for (const auto& [partition, end] : ends) {
    const auto found = from.find(partition);
    const Offset begin = found == from.end() ? 0 : found->second;
    if (begin >= end) continue;
    const auto has = has_records(log, partition, begin, end);
    if (!has || *has) return has;
  }
  return false;
}

ErasureRound::ErasureRound(const Backend& backend, std::vector<RemovedDocument> documents)
    : backend_{backend},
      documents_{std::move(documents)},
      began_{backend.clock.now()},
      writer_{backend.log.open_writer()} {
  std::ranges::sort(documents_, {}, &RemovedDocument::key);
}

std::span<const ErasureRound::Step> ErasureRound::steps() {
  static constexpr Step kSteps[] = {
      {"the log", &ErasureRound::note_searches},
      {"searches that have begun", &ErasureRound::wait_for_searches},
      {"answers that have begun", &ErasureRound::wait_for_answers},
      {"transcripts", &ErasureRound::rewrite_mentions},
      {"the indexes", &ErasureRound::wait_for_indexes},
      {"streams of answers and dead letters", &ErasureRound::trim},
      {"the log's files", &ErasureRound::purge_log},
      {"the tables' files", &ErasureRound::purge_tables},
      {"the documents' status", &ErasureRound::mark_erased},
  };
  return kSteps;
}

std::string_view ErasureRound::waits_for() const {
  return step_ < steps().size() ? steps()[step_].name : std::string_view{};
}

Result<bool> ErasureRound::advance() {
  while (step_ < steps().size()) {
    const Result<bool> done = (this->*steps()[step_].take)();
    if (!done || !*done) return done;
    ++step_;
  }
  return true;
}

Result<bool> ErasureRound::note_searches() {
  const auto topics = backend_.log.topics();
  if (!topics) return topics.error();
  ends_.clear();
  purging_topics_.clear();
  for (const TopicRow& row : topic_table()) {
    const bool has_content = row.compacted && row.partitioned && !row.per_generation;
    if (has_content || row.name == topics::kDeadLetters) purging_topics_.emplace_back(row.name);
  }
  for (const std::string& topic : *topics) {
    const int generation = generation_of_topic(topic);
    if (generation == 0 || topic != topics::embeddings(generation)) continue;
    purging_topics_.push_back(topic);
    Ends& ends = ends_.emplace_back();
    ends.generation = generation;
    const auto searches = end_offsets(backend_.log, topics::searches(generation));
    const auto embeddings = end_offsets(backend_.log, topic);
    const auto chunks = end_offsets(backend_.log, topics::chunks(generation));
    if (!searches) return searches.error();
    if (!embeddings) return embeddings.error();
    if (!chunks) return chunks.error();
    ends.searches = *searches;
    ends.embeddings = *embeddings;
    for (const auto& [partition, end] : *chunks) {
      const auto consumed =
          backend_.log.committed(of_generation(groups::kEmbedder, generation), partition);
      if (!consumed) return consumed.error();
      if (*consumed) ends.consumed_chunks[partition] = std::min(end, **consumed);
    }
  }
  return true;
}

// Whether the group is done with everything before these ends, or it is not there any more.
Result<bool> ErasureRound::have_passed(std::string_view group, const Offsets& ends,
                                       int generation) const {
  Offsets passed;
  for (const auto& [partition, end] : ends) {
    const auto begin = backend_.log.begin_offset(partition);
    if (!begin) return begin.error();
    passed[partition] = *begin;
    if (*begin >= end) continue;
    const auto committed = backend_.log.committed(of_generation(group, generation), partition);
    if (!committed) return committed.error();
    passed[partition] = std::max(*begin, committed->value_or(0));
  }
  const auto left = has_records(backend_.log, passed, ends);
  if (!left) return left.error();
  return !*left;
}

Result<bool> ErasureRound::wait_for_searches() {
  for (const Ends& each : ends_) {
    const auto passed = have_passed(groups::kSearcher, each.searches, each.generation);
    if (!passed || !*passed) return passed;
  }
  const auto passages = end_offsets(backend_.log, topics::kPassages);
  if (!passages) return passages.error();
  passages_ = *passages;
  return true;
}

Result<bool> ErasureRound::wait_for_answers() {
  return have_passed(groups::kAnswerer, passages_, kGeneration);
}

Result<bool> ErasureRound::rewrite_mentions() {
  const auto answers = end_offsets(backend_.log, topics::kAnswers);
  if (!answers) return answers.error();
  answers_ = *answers;
  if (documents_.empty()) return true;
  if (!backend_.transcripts.catch_up(kTableWait)) return not_read("transcripts");
  if (Status done = rewrite_transcripts(); !done) return done.error();
  if (Status done = remove_progress(); !done) return done.error();
  return true;
}

bool ErasureRound::has(std::string_view document_key) const {
  return std::ranges::binary_search(documents_, document_key, {}, &RemovedDocument::key);
}

Status ErasureRound::append(std::vector<Record> records) const {
  if (records.empty()) return {};
  const auto stored = writer_->append(std::move(records));
  return stored ? Status{} : Status{stored.error()};
}

Status ErasureRound::rewrite_transcripts() {
  std::string after;
  for (;;) {
    const auto rows = backend_.transcripts.scan("", after, kScanRows);
    if (rows.empty()) return {};
    after = rows.back().key;
    std::vector<Record> rewritten;
    for (const Table::Row& row : rows) {
      auto transcript = transcript_from_row(row.key, row.value);
      if (!transcript) continue;
      const auto is_erased = [this](std::string_view key) { return has(key); };
      if (erase_documents(*transcript, is_erased)) rewritten.push_back(to_record(*transcript));
    }
    if (Status stored = append(std::move(rewritten)); !stored) return stored;
  }
}

// Letters of the documents, and those of passages, which may hold any document's.
Status ErasureRound::remove_letters() {
  std::vector<Record> tombstones;
  for (const RemovedDocument& document : documents_) {
    for (const StoredLetter& each :
         letters_of_document(backend_.letters, document.key, kLettersMax)) {
      tombstones.push_back(dead_letter_tombstone(each.letter));
    }
    if (tombstones.size() < kRecordsPerAppend) continue;
    if (Status stored = append(std::exchange(tombstones, {})); !stored) return stored;
  }
  std::string after{kLetterOrder};
  for (;;) {
    const auto rows = backend_.letters.scan(kLetterOrder, after, kScanRows);
    for (const Table::Row& row : rows) {
      after = row.key;
      const auto letter = letter_from_row(row.key, row.value);
      if (letter && letter->letter.source.source.topic == topics::kPassages) {
        tombstones.push_back(dead_letter_tombstone(letter->letter));
      }
    }
    if (rows.size() < kScanRows) break;
  }
  return append(std::move(tombstones));
}

// Who adds the document anew between this look and the write loses no more than what its stages
// have told within that moment, and a table that is built anew from the topic misses.
bool ErasureRound::is_still_removed(const RemovedDocument& document) const {
  const auto row = backend_.documents.get(document.key);
  if (!row) return false;
  const auto head = stored_document_head(*row, document.progress.generation);
  const auto told = backend_.progress.newest(document.key, 1);
  const std::int64_t sequence = document.progress.document.sequence;
  return head && head->sequence == sequence &&
         (!told || told->progress.document.sequence <= sequence);
}

Status ErasureRound::remove_progress() {
  std::vector<Record> tombstones;
  for (const RemovedDocument& document : documents_) {
    if (!is_still_removed(document)) continue;
    auto more = progress_tombstones(document.progress.document, document.generations);
    std::ranges::move(more, std::back_inserter(tombstones));
    if (tombstones.size() < kRecordsPerAppend) continue;
    if (Status stored = append(std::exchange(tombstones, {})); !stored) return stored;
  }
  return append(std::move(tombstones));
}

Result<bool> ErasureRound::wait_for_indexes() {
  for (const Ends& each : ends_) {
    Offsets purged;
    const std::string prefix = index_state_prefix(each.generation);
    for (const Table::Row& row : backend_.indexes.scan(prefix, prefix, kIndexPartitionsMax)) {
      const auto state = index_from_row(row.key, row.value);
      if (state) purged[{topics::embeddings(each.generation), state->partition}] = state->purged;
    }
    // A generation that has ended meanwhile has no index any more.
    const auto topics = backend_.log.topics();
    if (!topics) return topics.error();
    if (!std::ranges::binary_search(*topics, topics::embeddings(each.generation))) continue;
    const auto left = has_records(backend_.log, purged, each.embeddings);
    if (!left) return left.error();
    if (*left) return false;
  }
  return true;
}

// Clients that lost their stream have a step's time to go on with it, and whoever redrives a letter
// of the document is told that it was deleted.
Result<bool> ErasureRound::trim() {
  if (backend_.clock.now() - began_ < erasure_step(backend_.options.erase_within)) return false;
  const auto topics = backend_.log.topics();
  if (!topics) return topics.error();
  Offsets before;
  before.insert(passages_.begin(), passages_.end());
  before.insert(answers_.begin(), answers_.end());
  for (const Ends& each : ends_) {
    if (!std::ranges::binary_search(*topics, topics::chunks(each.generation))) continue;
    before.insert(each.consumed_chunks.begin(), each.consumed_chunks.end());
  }
  if (Status trimmed = backend_.log.trim(before); !trimmed) return trimmed.error();
  backend_.answers.forget_before(answers_);
  if (documents_.empty()) return true;
  if (!backend_.letters.catch_up(kTableWait)) return not_read("dead letters");
  if (Status done = remove_letters(); !done) return done.error();
  return true;
}

Result<bool> ErasureRound::purge_log() {
  if (!purge_begun_) {
    const auto topics = backend_.log.topics();
    if (!topics) return topics.error();
    std::erase_if(purging_topics_, [&](const std::string& each) {
      return !std::ranges::binary_search(*topics, each);
    });
    auto begun = backend_.log.begin_purge(purging_topics_);
    if (!begun) return begun.error();
    purge_ = std::move(*begun);
    purge_begun_ = true;
  }
  return backend_.log.purge(purge_);
}

// They have what the log has by now.
Result<bool> ErasureRound::purge_tables() {
  for (Table* table : {&backend_.documents, &backend_.transcripts, &backend_.letters}) {
    if (!table->catch_up(kTableWait)) return not_read("the gateway");
    if (Status purged = table->purge(); !purged) return purged.error();
  }
  return true;
}

Result<bool> ErasureRound::mark_erased() {
  std::vector<Record> marks;
  const Clock::Wall now = backend_.clock.wall_now();
  for (const RemovedDocument& document : documents_) {
    if (!is_still_removed(document)) continue;
    marks.push_back(to_record(erased_progress(document.progress, now)));
    ++erased_;
  }
  if (Status stored = append(std::move(marks)); !stored) return stored.error();
  return true;
}

}  // namespace millrace
