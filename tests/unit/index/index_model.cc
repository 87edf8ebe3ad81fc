#include "tests/unit/index/index_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>

#include "schemas/float16.h"

namespace millrace::testing_index {

TemporaryFolder::TemporaryFolder() {
  static std::atomic<int> next{0};
  path_ = std::filesystem::temp_directory_path() /
          ("millrace-index-" + std::to_string(::getpid()) + "-" + std::to_string(next++));
  std::filesystem::create_directories(path_);
}
TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

namespace {

// Files with their sizes, except RocksDB's diary.
std::map<std::string, std::uintmax_t> files_under(const std::filesystem::path& directory) {
  std::map<std::string, std::uintmax_t> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{directory}) {
    if (entry.is_directory() || entry.path().filename().string().starts_with("LOG")) continue;
    files[entry.path().lexically_relative(directory).string()] = entry.file_size();
  }
  return files;
}

}  // namespace

void copy_live(const std::filesystem::path& from, const std::filesystem::path& to) {
  constexpr int kAttempts = 1'000;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    try {
      std::filesystem::remove_all(to);
      const auto before = files_under(from);
      std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
      if (before == files_under(from) && before == files_under(to)) return;
    } catch (const std::filesystem::filesystem_error&) {
      // A file went away.
    }
  }
  ADD_FAILURE() << "the files of " << from << " never stood still";
}

std::unique_ptr<PartitionIndex> open_index(const std::filesystem::path& directory,
                                           std::size_t block_rows) {
  static MetricsRegistry metrics;
  Result<std::unique_ptr<PartitionIndex>> index = open_partition_index(
      {.directory = directory, .dimensions = kDimensions, .block_rows = block_rows}, metrics);
  if (!index) {
    ADD_FAILURE() << index.error().message;
    std::abort();
  }
  return std::move(*index);
}

EmbeddingEvent Revision::batch(std::int32_t number) const {
  EmbeddingEvent event;
  event.model = "fake";
  event.dimensions = kDimensions;
  ChunkEvent& out = event.chunk_batch;
  out.document = document;
  out.removed = removed;
  out.batch = number;
  out.batches = batches;
  out.chunks_total = static_cast<std::int64_t>(chunks.size());
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    if (static_cast<std::int32_t>(i) % batches != number) continue;
    out.chunks.push_back(chunks[i]);
    event.vectors.insert(event.vectors.end(), vectors[i].begin(), vectors[i].end());
  }
  return event;
}

std::vector<std::string> Revision::keys() const {
  std::vector<std::string> keys;
  for (std::int32_t i = 0; i < batches; ++i) {
    keys.push_back(embedding_key(document_key(document), document.revision, i));
  }
  return keys;
}

std::vector<float> random_vector(std::mt19937& random) {
  std::normal_distribution<float> normal;
  std::vector<float> vector(kDimensions);
  float length = 0;
  for (float& value : vector) value = normal(random), length += value * value;
  for (float& value : vector) value /= std::sqrt(length);
  return vector;
}

Revision make_revision(std::mt19937& random, const std::string& collection, const std::string& id,
                       const std::string& revision, int chunks, std::int32_t batches,
                       std::vector<std::string> allow) {
  Revision made;
  made.document = {.collection = collection,
                   .document_id = id,
                   .revision = revision,
                   .name = id + ".txt",
                   .title = "Title of " + revision,
                   .media_type = "text/plain",
                   .metadata = R"({"revision":")" + revision + "\"}",
                   .allow = std::move(allow)};
  made.batches = batches;
  for (int i = 0; i < chunks; ++i) {
    Chunk& chunk = made.chunks.emplace_back();
    chunk.ordinal = i;
    chunk.chunk_id = chunk_id_for(made.document, i);
    chunk.text = id + " " + revision + " chunk " + std::to_string(i);
    chunk.start = i * 100;
    chunk.end = i * 100 + 50;
    chunk.page = i + 1;
    chunk.headings = {"Part " + std::to_string(i)};
    made.vectors.push_back(random_vector(random));
  }
  return made;
}

Revision make_removal(const std::string& collection, const std::string& id,
                      const std::string& revision) {
  Revision made;
  made.document.collection = collection;
  made.document.document_id = id;
  made.document.revision = revision;
  made.removed = true;
  return made;
}

IndexChange IndexModel::apply(const Revision& revision, std::int32_t batch) {
  const std::string key = document_key(revision.document);
  const std::string name = key + " " + revision.document.revision;
  if (const auto known = known_.find(name); known != known_.end()) {
    return known->second.completed_by == batch ? known->second.change : IndexChange{};
  }
  if (dropped_.contains(name)) {
    return {IndexChange::Kind::ignored, {revision.keys()[static_cast<std::size_t>(batch)]}};
  }
  Partial& partial = partial_[key][revision.document.revision];
  if (partial.arrived.empty()) {
    partial.revision = revision;
    partial.order = ++arrivals_;
  }
  partial.arrived[batch] = true;
  if (static_cast<std::int32_t>(partial.arrived.size()) < revision.batches) return {};
  const int order = partial.order;
  return complete(key, revision, batch, order);
}

