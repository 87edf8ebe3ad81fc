// A partition index of millrace, beside FAISS alone and the lexical leg alone over the same chunks.
// Prints one JSON object; bench_index.py makes rows of it, README.md says what they mean.
//   bench_index FOLDER CHUNKS SECONDS    made chunks; so many seconds for each load
//   bench_index FOLDER CORPUS SECONDS    those that bench_encoder wrote into the folder CORPUS
#include "tests/bench/bench_index.h"

#include <malloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <set>

#include "common/clock.h"
#include "common/json.h"
#include "common/logging.h"
#include "tests/bench/bench_index_askers.h"
#include "tests/bench/bench_index_bare.h"
#include "tests/bench/bench_index_corpus.h"
#include "tests/bench/bench_index_words.h"
#include "workers/index/index.h"

namespace millrace {

void bench_failed(const std::string& message) {
  std::cerr << "bench_index: " << message << '\n';
  std::exit(1);
}

namespace {

constexpr std::size_t kQuestions = 500;
constexpr std::size_t kRecordsPerCheckpoint = 256;  // as many as a runner takes at once
constexpr double kWrittenPerSecond = 1'000;         // chunks, while others ask
constexpr std::size_t kRecordsPerWritingCheckpoint = 32;
constexpr std::size_t kAskers[] = {1, 8, 32};
// What is wanted of recall. FAISS alone looks at no more groups than that takes.
constexpr std::size_t kFewChunks = 100'000;
constexpr double kRecallOfFew = 0.98;
constexpr double kRecallOfMany = 0.95;

double seconds_since(Clock::Steady began) {
  return std::chrono::duration<double>(system_clock().now() - began).count();
}

// Resident memory, with what is mapped from files; in bytes.
double resident_bytes() {
  malloc_trim(0);
  std::ifstream status{"/proc/self/status"};
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == "VmRSS:" && status >> kib) return 1024 * kib;
  }
  bench_failed("/proc/self/status has no VmRSS");
}

// Files with several names count once.
double disk_bytes(const std::filesystem::path& folder) {
  std::set<ino_t> seen;
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{folder}) {
    struct stat status {};
    if (!entry.is_regular_file() || ::stat(entry.path().c_str(), &status) != 0) continue;
    if (seen.insert(status.st_ino).second) bytes += static_cast<double>(status.st_size);
  }
  return bytes;
}

void write_load(json::Writer& out, std::string_view name, const LoadFigures& load) {
  out.key(name)
      .begin_object()
      .field("per_second", load.per_second)
      .field("p50_ms", load.p50_ms)
      .field("p99_ms", load.p99_ms)
      .field("mean_ms", load.mean_ms)
      .end_object();
}

enum class Legs { both, vectors, words };
enum class Asker { sees_everything, in_no_group };

class IndexBench {
 public:
  IndexBench(std::filesystem::path folder, const BenchCorpus& corpus, double seconds)
      : folder_{std::move(folder)}, corpus_{corpus}, seconds_{seconds} {}

  std::string run() {
    const std::vector<std::vector<std::size_t>> exact = exact_nearest(corpus_, kBenchTopK);
    out_.begin_object()
        .field("chunks", static_cast<std::int64_t>(corpus_.chunks()))
        .field("dimensions", static_cast<std::int64_t>(corpus_.dimensions));
    fill();
    reopen();
    const double recall = recall_of(nearest(), exact);
    out_.field("recall", recall);
    loads(exact, recall);
    return out_.end_object().take();
  }

 private:
  void open() {
    Result<std::unique_ptr<PartitionIndex>> index =
        open_partition_index({.directory = folder_ / "index",
                              .dimensions = static_cast<std::int32_t>(corpus_.dimensions)},
                             metrics_);
    if (!index) bench_failed(index.error().message);
    index_ = std::move(*index);
  }

  void apply(std::size_t chunk, const std::string& id) {
    const EmbeddingEvent event = corpus_.document(chunk, id, std::to_string(revisions_++));
    const Result<IndexChange> change = index_->apply(event);
    if (!change) bench_failed(change.error().message);
  }
  void checkpoint() {
    const Status saved = index_->checkpoint(++position_);
    if (!saved) bench_failed(saved.error().message);
    if (const Status written = index_->snapshot(); !written) {
      bench_failed(written.error().message);
    }
  }

