#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>

#include "tests/support/fake_clock.h"
#include "tests/unit/log/log_test_support.h"
#include "tests/unit/sweeper/sweeper_records.h"
#include "workers/sweeper/sweeper.h"

namespace millrace {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;

constexpr std::int32_t kPartitions = 2;
constexpr hours kUploadMax{3};  // of the uploads here; far from the sweeper's day

TopicPartition source(std::int32_t partition) { return {std::string{kTestTopic}, partition}; }

// What was written, by uploads that interleave and of which some never end, and which segments of
// it are needed.
class World {
 public:
  explicit World(unsigned seed) : random{seed} {}

  std::size_t below(std::size_t end) { return random() % end; }
  const std::vector<Record>& records(std::int32_t partition) const {
    return log_.at(static_cast<std::size_t>(partition));
  }
  void append_tombstone(const Record& tombstone) {
    EXPECT_TRUE(tombstone.tombstone && is_earlier_segment(tombstone));
    EXPECT_FALSE(needed_.contains(tombstone.key)) << "a segment that is needed got a tombstone";
    EXPECT_EQ(segments_.at(tombstone.key), tombstone.partition);
    swept_.insert(tombstone.key);
    append(tombstone);
  }
  void step() {
    switch (below(12)) {
      case 0:
      case 1:
        return begin();
      case 2:
        return finish();
      case 3:
        return small(static_cast<std::int32_t>(below(kPartitions)));
      case 4:
        return forge();
      case 5:
        return once_more();
      case 6:
        return wait(below(6) == 0 ? milliseconds{hours{26}} : minutes{below(60)});
      default:
        return go_on();
    }
  }
  void small(std::int32_t partition) {
    Record record = below(3) == 0 ? tombstone_of(some_key()) : plain_record(some_key());
    record.partition = partition;
    append(record);
    supersede(record, {});
  }
  // Time goes by, and uploads that take too long end without a record.
  void wait(milliseconds duration) {
    clock.advance(duration);
    std::erase_if(uploads_, [&](const Upload& each) {
      if (each.begun + kUploadMax > clock.wall_now()) return false;
      for (const Segment& segment : each.segments) needed_.erase(segment.key);
      return true;
    });
  }
  std::vector<std::string> unswept() const {
    std::vector<std::string> left;
    for (const auto& [key, partition] : segments_) {
      if (!needed_.contains(key) && !swept_.contains(key)) left.push_back(key);
    }
    return left;
  }
  std::size_t swept() const { return swept_.size(); }

  std::mt19937 random;
  FakeClock clock;

 private:
  struct Upload {
    std::int32_t partition = 0;
    std::string key;
    std::string set;
    Clock::Wall begun;
    std::vector<Segment> segments;
  };

  std::string some_key() {
    // One of them is the beginning of another, as the keys of embeddings are of a document's.
    static const std::vector<std::string> kKeys{"c/a", "c/b", segment_key_of("c/a", "R", 0)};
    return kKeys[below(kKeys.size())];
  }
  Offset append(Record record) {
    std::vector<Record>& records = log_.at(static_cast<std::size_t>(record.partition));
    record.offset = static_cast<Offset>(records.size());
    record.timestamp = clock.wall_now();
    if (below(8) == 0) record.timestamp -= hours{2};  // a clock behind
    records.push_back(std::move(record));
    return records.back().offset;
  }
  void supersede(const Record& record, const std::vector<Segment>& segments) {
    auto& newest = newest_[{record.partition, record.key}];
    for (const Segment& each : newest) needed_.erase(each.key);
    newest = segments;
    for (const Segment& each : newest) needed_.insert(each.key);
  }
  void begin() {
    Upload& upload = uploads_.emplace_back();
    upload.partition = static_cast<std::int32_t>(below(kPartitions));
    upload.key = some_key();
    upload.set = "S" + std::to_string(sets_++);
    upload.begun = clock.wall_now();
    go_on();
  }
  void go_on() {
    if (uploads_.empty()) return;
    Upload& upload = uploads_[below(uploads_.size())];
    Record segment =
        earlier_segment(segment_key_of(upload.key, upload.set, upload.segments.size()));
    segment.partition = upload.partition;
    segments_[segment.key] = upload.partition;
    needed_.insert(segment.key);
    upload.segments.push_back({append(segment), segment.key});
  }
  void append_last(std::string_view key, std::int32_t partition, const std::vector<Segment>& listed,
                   bool own) {
    std::vector<Offset> offsets;
    for (const Segment& each : listed) offsets.push_back(each.offset);
    Record last = last_segment(key, offsets);
    last.partition = partition;
    append(last);
    supersede(last, own ? listed : std::vector<Segment>{});
  }
  void finish() {
    if (uploads_.empty()) return;
    const auto upload = uploads_.begin() + static_cast<std::ptrdiff_t>(below(uploads_.size()));
    append_last(upload->key, upload->partition, upload->segments, true);
    uploads_.erase(upload);
  }
  // Lists segments of everybody else.
  void forge() {
    if (uploads_.empty()) return;
    const Upload& victim = uploads_[below(uploads_.size())];
    append_last("c/forged", victim.partition, victim.segments, false);
  }
  void once_more() {
    const auto partition = static_cast<std::int32_t>(below(kPartitions));
    const std::string key = some_key();
    const std::vector<Segment> newest = newest_[{partition, key}];
    if (!newest.empty()) append_last(key, partition, newest, true);
  }

