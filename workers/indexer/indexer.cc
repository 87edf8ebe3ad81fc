#include "workers/indexer/indexer.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "common/logging.h"
#include "schemas/chunk.h"
#include "schemas/document.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::string_view kStage = "indexer";

bool holds_back(const Error& error) { return error.kind != Error::Kind::rejected; }

Record tombstone_for(const Record& source, std::string key) {
  Record record;
  record.topic = source.topic;
  record.partition = source.partition;
  record.key = std::move(key);
  record.tombstone = true;
  return record;
}

}  // namespace

Indexer::Indexer(IndexSet& indexes, const Clock& clock) : indexes_{indexes}, clock_{clock} {}

std::vector<Result<Outputs>> Indexer::process(std::span<const Record> batch) {
  std::vector<Result<Outputs>> results;
  results.reserve(batch.size());
  std::map<std::int32_t, Error> stopped;  // partitions
  for (const Record& record : batch) {
    if (const auto error = stopped.find(record.partition); error != stopped.end()) {
      results.emplace_back(error->second);
      continue;
    }
    results.push_back(apply(record));
    const Result<Outputs>& result = results.back();
    if (!result && holds_back(result.error())) stopped.emplace(record.partition, result.error());
  }
  return results;
}

Result<Outputs> Indexer::apply(const Record& record) {
  if (record.tombstone) return Outputs{};  // one of our own
  PartitionIndex* index = indexes_.find(record.partition);
  if (index == nullptr) {
    return fatal("there is no index for partition " + std::to_string(record.partition) + " of " +
                 record.topic + ", only " + std::to_string(indexes_.partitions()));
  }
  const Result<EmbeddingEvent> event = embedding_event_from(record);
  if (!event) return event.error();
  Result<IndexChange> change = index->apply(*event);
  if (!change) return with_context("index a document", change.error());
  Outputs outputs;
  if (change->kind == IndexChange::Kind::swapped || change->kind == IndexChange::Kind::removed) {
    const ChunkEvent& done = event->chunk_batch;
    const auto state =
        done.removed ? DocumentProgress::State::deleted : DocumentProgress::State::indexed;
    outputs.push_back(
        to_record(progress_of(done, state, clock_.wall_now(), indexes_.generation())));
  }
  for (std::string& key : change->superseded_keys) {
    outputs.push_back(tombstone_for(record, std::move(key)));
  }
  return outputs;
}

Outputs Indexer::given_up(const Record& record, const Error& error) {
  if (record.tombstone) return {};
  const Result<EmbeddingEvent> event = embedding_event_from(record);
  if (!event) return {};  // nobody can say whose it was: the dead letter has it
  return {to_record(
      failure_of(event->chunk_batch, kStage, error, clock_.wall_now(), indexes_.generation()))};
}

Status Indexer::checkpoint(const Offsets& consumed) {
  const std::string topic = topics::embeddings(indexes_.generation());
  for (const auto& [source, offset] : consumed) {
    PartitionIndex* index = indexes_.find(source.partition);
    if (source.topic != topic || index == nullptr) continue;
    if (Status status = index->checkpoint(offset); !status) return status;
    if (Status status = index->snapshot(); !status) {
      // It only shortens the next start, and is tried again at the next checkpoint.
      log_event(LogLevel::warning, "index_snapshot_failed",
                {{"partition", source.partition}, {"error", status.error().message}});
    }
  }
  return {};
}

Offsets Indexer::restored() const {
  const std::string topic = topics::embeddings(indexes_.generation());
  Offsets offsets;
  for (std::int32_t partition = 0; partition < indexes_.partitions(); ++partition) {
    offsets[{topic, partition}] = indexes_.find(partition)->restored().value_or(0);
  }
  return offsets;
}

Outputs Indexer::report(const std::vector<TopicPartition>& assigned) {
  // What another process writes meanwhile is not what we know.
  std::erase_if(reported_, [&assigned](const auto& entry) {
    return std::ranges::find(assigned, entry.first, &TopicPartition::partition) == assigned.end();
  });
  reporting_.clear();
  Outputs outputs;
  if (assigned.empty() || clock_.now() < next_report_) return outputs;
  next_report_ = clock_.now() + kReportInterval;
  for (const TopicPartition& source : assigned) {
    PartitionIndex* index = indexes_.find(source.partition);
    if (index == nullptr) continue;  // fatal when its first record comes
    if (Status purged = index->purge_when_due(); !purged) {
      // It is tried again at the next report.
      log_event(LogLevel::warning, "index_purge_failed",
                {{"partition", source.partition}, {"error", purged.error().message}});
    }
    IndexState state{.generation = indexes_.generation(),
                     .partition = source.partition,
                     .position = index->restored().value_or(0),
                     .at = clock_.wall_now(),
                     .counts = index->counts(),
                     .purged = index->purged()};
    const auto known = reported_.find(source.partition);
    if (known != reported_.end() && known->second.position == state.position &&
        known->second.counts == state.counts && known->second.purged == state.purged) {
      continue;
    }
    outputs.push_back(to_record(state));
    reporting_.emplace(source.partition, std::move(state));
  }
  return outputs;
}

void Indexer::reported() {
  for (auto& [partition, state] : reporting_) {
    reported_.insert_or_assign(partition, std::move(state));
  }
  reporting_.clear();
}

}  // namespace millrace