  // Until what goes on in the background is done, and what would be after a while; how long it
  // took.
  double settle() {
    const Clock::Steady began = system_clock().now();
    if (const Status settled = index_->settle_quietly(); !settled)
      bench_failed(settled.error().message);
    return seconds_since(began);
  }

  void fill() {
    const double before = resident_bytes();
    open();
    const Clock::Steady began = system_clock().now();
    for (std::size_t chunk = 0; chunk < corpus_.chunks(); chunk += kChunksPerDocument) {
      apply(chunk, "document-" + std::to_string(chunk / kChunksPerDocument));
      if (revisions_ % kRecordsPerCheckpoint == 0) checkpoint();
    }
    checkpoint();
    const double applied = seconds_since(began);
    const double chunks = static_cast<double>(corpus_.chunks());
    out_.field("apply_seconds", applied)
        .field("chunks_per_second", chunks / applied)
        .field("merged_after_seconds", settle())
        .field("segments", index_->counts().segments)
        .field("filled_bytes_per_chunk", (resident_bytes() - before) / chunks);
    checkpoint();  // of what was merged
    out_.field("disk_bytes_per_chunk", disk_bytes(folder_ / "index") / chunks);
  }

  void reopen() {
    index_.reset();
    const double before = resident_bytes();
    const Clock::Steady began = system_clock().now();
    open();
    out_.field("open_seconds", seconds_since(began));
    if (index_->restored() != position_) bench_failed("the index has lost its position");
    ask_all(Legs::both);  // touches what questions touch
    out_.field("opened_bytes_per_chunk",
               (resident_bytes() - before) / static_cast<double>(corpus_.chunks()));
  }

  IndexSearch search_for(std::size_t question, Legs legs, Asker asker) const {
    IndexSearch search{.collection = std::string{kBenchCollection},
                       .top_k = kBenchTopK,
                       .sees_everything = asker == Asker::sees_everything};
    if (legs != Legs::vectors) search.question = corpus_.questions[question];
    if (legs != Legs::words) search.vector = corpus_.question_vector(question);
    return search;
  }
  std::vector<Result<IndexHits>> ask(std::span<const std::size_t> questions, Legs legs,
                                     Asker asker = Asker::sees_everything) const {
    std::vector<IndexSearch> searches;
    for (const std::size_t question : questions) {
      searches.push_back(search_for(question, legs, asker));
    }
    std::vector<Result<IndexHits>> hits = index_->search(searches);
    for (const Result<IndexHits>& each : hits) {
      if (!each) bench_failed(each.error().message);
    }
    return hits;
  }
  AskMany asking(Legs legs, Asker asker = Asker::sees_everything) const {
    return [this, legs, asker](std::span<const std::size_t> questions) {
      ask(questions, legs, asker);
    };
  }
  void ask_all(Legs legs) const {
    for (std::size_t i = 0; i < corpus_.questions.size(); ++i) ask({&i, 1}, legs);
  }

  std::vector<std::vector<std::size_t>> nearest() const {
    std::vector<std::vector<std::size_t>> found;
    for (std::size_t i = 0; i < corpus_.questions.size(); ++i) {
      std::vector<std::size_t>& rows = found.emplace_back();
      const std::vector<Result<IndexHits>> hits = ask({&i, 1}, Legs::vectors);
      for (const Passage& passage : hits[0]->passages) rows.push_back(std::stoul(passage.chunk_id));
    }
    return found;
  }

  LoadFigures load(std::size_t askers, const AskMany& ask_many) const {
    return ask_for(seconds_, askers, corpus_.questions.size(), ask_many);
  }