IndexChange IndexModel::complete(const std::string& key, const Revision& revision,
                                 std::int32_t batch, int order) {
  IndexChange change;
  change.kind = revision.removed ? IndexChange::Kind::removed : IndexChange::Kind::swapped;
  if (const auto old = current_.find(key); old != current_.end()) {
    change.superseded_keys = old->second.keys();
  }
  partial_[key].erase(revision.document.revision);
  std::vector<Partial> older;
  for (const auto& [name, partial] : partial_[key]) {
    if (partial.order < order) older.push_back(partial);
  }
  std::sort(older.begin(), older.end(),
            [](const Partial& a, const Partial& b) { return a.order < b.order; });
  for (const Partial& partial : older) {
    const std::vector<std::string> keys = partial.revision.keys();
    change.superseded_keys.insert(change.superseded_keys.end(), keys.begin(), keys.end());
    dropped_[key + " " + partial.revision.document.revision] = true;
    partial_[key].erase(partial.revision.document.revision);
  }
  current_[key] = revision;
  known_[key + " " + revision.document.revision] = {batch, change};
  return change;
}

std::vector<std::pair<std::string, double>> IndexModel::search(const IndexSearch& search) const {
  std::vector<std::pair<std::string, double>> found;
  for (const auto& [key, revision] : current_) {
    const std::vector<std::string>& allow = revision.document.allow;
    const bool allowed =
        search.sees_everything || allow.empty() ||
        std::any_of(search.groups.begin(), search.groups.end(), [&](const std::string& group) {
          return std::find(allow.begin(), allow.end(), group) != allow.end();
        });
    if (!allowed || revision.document.collection != search.collection) continue;
    for (std::size_t i = 0; i < revision.chunks.size(); ++i) {
      double score = 0;
      for (std::size_t j = 0; j < search.vector.size(); ++j) {
        score += static_cast<double>(search.vector[j]) *
                 static_cast<double>(float_from(float16_from(revision.vectors[i][j])));
      }
      found.emplace_back(revision.chunks[i].chunk_id, score);
    }
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return a.second > b.second; });
  if (found.size() > search.top_k) found.resize(search.top_k);
  return found;
}

IndexCounts IndexModel::counts(std::string_view collection) const {
  IndexCounts counts;
  for (const auto& [key, revision] : current_) {
    if (revision.removed) continue;
    if (!collection.empty() && revision.document.collection != collection) continue;
    ++counts.documents;
    counts.chunks += static_cast<std::int64_t>(revision.chunks.size());
  }
  return counts;
}

namespace {

void expect_same_search(const PartitionIndex& index, const IndexModel& model,
                        const IndexSearch& search) {
  const Result<std::vector<Passage>> found = index.search(search);
  ASSERT_TRUE(found) << found.error().message;
  const auto wanted = model.search(search);
  ASSERT_EQ(found->size(), wanted.size());
  std::vector<std::string> found_ids;
  std::vector<std::string> wanted_ids;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    // Scores differ by the order of float additions; rank by rank they are the same.
    EXPECT_NEAR((*found)[i].score, wanted[i].second, 1e-5);
    found_ids.push_back((*found)[i].chunk_id);
    wanted_ids.push_back(wanted[i].first);
  }
  EXPECT_THAT(found_ids, ::testing::UnorderedElementsAreArray(wanted_ids));
}

}  // namespace

void expect_same(const PartitionIndex& index, const IndexModel& model, std::mt19937& random) {
  for (const std::string collection : {"a", "b", "none", ""}) {
    const IndexCounts counts = index.counts(collection);
    const IndexCounts wanted = model.counts(collection);
    EXPECT_EQ(counts.documents, wanted.documents);
    EXPECT_EQ(counts.chunks, wanted.chunks);
  }
  const std::vector<std::vector<std::string>> askers{{}, {"red"}, {"blue", "red"}, {"nobody"}};
  for (const std::string collection : {"a", "b", "none"}) {
    for (const std::vector<std::string>& groups : askers) {
      for (const std::size_t top_k : {1U, 5U, 900U}) {
        const std::vector<float> vector = random_vector(random);
        expect_same_search(index, model,
                           {.collection = collection,
                            .vector = vector,
                            .top_k = top_k,
                            .sees_everything = top_k == 5 && groups.empty(),
                            .groups = groups});
      }
    }
  }
}

}  // namespace millrace::testing_index
