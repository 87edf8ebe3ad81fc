#include "tests/unit/index/index_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <deque>
#include <iterator>
#include <limits>
#include <numeric>
#include <sstream>

#include "schemas/float16.h"
#include "workers/index/chunk_terms.h"
#include "workers/index/fusion.h"

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
  Result<std::unique_ptr<PartitionIndex>> index =
      open_partition_index({.directory = directory,
                            .dimensions = kDimensions,
                            .block_rows = block_rows,
                            .vectors = {.flat_rows_max = std::numeric_limits<std::size_t>::max()}},
                           metrics);
  if (!index) {
    ADD_FAILURE() << index.error().message;
    std::abort();
  }
  return std::move(*index);
}

Result<IndexHits> search_one(const PartitionIndex& index, const IndexSearch& search) {
  return index.search({&search, 1}).front();
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

namespace {

bool may_see(const IndexSearch& search, const DocumentRef& document) {
  if (document.collection != search.collection) return false;
  if (!search.filter.matches(document.metadata)) return false;
  return search.sees_everything || document.allow.empty() ||
         std::any_of(search.groups.begin(), search.groups.end(), [&](const std::string& group) {
           return std::ranges::count(document.allow, group) > 0;
         });
}

double cosine(std::span<const float> question, const std::vector<float>& vector) {
  double sum = 0;
  for (std::size_t i = 0; i < question.size(); ++i) {
    sum +=
        static_cast<double>(question[i]) * static_cast<double>(float_from(float16_from(vector[i])));
  }
  return sum;
}

// Numbers and words that no language stems, so that the model need not know any.
std::vector<std::string> words_of(const std::string& question) {
  std::istringstream in{question};
  return {std::istream_iterator<std::string>{in}, {}};
}

std::int64_t count_of(const ChunkTerms& terms, const std::string& word) {
  for (const TermCount& each : terms.counts()) {
    if (each.term == word) return each.count;
  }
  return 0;
}

}  // namespace

std::vector<ModelHit> IndexModel::search(const IndexSearch& search) const {
  const std::vector<std::string> words = words_of(search.question);
  std::vector<ModelHit> found;
  for (const auto& [key, revision] : current_) {
    if (!may_see(search, revision.document)) continue;
    for (std::size_t i = 0; i < revision.chunks.size(); ++i) {
      ModelHit hit{revision.chunks[i].chunk_id, cosine(search.vector, revision.vectors[i]), {}};
      const ChunkTerms terms{revision.chunks[i], revision.document.title, ""};
      bool any = false;
      for (const std::string& word : words) {
        hit.counts.push_back(count_of(terms, word));
        any = any || hit.counts.back() > 0;
      }
      if (any || !search.vector.empty()) found.push_back(std::move(hit));
    }
  }
  std::ranges::sort(found, std::ranges::greater{}, &ModelHit::cosine);
  if (!search.vector.empty()) {
    found.resize(std::min(found.size(), std::max(search.top_k, kRiseRank)));
  }
  return found;
}

IndexCounts IndexModel::counts() const {
  IndexCounts counts;
  for (const auto& [key, revision] : current_) {
    if (revision.removed) continue;
    for (IndexedCollection* sum :
         {&counts.all, &counts.collections[revision.document.collection]}) {
      ++sum->documents;
      sum->chunks += static_cast<std::int64_t>(revision.chunks.size());
    }
  }
  return counts;
}

namespace {

void expect_same_hits(const std::vector<Passage>& found, const std::vector<ModelHit>& wanted,
                      bool by_nearness) {
  ASSERT_EQ(found.size(), wanted.size());
  std::map<std::string, const Passage*> by_id;
  for (const Passage& passage : found) by_id[passage.chunk_id] = &passage;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const auto passage = by_id.find(wanted[i].chunk_id);
    ASSERT_NE(passage, by_id.end()) << wanted[i].chunk_id;
    ASSERT_TRUE(passage->second->match);
    const PassageMatch& match = *passage->second->match;
    std::vector<std::int64_t> counts;
    for (const std::vector<std::int64_t>& word : match.counts) {
      counts.push_back(std::accumulate(word.begin(), word.end(), std::int64_t{0}));
    }
    EXPECT_EQ(counts, wanted[i].counts);
    if (!by_nearness) continue;
    ASSERT_TRUE(match.cosine);
    EXPECT_NEAR(*match.cosine, wanted[i].cosine, 1e-5);
    // Scores differ by the order of float additions; rank by rank they are the same.
    ASSERT_TRUE(found[i].match->cosine);
    EXPECT_NEAR(*found[i].match->cosine, wanted[i].cosine, 1e-5);
  }
}

Filter parsed(const std::string& filter) { return *Filter::parse(filter, {}); }

}  // namespace

void expect_same(const PartitionIndex& index, const IndexModel& model, std::mt19937& random) {
  const IndexCounts counts = index.counts();
  EXPECT_EQ(counts.all, model.counts().all);
  EXPECT_EQ(counts.collections, model.counts().collections);
  const std::vector<std::vector<std::string>> askers{{}, {"red"}, {"blue", "red"}, {"nobody"}};
  const std::vector<Filter> filters{{},
                                    parsed(R"({"revision":{"gte":"R1020"}})"),
                                    parsed(R"({"not":{"revision":{"in":["R1001","R1013"]}}})")};
  std::deque<std::vector<float>> vectors;  // what the searches point to
  std::vector<IndexSearch> searches;
  for (const std::string collection : {"a", "b", "none"}) {
    for (const std::vector<std::string>& groups : askers) {
      for (const std::size_t top_k : {1U, 5U, 900U}) {
        vectors.push_back(random_vector(random));
        searches.push_back({.collection = collection,
                            .vector = vectors.back(),
                            .top_k = top_k,
                            .sees_everything = top_k == 5 && groups.empty(),
                            .groups = groups,
                            .filter = filters[random() % filters.size()]});
      }
      // Numbers that some texts have, and a word that none has.
      searches.push_back({.collection = collection,
                          .question = random() % 2 == 0 ? "3 xyzzy" : "1013 4",
                          .top_k = 900,
                          .groups = groups,
                          .filter = filters[random() % filters.size()]});
    }
  }
  const std::vector<Result<IndexHits>> found = index.search(searches);
  ASSERT_EQ(found.size(), searches.size());
  for (std::size_t i = 0; i < searches.size(); ++i) {
    ASSERT_TRUE(found[i]) << found[i].error().message;
    SCOPED_TRACE("search " + std::to_string(i));
    expect_same_hits(found[i]->passages, model.search(searches[i]), !searches[i].vector.empty());
  }
}

}  // namespace millrace::testing_index