  std::array<std::vector<Record>, kPartitions> log_;
  std::vector<Upload> uploads_;
  std::size_t sets_ = 0;
  std::map<std::pair<std::int32_t, std::string>, std::vector<Segment>> newest_;
  std::map<std::string, std::int32_t> segments_;  // all there ever were, with their partition
  std::set<std::string> needed_;                  // of newest records, and of uploads that go on
  std::set<std::string> swept_;
};

// What the runner does, with what can happen to it.
class SweeperProcess {
 public:
  explicit SweeperProcess(World& world) : world_{world} {
    for (std::int32_t i = 0; i < kPartitions; ++i) committed_[source(i)] = 0;
    start();
  }

  // One batch. Its commit may fail, and the process may end before it or after it.
  void turn() {
    const std::vector<Record> batch = poll();
    Outputs outputs;
    Offsets next = positions_;
    for (const Record& each : batch) next[source(each.partition)] = each.offset + 1;
    for (Result<Outputs>& each : sweeper_->process(batch)) {
      ASSERT_TRUE(each) << each.error().message;
      std::ranges::move(*each, std::back_inserter(outputs));
    }
    const bool commits = world_.below(3) > 0;
    if (commits) {
      for (const Record& each : outputs) world_.append_tombstone(each);
      committed_ = positions_ = next;
    }
    if (world_.below(12) == 0) restart();
  }
  bool done() const {
    for (std::int32_t i = 0; i < kPartitions; ++i) {
      if (positions_.at(source(i)) < std::ssize(world_.records(i))) return false;
    }
    return true;
  }

 private:
  void start() {
    state_ = open_state(folder_.path() / "sweeper");
    SweeperOptions options;
    for (std::int32_t i = 0; i < kPartitions; ++i) options.partitions.push_back(source(i));
    sweeper_ = std::make_unique<Sweeper>(*state_, options, world_.clock, metrics_);
    positions_ = committed_;
    for (const auto& [partition, offset] : sweeper_->restored()) {
      EXPECT_LE(offset, committed_.at(partition)) << "the state stands past the commit";
      positions_[partition] = std::min(positions_.at(partition), offset);
    }
  }
  void restart() {
    sweeper_.reset();
    state_.reset();
    if (disks_ > 0 && world_.below(16) == 0) {
      --disks_;
      std::filesystem::remove_all(folder_.path() / "sweeper");
    }
    start();
  }
  // Some records of each partition, mixed.
  std::vector<Record> poll() {
    std::vector<Record> batch;
    Offsets next = positions_;
    for (std::size_t count = 1 + world_.below(16); count > 0; --count) {
      const auto partition = static_cast<std::int32_t>(world_.below(kPartitions));
      Offset& offset = next[source(partition)];
      if (offset == std::ssize(world_.records(partition))) continue;
      batch.push_back(world_.records(partition)[static_cast<std::size_t>(offset++)]);
    }
    return batch;
  }

  World& world_;
  TemporaryFolder folder_;
  MetricsRegistry metrics_;
  std::unique_ptr<SweepState> state_;
  std::unique_ptr<Sweeper> sweeper_;
  Offsets committed_;
  Offsets positions_;
  int disks_ = 3;  // that may be lost; with more it might never come to the end of the log
};

class SweeperProperty : public ::testing::TestWithParam<unsigned> {};

// Whatever is written, and whatever happens to the process: no segment that is needed gets a
// tombstone, and in the end every other one has.
TEST_P(SweeperProperty, sweeps_all_that_nobody_needs_and_nothing_else) {
  World world{GetParam()};
  SweeperProcess process{world};
  for (int step = 0; step < 400 && !HasFailure(); ++step) {
    world.step();
    if (world.below(4) == 0) process.turn();
  }
  world.wait(hours{25});
  const auto drain = [&] {
    for (int turn = 0; !process.done() && !HasFailure(); ++turn) {
      ASSERT_LT(turn, 10'000);
      process.turn();
    }
  };
  drain();
  // Orphans go when records come by, and a state that was lost knows them only from now on.
  for (int round = 0; round < 10 && !HasFailure(); ++round) {
    for (std::int32_t i = 0; i < kPartitions; ++i) world.small(i);
    drain();
  }
  EXPECT_TRUE(world.unswept().empty()) << world.unswept().size();
  EXPECT_GT(world.swept(), 20U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, SweeperProperty, ::testing::Range(1U, 61U));

}  // namespace
}  // namespace millrace
