#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "schemas/float16.h"
#include "tests/support/sanitized.h"
#include "tests/unit/index/index_model.h"
#include "workers/index/fusion.h"

// One index and a plain map under random records, merges, snapshots, crashes, restores and damage:
// always the same documents are visible. The records stand in a topic as in production: an index
// that is opened gets all of them again from its position on, but for those that it had declared
// superfluous before the last commit.
namespace millrace {
namespace {

using testing_index::IndexModel;
using testing_index::make_removal;
using testing_index::make_revision;
using testing_index::open_index;
using testing_index::random_vector;
using testing_index::Revision;
using testing_index::TemporaryFolder;

constexpr int kSteps = 2'000 / kSanitizerShare;
constexpr std::size_t kBlockRows = 32;    // so that segments are sealed and merged all the time
constexpr int kDocuments = 30;            // of a collection
constexpr int kChunksMax = 9;             // of a document
constexpr std::size_t kEverything = 900;  // more than are ever visible; less than a search may ask
constexpr std::size_t kBackupsMax = 4;

using Documents = std::map<std::string, Revision>;  // by key

struct Asker {
  bool sees_everything = false;
  std::vector<std::string> groups;

  bool may_see(const std::vector<std::string>& allow) const {
    if (sees_everything || allow.empty()) return true;
    return std::ranges::any_of(groups, [&](const std::string& group) {
      return std::ranges::find(allow, group) != allow.end();
    });
  }
};

// What must be found, with the cosine to `question`, best first.
using Found = std::vector<std::pair<std::string, double>>;
Found visible(const Documents& documents, const std::string& collection, const Asker& asker,
              const std::vector<float>& question, const std::string& revision = {}) {
  Found found;
  for (const auto& [key, document] : documents) {
    if (document.document.collection != collection) continue;
    if (!revision.empty() && document.document.revision != revision) continue;
    if (!asker.may_see(document.document.allow)) continue;
    for (std::size_t i = 0; i < document.chunks.size(); ++i) {
      double cosine = 0;
      for (std::size_t j = 0; j < question.size(); ++j) {
        const float value = float_from(float16_from(document.vectors[i][j]));
        cosine += static_cast<double>(question[j]) * static_cast<double>(value);
      }
      found.emplace_back(document.chunks[i].chunk_id, cosine);
    }
  }
  std::ranges::sort(found, std::greater<>{}, &Found::value_type::second);
  return found;
}

std::multiset<std::string> ids_of(const Found& found) {
  std::multiset<std::string> ids;
  for (const auto& [id, cosine] : found) ids.insert(id);
  return ids;
}
std::multiset<std::string> ids_of(const IndexHits& hits) {
  std::multiset<std::string> ids;
  for (const Passage& passage : hits.passages) ids.insert(passage.chunk_id);
  return ids;
}

// The nearest are found, each with its cosine; those of equal ones do not matter.
void expect_nearest(const IndexHits& hits, const Found& wanted) {
  const std::size_t count = std::min(wanted.size(), kRiseRank);
  ASSERT_EQ(hits.passages.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(hits.passages[i].match && hits.passages[i].match->cosine);
    EXPECT_NEAR(*hits.passages[i].match->cosine, wanted[i].second, 1e-5);
  }
}

// All that an asker may see of a collection: by nearness, by a word that every chunk has, and of
// one revision by a filter on its metadata.
void expect_same(const PartitionIndex& index, const Documents& documents,
                 const std::string& collection, const Asker& asker, std::mt19937& random) {
  const std::vector<float> vector = random_vector(random);
  std::string revision = "none";
  if (!documents.empty()) {
    revision =
        std::next(documents.begin(), static_cast<std::ptrdiff_t>(random() % documents.size()))
            ->second.document.revision;
  }
  const Result<Filter> filter = Filter::parse(R"({"revision": ")" + revision + "\"}", {});
  ASSERT_TRUE(filter) << filter.error().message;
  IndexSearch everything{.collection = collection,
                         .vector = vector,
                         .top_k = kEverything,
                         .sees_everything = asker.sees_everything,
                         .groups = asker.groups};
  std::vector<IndexSearch> searches(4, everything);
  searches[1].vector = {};
  searches[1].question = "Where is the landmark?";
  searches[2].filter = *filter;
  searches[3].top_k = 1;
  const std::vector<Result<IndexHits>> hits = index.search(searches);
  ASSERT_EQ(hits.size(), searches.size());
  for (const auto& each : hits) ASSERT_TRUE(each) << each.error().message;
  const Found wanted = visible(documents, collection, asker, vector);
  EXPECT_EQ(ids_of(*hits[0]), ids_of(wanted));
  EXPECT_EQ(ids_of(*hits[1]), ids_of(wanted));
  EXPECT_EQ(ids_of(*hits[2]), ids_of(visible(documents, collection, asker, vector, revision)));
  expect_nearest(*hits[3], wanted);
}

void expect_same_counts(const PartitionIndex& index, const Documents& documents) {
  IndexCounts wanted;
  for (const auto& [key, document] : documents) {
    for (IndexedCollection* sum :
         {&wanted.all, &wanted.collections[document.document.collection]}) {
      ++sum->documents;
      sum->chunks += static_cast<std::int64_t>(document.chunks.size());
    }
  }
  const IndexCounts counts = index.counts();
  EXPECT_EQ(counts.all, wanted.all);
  EXPECT_EQ(counts.collections, wanted.collections);
}

// What is in a folder of RocksDB is its own: it finds damage when it reads.
std::vector<std::filesystem::path> own_files(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{directory}) {
    if (!entry.is_regular_file()) continue;
    if (std::filesystem::exists(entry.path().parent_path() / "CURRENT")) continue;
    files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void damage(const std::filesystem::path& file, std::mt19937& random) {
  // Not through a link that a backup may have to the same bytes.
  const std::filesystem::path copy = file.string() + ".damaged";
  std::filesystem::copy_file(file, copy);
  std::filesystem::rename(copy, file);
  const std::uintmax_t size = std::filesystem::file_size(file);
  switch (random() % 4) {
    case 0:
      std::filesystem::remove(file);
      break;
    case 1:
      std::filesystem::resize_file(file, size == 0 ? 0 : random() % size);
      break;
    case 2:
      std::ofstream{file, std::ios::app} << "more";
      break;
    default: {
      if (size == 0) break;
      std::fstream stream{file, std::ios::in | std::ios::out | std::ios::binary};
      const auto at = static_cast<std::streamoff>(random() % size);
      stream.seekg(at);
      const char byte = static_cast<char>(stream.get());
      stream.seekp(at);
      stream.put(static_cast<char>(byte ^ 1 << random() % 8));
    }
  }
}

// With `disasters` the index also loses what it has and goes back to backups. Then it does not know
// all that it once declared superfluous, so which records it names is looked at less strictly.
class EngineRun {
 public:
  EngineRun(unsigned seed, bool disasters) : random_{seed}, disasters_{disasters} {}

  void run() {
    open(std::nullopt);
    for (int step = 0; step < kSteps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE("step " + std::to_string(step));
      one_step();
      if (chance(4)) expect_same_for_somebody();
    }
    if (::testing::Test::HasFailure()) return;  // one is enough, and what follows would hide it
    reopen();
    EXPECT_TRUE(index_->settle());
    EXPECT_GT(index_->counts().segments, 1);
    EXPECT_GT(merges_, kSteps / 100) << "hardly anything was merged";
    for (const std::string collection : {"a", "b", "none"}) {
      for (const Asker& asker : askers()) {
        expect_same(*index_, documents_, collection, asker, random_);
      }
    }
  }

 private:
  struct TopicRecord {
    Revision revision;
    std::int32_t batch = 0;
    IndexChange change;        // what it must give
    bool superfluous = false;  // gone from the topic
  };
  struct Backup {
    std::filesystem::path directory;
    Offset position = 0;
  };

  static const std::vector<Asker>& askers() {
    static const std::vector<Asker> all{
        {true, {}}, {false, {}}, {false, {"red"}}, {false, {"blue", "red"}}, {false, {"nobody"}}};
    return all;
  }
  bool chance(unsigned of) { return random_() % of == 0; }
  std::filesystem::path directory() const { return folder_.path() / std::to_string(directories_); }
  Offset end() const { return static_cast<Offset>(topic_.size()); }

  void one_step() {
    const auto dice = random_() % 1'000;
    if (dice < 80) {
      append(make_removal(collection(), document(), name()), 0);
    } else if (dice < 85) {
      clear();
    } else if (dice < 230) {
      deliver_late();
    } else if (dice < 310) {
      checkpoint();
    } else if (dice < 330) {
      replay(committed_);  // the records of an aborted commit come again
    } else if (dice < 340) {
      EXPECT_TRUE(chance(2) ? index_->settle() : index_->settle_quietly());
    } else if (dice < 348) {
      reopen();
    } else if (dice < 356) {
      crash_keeping_everything();
    } else if (dice < 376) {
      cut_power();
    } else if (dice < 390 && disasters_) {
      disaster();
    } else {
      put();
    }
  }

  void disaster() {
    switch (random_() % 4) {
      case 0:
        return go_back_to(random_() % std::max<std::size_t>(1, backups_.size()));
      case 1:
        return lose_the_store();
      default:
        return damage_files();
    }
  }

  std::string name() { return "R" + std::to_string(10'000 + names_++); }
  std::string document() { return "document-" + std::to_string(random_() % kDocuments); }
  std::string collection() { return chance(3) ? "b" : "a"; }

  Revision random_revision(std::int32_t batches) {
    static const std::vector<std::vector<std::string>> lists{
        {}, {}, {"red"}, {"blue"}, {"red", "green"}};
    static const std::vector<std::string> texts{
        "The landmark stands where the two old roads meet, close to the mill. ",
        "El landmark está donde se cruzan los dos caminos viejos, cerca del molino. ",
        "两条老路交汇的地方有一个 landmark，离磨坊很近。", "landmark 4711 "};
    Revision revision = make_revision(random_, collection(), document(), name(),
                                      static_cast<int>(random_() % kChunksMax), batches,
                                      lists[random_() % lists.size()]);
    const std::string& text = texts[random_() % texts.size()];
    for (Chunk& chunk : revision.chunks) chunk.text = text + chunk.chunk_id;
    return revision;
  }

  void put() {
    const auto batches = static_cast<std::int32_t>(1 + random_() % 3);
    const Revision revision = random_revision(batches);
    std::vector<std::int32_t> order(static_cast<std::size_t>(batches));
    for (std::int32_t i = 0; i < batches; ++i) order[static_cast<std::size_t>(i)] = i;
    std::ranges::shuffle(order, random_);
    const bool whole = !chance(4);
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (whole || i == 0) {
        append(revision, order[i]);
      } else {  // comes later, or never, or after another revision
        late_.emplace_back(revision, order[i]);
      }
    }
  }

  // As a collection is cleared: one removal for each document.
  void clear() {
    const std::string cleared = collection();
    std::vector<std::string> ids;
    for (const auto& [key, document] : documents_) {
      if (document.document.collection == cleared) ids.push_back(document.document.document_id);
    }
    for (const std::string& id : ids) append(make_removal(cleared, id, name()), 0);
  }

  void deliver_late() {
    if (late_.empty()) return;
    const std::size_t at = random_() % late_.size();
    append(late_[at].first, late_[at].second);
    late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(at));
  }

  // A record comes to the topic, the model and the index.
  void append(const Revision& revision, std::int32_t batch) {
    const IndexChange wanted = model_.apply(revision, batch);
    const std::string key = document_key(revision.document);
    if (wanted.kind == IndexChange::Kind::swapped) documents_[key] = revision;
    if (wanted.kind == IndexChange::Kind::removed) documents_.erase(key);
    places_[embedding_key(key, revision.document.revision, batch)] = topic_.size();
    topic_.push_back({revision, batch, wanted});
    apply(topic_.back(), true);
  }

  void apply(const TopicRecord& record, bool exact) {
    const Result<IndexChange> change = index_->apply(record.revision.batch(record.batch));
    ASSERT_TRUE(change) << change.error().message;
    for (const std::string& key : change->superseded_keys) EXPECT_FALSE(needed(key)) << key;
    if (!exact || lost_memory_) return;
    EXPECT_EQ(change->kind, record.change.kind);
    EXPECT_EQ(change->superseded_keys, record.change.superseded_keys);
  }

  // Of a document that is visible.
  bool needed(const std::string& key) const {
    const auto place = places_.find(key);
    if (place == places_.end()) return false;
    const DocumentRef& of = topic_[place->second].revision.document;
    const auto current = documents_.find(document_key(of));
    return current != documents_.end() && current->second.document.revision == of.revision;
  }

  void replay(Offset from) {
    for (Offset at = from; at < end() && !::testing::Test::HasFailure(); ++at) {
      const TopicRecord& record = topic_[static_cast<std::size_t>(at)];
      // What was staged then and dropped since is ignored now, which is as good.
      const bool settled = record.change.kind != IndexChange::Kind::staged;
      if (!record.superfluous) apply(record, settled && at >= committed_);
    }
  }

  void checkpoint() {
    const std::set<std::filesystem::path> before = snapshots();
    ASSERT_TRUE(index_->checkpoint(end()));
    ASSERT_TRUE(index_->snapshot());
    for (Offset at = committed_; at < end(); ++at) {
      for (const std::string& key : topic_[static_cast<std::size_t>(at)].change.superseded_keys) {
        if (const auto place = places_.find(key); place != places_.end()) {
          topic_[place->second].superfluous = true;
        }
      }
    }
    position_ = committed_ = end();
    if (chance(4)) back_up(directory());
    // The index's own, when it made one now: what a backup brought along is of another position.
    for (const std::filesystem::path& snapshot : snapshots()) {
      if (!before.contains(snapshot)) back_up(snapshot);
    }
  }

  std::set<std::filesystem::path> snapshots() const {
    if (!std::filesystem::exists(directory() / "snapshots")) return {};
    std::set<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator{directory() / "snapshots"}) {
      found.insert(entry.path());
    }
    return found;
  }

  void back_up(const std::filesystem::path& from) {
    const std::filesystem::path backup = folder_.path() / ("backup-" + std::to_string(names_++));
    testing_index::copy_live(from, backup);
    backups_.push_back({backup, end()});
    if (backups_.size() <= kBackupsMax) return;
    std::filesystem::remove_all(backups_.front().directory);
    backups_.erase(backups_.begin());
  }

  void open(std::optional<Offset> position, bool damaged = false) {
    index_ = open_index(directory(), kBlockRows);
    if (damaged && !index_->restored()) position = std::nullopt;  // it begins anew
    EXPECT_EQ(index_->restored(), position);
    if (!position && position_) lost_memory_ = true;
    position_ = position;
    replay(position.value_or(0));
    expect_same_for_somebody();
  }
  void close() {
    merges_ += index_->counts().merges;
    index_.reset();
  }
  void reopen() {
    close();
    open(position_);
  }
  // The directory as it is while the index is open: nothing has been closed or synced.
  void crash_keeping_everything() {
    const std::filesystem::path from = directory();
    ++directories_;
    testing_index::copy_live(from, directory());
    close();
    std::filesystem::remove_all(from);
    open(position_);
  }
  // What came since the last checkpoint is lost.
  void cut_power() {
    if (!backups_.empty() && backups_.back().position == committed_) {
      go_back_to(backups_.size() - 1);
    }
  }
  void go_back_to(std::size_t backup) {
    if (backup >= backups_.size()) return;
    close();
    std::filesystem::remove_all(directory());
    ++directories_;
    const Backup& from = backups_[backup];
    std::filesystem::copy(from.directory, directory(), std::filesystem::copy_options::recursive);
    if (from.position != committed_) lost_memory_ = true;
    open(from.position);
  }
  void lose_the_store() {
    close();
    std::filesystem::resize_file(directory() / "store" / "CURRENT", 0);
    open(std::nullopt);
  }
  void damage_files() {
    close();
    const std::vector<std::filesystem::path> files = own_files(directory());
    for (int i = 0; i < 2 && !files.empty(); ++i) {
      const std::filesystem::path& file = files[random_() % files.size()];
      if (std::filesystem::exists(file)) damage(file, random_);
    }
    open(position_, true);
  }

  void expect_same_for_somebody() {
    expect_same_counts(*index_, documents_);
    const Asker& asker = askers()[random_() % askers().size()];
    expect_same(*index_, documents_, collection(), asker, random_);
  }

  std::mt19937 random_;
  const bool disasters_;
  TemporaryFolder folder_;
  int directories_ = 0;
  std::unique_ptr<PartitionIndex> index_;
  IndexModel model_;     // which change each record makes
  Documents documents_;  // what is visible
  int names_ = 0;
  std::vector<std::pair<Revision, std::int32_t>> late_;
  std::vector<TopicRecord> topic_;
  std::map<std::string, std::size_t> places_;  // of records in the topic
  Offset committed_ = 0;
  std::optional<Offset> position_;  // of the last checkpoint in the directory
  std::vector<Backup> backups_;     // oldest first
  std::int64_t merges_ = 0;
  bool lost_memory_ = false;
};

class EngineModel : public ::testing::TestWithParam<std::tuple<unsigned, bool>> {};

TEST_P(EngineModel, shows_what_a_plain_map_shows_through_all_that_can_happen) {
  EngineRun{std::get<0>(GetParam()), std::get<1>(GetParam())}.run();
}

INSTANTIATE_TEST_SUITE_P(Seeds, EngineModel,
                         ::testing::Combine(::testing::Values(1U, 2U), ::testing::Bool()),
                         [](const auto& test) {
                           return std::string{std::get<1>(test.param) ? "disasters" : "crashes"} +
                                  std::to_string(std::get<0>(test.param));
                         });

}  // namespace
}  // namespace millrace
