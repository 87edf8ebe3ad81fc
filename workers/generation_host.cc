#include "workers/generation_host.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <system_error>
#include <utility>

#include "common/logging.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kRecordsMax = 256;
constexpr std::size_t kBytesMax = std::size_t{1} << 20U;
constexpr std::chrono::milliseconds kWait{500};  // for records, and between two tries
constexpr std::chrono::seconds kReadAllMax{30};  // at the start

// Of a folder gN; 0: it is none.
int generation_of(const fs::path& folder) {
  const std::string name = folder.filename().string();
  int number = 0;
  if (!name.starts_with('g')) return 0;
  const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
  return error == std::errc{} && end == name.data() + name.size() ? number : 0;
}

ChunkerOptions with_settings(ChunkerOptions options, const GenerationSettings& settings) {
  if (settings.chunk_tokens)
    options.chunk_tokens = static_cast<std::size_t>(*settings.chunk_tokens);
  if (settings.chunk_overlap_tokens) {
    options.overlap_tokens = static_cast<std::size_t>(*settings.chunk_overlap_tokens);
  }
  return options;
}

}  // namespace

GenerationHost::GenerationHost(GenerationHostOptions options, Generations& generations,
                               std::function<void(const Error&)> on_fatal)
    : options_{std::move(options)},
      generations_{generations},
      on_fatal_{std::move(on_fatal)},
      held_{options_.resources.metrics.gauge(
          "generation_builds_held",
          "Whether (1) no generation is built since the disk is nearly full")} {}

GenerationHost::~GenerationHost() { stop(); }

Status GenerationHost::start() {
  if (Status read = read_all(); !read) return read;
  look_at_disk();
  const Status done = reconcile();
  if (!done && done.error().kind == Error::Kind::fatal) return done;
  behind_ = !done;
  thread_ = std::jthread{[this](const std::stop_token& stop) { follow(stop); }};
  return {};
}

void GenerationHost::stop() {
  thread_.request_stop();
  if (reader_) reader_->wake();
  if (thread_.joinable()) thread_.join();
  std::vector<std::jthread> stopping;
  for (auto& [number, hosted] : hosted_) {
    stopping.emplace_back([&runners = *hosted.runners] { runners.stop(); });
  }
  stopping.clear();
  hosted_.clear();
}

Status GenerationHost::read_all() {
  const TopicPartition source{std::string{topics::kCollections}, 0};
  const Result<Offset> begin = options_.resources.log.begin_offset(source);
  if (!begin) return begin.error();
  const Result<Offset> end = options_.resources.log.end_offset(source);
  if (!end) return end.error();
  Result<std::unique_ptr<LogReader>> reader =
      options_.resources.log.open_reader({{source, *begin}});
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  const Clock& clock = options_.resources.clock;
  const Clock::Steady deadline = clock.now() + kReadAllMax;
  while (true) {
    const Offsets positions = reader_->positions();
    const auto at = positions.find(source);
    if (at == positions.end() || at->second >= *end) return {};
    if (clock.now() >= deadline) {
      return unavailable("the topic " + source.topic + " was not read within " +
                         std::to_string(kReadAllMax.count()) + " s: it got to offset " +
                         std::to_string(at->second) + " of " + std::to_string(*end));
    }
    Result<std::vector<Record>> records = reader_->poll(kRecordsMax, kBytesMax, kWait);
    if (!records) return records.error();
    apply(*records);
  }
}

void GenerationHost::follow(const std::stop_token& stop) {
  std::string told;  // why it waits
  while (!stop.stop_requested()) {
    const Result<std::vector<Record>> records = reader_->poll(kRecordsMax, kBytesMax, kWait);
    if (!records) {
      log_event(LogLevel::warning, "collections_unreadable", {{"error", records.error().message}});
      options_.resources.clock.sleep_for(kWait, stop);
      continue;
    }
    apply(*records);
    if (stop.stop_requested()) return;
    const bool room_changed = look_at_disk();
    if (records->empty() && !room_changed && !behind_) continue;
    const Status done = reconcile();
    behind_ = !done;
    if (done) continue;
    if (done.error().kind == Error::Kind::fatal) return on_fatal_(done.error());
    if (done.error().message == told) continue;
    told = done.error().message;
    log_event(LogLevel::warning, "generation_waits", {{"error", told}});
  }
}