  void loads(const std::vector<std::vector<std::size_t>>& exact, double recall) {
    write_load(out_, "vectors_1", load(1, asking(Legs::vectors)));
    write_load(out_, "words_1", load(1, asking(Legs::words)));
    write_load(out_, "restricted_1", load(1, asking(Legs::both, Asker::in_no_group)));
    for (const std::size_t askers : kAskers) {
      write_load(out_, "idle_" + std::to_string(askers), load(askers, asking(Legs::both)));
    }
    for (const std::size_t askers : kAskers) load_while_writing(askers);
    index_.reset();
    bare(exact, recall);
  }

  // A writer keeps its rate, catching up after it was held up; a quarter replaces documents.
  void load_while_writing(std::size_t askers) {
    std::size_t written = 0;
    const Clock::Steady began = system_clock().now();
    const auto write = [&](const std::function<bool()>& go_on) {
      const double per_second = kWrittenPerSecond / kChunksPerDocument;
      for (std::size_t record = 0; go_on(); ++record) {
        const double early = static_cast<double>(record) / per_second - seconds_since(began);
        if (early > 0) {
          system_clock().sleep_for(std::chrono::milliseconds{std::lround(1'000 * early)}, {});
        }
        const std::size_t chunk =
            written_ % corpus_.chunks() / kChunksPerDocument * kChunksPerDocument;
        apply(chunk, (record % 4 == 0 ? "document-" : "new-") +
                         std::to_string(written_ / kChunksPerDocument));
        const std::size_t count = std::min(kChunksPerDocument, corpus_.chunks() - chunk);
        written_ += kChunksPerDocument;
        written += count;
        if (record % kRecordsPerWritingCheckpoint == 0) checkpoint();
      }
      const double kept = static_cast<double>(written) / seconds_since(began) / kWrittenPerSecond;
      out_.field("kept_" + std::to_string(askers), kept);
    };
    const LoadFigures figures =
        ask_for(2 * seconds_, askers, corpus_.questions.size(), asking(Legs::both), write);
    write_load(out_, "writing_" + std::to_string(askers), figures);
    checkpoint();
    settle();
  }

  void bare(const std::vector<std::vector<std::size_t>>& exact, double recall) {
    {
      const BareWords words{corpus_};
      const AskMany ask_many = [&](std::span<const std::size_t> questions) {
        words.ask(questions);
      };
      ask_many(std::vector<std::size_t>{0});
      for (const std::size_t askers : kAskers) {
        write_load(out_, "bare_words_" + std::to_string(askers), load(askers, ask_many));
      }
      out_.field("bare_words_bytes_per_chunk", words.bytes_per_chunk());
    }
    const double wanted = corpus_.chunks() <= kFewChunks ? kRecallOfFew : kRecallOfMany;
    const BareVectors vectors{corpus_, exact, std::min(recall, wanted)};
    const AskMany ask_many = [&](std::span<const std::size_t> questions) {
      vectors.ask(questions);
    };
    for (const std::size_t askers : kAskers) {
      write_load(out_, "bare_vectors_" + std::to_string(askers), load(askers, ask_many));
    }
    out_.field("bare_recall", vectors.recall())
        .field("bare_index", vectors.description())
        .field("bare_build_seconds", vectors.build_seconds())
        .field("bare_vectors_bytes_per_chunk", vectors.bytes_per_chunk());
  }

  const std::filesystem::path folder_;
  const BenchCorpus& corpus_;
  const double seconds_;
  MetricsRegistry metrics_;
  std::unique_ptr<PartitionIndex> index_;
  json::Writer out_;
  std::size_t revisions_ = 0;
  std::size_t written_ = 0;
  Offset position_ = 0;
};

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: see the head of bench_index.cc\n";
    return 2;
  }
  millrace::set_log_level("warning");
  char* end = nullptr;
  const std::size_t chunks = std::strtoul(argv[2], &end, 10);
  const bool made = *end == '\0' && chunks > 0;
  const double seconds = std::strtod(argv[3], nullptr);
  if (!(seconds > 0)) millrace::bench_failed("SECONDS must be above 0");
  const millrace::BenchCorpus corpus =
      made ? millrace::made_corpus(chunks, millrace::kQuestions) : millrace::read_corpus(argv[2]);
  std::cout << millrace::IndexBench{argv[1], corpus, seconds}.run() << '\n';
  return 0;
}
