#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "workers/index/index.h"

namespace millrace::testing_index {

inline constexpr std::int32_t kDimensions = 8;

// A folder of its own, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// The directory as a crash would leave it while the index is open: nothing closed or synced. Copies
// until no file came or went meanwhile, as RocksDB removes old ones in the background.
void copy_live(const std::filesystem::path& from, const std::filesystem::path& to);

// Every vector is compared, so that brute force finds the same.
std::unique_ptr<PartitionIndex> open_index(const std::filesystem::path& directory,
                                           std::size_t block_rows = 16);

Result<IndexHits> search_one(const PartitionIndex& index, const IndexSearch& search);

// One revision of a document, whole; batch() cuts it.
struct Revision {
  DocumentRef document;
  bool removed = false;
  std::vector<Chunk> chunks;
  std::vector<std::vector<float>> vectors;
  std::int32_t batches = 1;

  EmbeddingEvent batch(std::int32_t number) const;
  std::vector<std::string> keys() const;  // of its embeddings records
};

std::vector<float> random_vector(std::mt19937& random);
Revision make_revision(std::mt19937& random, const std::string& collection, const std::string& id,
                       const std::string& revision, int chunks, std::int32_t batches = 1,
                       std::vector<std::string> allow = {});
Revision make_removal(const std::string& collection, const std::string& id,
                      const std::string& revision);

// A chunk as it should be found: how near it is, and how often each word occurs in it.
struct ModelHit {
  std::string chunk_id;
  double cosine = 0;
  std::vector<std::int64_t> counts;
};

// What an index should show: a plain map, searched by brute force over the rounded vectors.
class IndexModel {
 public:
  // As PartitionIndex::apply() should.
  IndexChange apply(const Revision& revision, std::int32_t batch);
  // Nearest first; without a vector those that have a word, in any order.
  std::vector<ModelHit> search(const IndexSearch& search) const;
  IndexCounts counts() const;  // documents and chunks

 private:
  struct Partial {
    Revision revision;
    std::map<std::int32_t, bool> arrived;
    int order = 0;
  };
  struct Known {
    std::int32_t completed_by = 0;
    IndexChange change;
  };
  IndexChange complete(const std::string& key, const Revision& revision, std::int32_t batch,
                       int order);

  std::map<std::string, Revision> current_;  // removals too
  std::map<std::string, std::map<std::string, Partial>> partial_;
  std::map<std::string, Known> known_;  // by key and revision
  std::map<std::string, bool> dropped_;
  int arrivals_ = 0;
};

// Searches both with several questions, askers, filters and lengths, and compares.
void expect_same(const PartitionIndex& index, const IndexModel& model, std::mt19937& random);

}  // namespace millrace::testing_index