// True where building has to stop or may go on: it needs a little more room to go on than it needed
// to stop, so that it does not do both all the time.
bool GenerationHost::look_at_disk() {
  std::error_code error;
  const fs::space_info space = fs::space(options_.data_dir, error);
  if (error) return false;
  const std::uint64_t reserve = options_.disk_reserve;
  const bool room = space.available >= (has_room_ ? reserve : reserve + reserve / 10);
  held_.set(room ? 0 : 1);
  if (room == has_room_) return false;
  has_room_ = room;
  log_event(room ? LogLevel::info : LogLevel::warning, room ? "builds_go_on" : "builds_held",
            {{"disk_free_bytes", static_cast<std::int64_t>(space.available)},
             {"reserve_bytes", static_cast<std::int64_t>(reserve)}});
  return true;
}

void GenerationHost::apply(const std::vector<Record>& records) {
  for (const Record& record : records) {
    if (const Status applied = generations_.apply(record); !applied) {
      log_event(LogLevel::error, "collection_unreadable",
                {{"offset", record.offset}, {"error", applied.error().message}});
    }
  }
}

// What is wanted and not there is started, what is there and not wanted is stopped. What fails is
// tried again, and keeps nothing else from being done.
Status GenerationHost::reconcile() {
  const std::vector<Generation> known = generations_.others();
  std::map<int, Generation> wanted;
  for (const Generation& each : known) {
    const bool waits = each.state == Generation::State::building && !has_room_;
    if (each.state != Generation::State::paused && !waits) wanted.emplace(each.number, each);
  }
  std::erase_if(hosted_, [&](auto& entry) {
    if (wanted.contains(entry.first)) return false;
    entry.second.runners->stop();
    log_event(LogLevel::info, "generation_stopped", {{"generation", entry.first}});
    return true;
  });
  remove_folders(known);
  Status all;
  for (const auto& [number, generation] : wanted) {
    const Status hosted = host(generation);
    if (!hosted && all) all = with_context("generation " + std::to_string(number), hosted.error());
  }
  return all;
}

Status GenerationHost::host(const Generation& generation) {
  const bool background = generation.state == Generation::State::building;
  if (const auto there = hosted_.find(generation.number); there != hosted_.end()) {
    *there->second.background = background;
    return {};
  }
  Result<Hosted> made = make(generation);
  if (!made) return made.error();
  *made->background = background;
  if (Status started = made->runners->start(on_fatal_); !started) return started;
  hosted_.emplace(generation.number, std::move(*made));
  log_event(LogLevel::info, "generation_started", {{"generation", generation.number}});
  return {};
}

Result<GenerationHost::Hosted> GenerationHost::make(const Generation& generation) const {
  Hosted hosted;
  hosted.background = std::make_shared<std::atomic<bool>>(true);
  StageResources resources = options_.resources;
  resources.generation = generation.number;
  resources.source = generation.settings.from;
  IndexSetOptions indexes = options_.indexes;
  if (const auto& name = generation.settings.embedding_model) {
    Result<std::unique_ptr<EmbeddingModel>> model = options_.load_model(*name);
    // Somebody may still put it there.
    if (!model) return unavailable("embedding model " + *name + ": " + model.error().message);
    hosted.model = std::move(*model);
    resources.embedding_model = hosted.model.get();
    resources.tokenizer = &hosted.model->tokenizer();
    resources.chunker.max_tokens = hosted.model->max_tokens();
    indexes.dimensions = hosted.model->dimensions();
  }
  resources.chunker = with_settings(resources.chunker, generation.settings);
  resources.indexed = std::make_shared<PartitionChoice>();
  if (resources.indexes != nullptr) {
    indexes.generation = generation.number;
    Result<std::unique_ptr<IndexSet>> opened = IndexSet::open(indexes, resources.metrics);
    if (!opened) return opened.error();
    hosted.indexes = std::move(*opened);
    resources.indexes = hosted.indexes.get();
  }
  RunnerOptions runner = options_.runner;
  runner.background = hosted.background;
  hosted.runners = std::make_unique<RunnerGroup>(options_.rows, resources, runner);
  return hosted;
}

// All but those of `known`. A failure is only disk that is not free yet.
void GenerationHost::remove_folders(const std::vector<Generation>& known) const {
  if (options_.resources.indexes == nullptr) return;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{options_.indexes.directory, error}) {
    const int number = generation_of(entry.path());
    if (number <= 1 || std::ranges::count(known, number, &Generation::number) != 0) continue;
    fs::remove_all(entry.path(), error);
    log_event(LogLevel::info, "generation_removed", {{"generation", number}});
  }
}

}  // namespace millrace
