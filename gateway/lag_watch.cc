#include "gateway/lag_watch.h"

#include <algorithm>
#include <chrono>
#include <set>
#include <string_view>

#include "common/logging.h"
#include "gateway/stored_event.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::chrono::seconds kPause{10};
constexpr std::size_t kCollectionsMax = 10'000;  // of one look

std::string shared(std::string_view topic) { return std::string{topic}; }

// The first one, which is everybody's, and those that follow changes.
std::vector<Generation> generations_in_use(const Table& collections) {
  std::vector<Generation> all{{.number = kGeneration}};
  for (const Table::Row& row : collections.scan("", "", kCollectionsMax)) {
    const auto collection = collection_from_row(row.key, row.value);
    if (!collection) continue;
    for (const Generation& each : collection->generations) {
      const bool follows =
          each.state == Generation::State::serving || each.state == Generation::State::kept;
      if (follows && each.number != kGeneration) all.push_back(each);
    }
  }
  return all;
}

}  // namespace

std::vector<StageInputs> stage_inputs(int generation, GenerationSettings::Source source) {
  const bool from_texts = source == GenerationSettings::Source::texts;
  std::vector<StageInputs> all{
      {of_generation("chunker", generation),
       {shared(from_texts ? topics::kTexts : topics::kDocuments)}},
      {of_generation("embedder", generation), {topics::chunks(generation)}},
      {of_generation("indexer", generation), {topics::embeddings(generation)}},
      {of_generation("query-embedder", generation), {shared(topics::kQueries)}},
      {of_generation("searcher", generation), {topics::searches(generation)}}};
  if (generation == kGeneration) {
    all.push_back({"extractor", {shared(topics::kDocuments)}});
    all.push_back({"answerer", {shared(topics::kPassages), shared(topics::kCancellations)}});
  }
  return all;
}

LagWatch::LagWatch(const Log& log, const Table& collections, const Clock& clock,
                   MetricsRegistry& metrics)
    : log_{log}, collections_{collections}, clock_{clock}, metrics_{metrics} {}

void LagWatch::start() {
  thread_ = std::jthread{[this](const std::stop_token& stop) {
    do look();
    while (clock_.sleep_for(kPause, stop));
  }};
}

void LagWatch::stop() { thread_ = {}; }

void LagWatch::look() {
  std::set<std::string> seen;
  for (const Generation& each : generations_in_use(collections_)) {
    for (const StageInputs& inputs : stage_inputs(each.number, each.settings.from)) {
      measure(inputs);
      seen.insert(inputs.group);
    }
  }
  std::erase_if(told_, [&](const auto& entry) { return !seen.contains(entry.first); });
  std::erase_if(stages_, [&](const auto& entry) {  // of a generation that is gone
    if (seen.contains(entry.first)) return false;
    entry.second.stalled.set(0);
    for (const Gauge& lag : entry.second.lags) lag.set(0);
    return true;
  });
}

void LagWatch::measure(const StageInputs& inputs) {
  const auto found = ask(inputs);
  if (!found) {
    tell_of_failure(inputs.group, found.error().message);
    return;
  }
  told_.erase(inputs.group);
  std::vector<Offset> lags;
  Offset committed = 0;
  Offset waiting = 0;
  for (const auto& [partition, offsets] : *found) {
    const auto at = static_cast<std::size_t>(partition.partition);
    if (lags.size() <= at) lags.resize(at + 1);
    lags[at] += offsets.lag();
    waiting += offsets.lag();
    committed += offsets.committed.value_or(0);
  }
  Stage& known = stage(inputs.group, lags.size());
  for (std::size_t i = 0; i < lags.size(); ++i) known.lags[i].set(static_cast<double>(lags[i]));
  const Clock::Steady now = clock_.now();
  if (waiting == 0 || committed != known.committed) known.since = now;
  known.committed = committed;
  known.stalled.set(std::chrono::duration<double>{now - known.since}.count());
}

Result<std::map<TopicPartition, GroupOffsets>> LagWatch::ask(const StageInputs& inputs) const {
  std::vector<TopicPartition> partitions;
  for (const std::string& topic : inputs.topics) {
    const auto count = log_.partitions(topic);
    if (!count) return count.error();
    for (std::int32_t i = 0; i < *count; ++i) partitions.push_back({topic, i});
  }
  return log_.group_offsets(inputs.group, partitions);
}

LagWatch::Stage& LagWatch::stage(const std::string& name, std::size_t partitions) {
  const auto [at, is_new] = stages_.try_emplace(name);
  if (is_new) {
    at->second.stalled = metrics_.gauge(
        "log_group_stalled_seconds",
        "For how long a stage has committed nothing while records wait for it.", {{"stage", name}});
  }
  for (std::size_t i = at->second.lags.size(); i < partitions; ++i) {
    at->second.lags.push_back(metrics_.gauge("log_group_lag_records",
                                             "Records that wait for a stage, by the log itself.",
                                             {{"stage", name}, {"partition", std::to_string(i)}}));
  }
  return at->second;
}

// Once for each reason: the log says itself when it is gone.
void LagWatch::tell_of_failure(const std::string& group, const std::string& why) {
  const auto [at, is_new] = told_.try_emplace(group, why);
  if (!is_new && at->second == why) return;
  at->second = why;
  log_event(LogLevel::warning, "lag_unknown", {{"group", group}, {"error", why}});
}

}  // namespace millrace
