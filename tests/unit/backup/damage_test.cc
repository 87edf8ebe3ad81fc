#include <gmock/gmock.h>

#include <functional>

#include "gateway/backup/record_file.h"
#include "schemas/restore.h"
#include "tests/unit/backup/backup_fixture.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class DamageTest : public BackupFixture {
 protected:
  DamageTest() {
    add_document("a", "R1");
    add_document("b", "R1");
    commit(*log_, "extractor", {{"documents", 0}, 0});
    manifest_ = back_up();
  }

  std::string path(std::string_view file) const { return manifest_.name + "/" + std::string{file}; }
  std::string read(const std::string& name) const {
    const auto bytes = store_->get(name);
    EXPECT_TRUE(bytes) << bytes.error().message;
    return bytes ? *bytes : std::string{};
  }
  void change(const std::string& name, const std::function<void(std::string&)>& how) {
    std::string bytes = read(name);
    how(bytes);
    ASSERT_TRUE(store_->put(name, bytes));
  }
  // As whoever damages both would leave it.
  void change_manifest(const std::function<void(std::string&)>& how) {
    change(path(Manifest::kFile), how);
    const std::string text = read(path(Manifest::kFile));
    ASSERT_TRUE(store_->put(path(Manifest::kChecksumFile), checksum_line(text)));
  }
  // What restoring says before it writes anything; empty: it is whole.
  std::string refusal() const {
    const auto manifest = read_manifest(*store_, manifest_.name);
    if (!manifest) return manifest.error().message;
    if (const auto topics = topics_for(*manifest); !topics) return topics.error().message;
    const Status whole = verify_backup(*store_, *manifest);
    return whole ? std::string{} : whole.error().message;
  }

  Manifest manifest_;
};

void replace(std::string& text, std::string_view old, std::string_view by) {
  const auto at = text.find(old);
  ASSERT_NE(at, std::string::npos) << old;
  text.replace(at, old.size(), by);
}

TEST_F(DamageTest, none_is_none) { EXPECT_EQ(refusal(), ""); }

TEST_F(DamageTest, a_manifest_comes_back_as_it_was) {
  const auto again = manifest_from(to_json(manifest_));
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again, manifest_);
}

TEST_F(DamageTest, any_flipped_bit_of_any_file_is_refused) {
  for (const StoredObject& each : *store_->list("")) {
    const std::string whole = read(each.name);
    for (std::size_t i = 0; i < whole.size(); i += 1 + whole.size() / 64) {
      std::string flipped = whole;
      flipped[i] = static_cast<char>(flipped[i] ^ 4);
      ASSERT_TRUE(store_->put(each.name, flipped));
      EXPECT_NE(refusal(), "") << each.name << " at " << i;
    }
    ASSERT_TRUE(store_->put(each.name, whole));
  }
  EXPECT_EQ(refusal(), "");
}

TEST_F(DamageTest, any_missing_file_is_refused_and_named) {
  for (const StoredObject& each : *store_->list("")) {
    const std::string whole = read(each.name);
    ASSERT_TRUE(store_->remove(each.name));
    EXPECT_THAT(refusal(), HasSubstr(manifest_.name)) << each.name;
    ASSERT_TRUE(store_->put(each.name, whole));
  }
}

TEST_F(DamageTest, an_object_that_is_cut_off_or_longer_is_refused) {
  const std::string name = path(manifest_.objects.front().name);
  const std::string whole = read(name);
  change(name, [](std::string& bytes) { bytes.resize(bytes.size() - 1); });
  EXPECT_THAT(refusal(), HasSubstr("bytes, the manifest says"));
  ASSERT_TRUE(store_->put(name, whole + "x"));
  EXPECT_THAT(refusal(), HasSubstr("bytes, the manifest says"));
}

TEST_F(DamageTest, another_format_is_refused) {
  change_manifest([](std::string& text) { replace(text, "\"format\":1", "\"format\":2"); });
  EXPECT_THAT(refusal(), HasSubstr("has format 2; this program reads 1"));
}

TEST_F(DamageTest, a_topic_of_another_version_is_refused) {
  change_manifest([](std::string& text) { replace(text, R"("texts")", R"("dreams")"); });
  EXPECT_THAT(refusal(), HasSubstr("dreams"));
}

TEST_F(DamageTest, a_manifest_that_leads_elsewhere_or_contradicts_itself_is_refused) {
  const std::string whole = read(path(Manifest::kFile));
  const std::string name = manifest_.objects.front().name;
  const std::string partition =
      R"("partition":)" + std::to_string(manifest_.objects.front().source.partition);
  const std::pair<std::string, std::string> changes[] = {
      {name, "../../" + name},
      {name, ".." + name},
      {partition + R"(,"first")", R"("partition":7,"first")"},
      {R"("records":)", R"("records":9)"},
      {R"("partitions":2)", R"("partitions":0)"},
      {R"("generations":[1])", R"("generations":[0])"},
      {R"("name":")" + manifest_.name, R"("name":"20200101T000000.000Z)"},
      {R"("offset":0)", R"("offset":-1)"},
  };
  for (const auto& [old, by] : changes) {
    ASSERT_TRUE(store_->put(path(Manifest::kFile), whole));
    change_manifest([&](std::string& text) { replace(text, old, by); });
    EXPECT_NE(refusal(), "") << by;
  }
}

TEST_F(DamageTest, records_that_are_not_those_of_the_manifest_are_refused) {
  const BackupObject& object = manifest_.objects.front();
  Record record;
  std::string file = new_record_file();
  for (record.offset = object.last; record.offset >= object.last; --record.offset) {
    append_record(file, record);
  }
  append_record(file, record);  // one back
  RecordFileReader reader{file, object.source};
  Record read_back;
  const auto first = reader.next(read_back);
  ASSERT_TRUE(first && *first);
  const auto second = reader.next(read_back);
  EXPECT_FALSE(second);
  EXPECT_FALSE(RecordFileReader("no records", object.source).next(read_back));
}

TEST_F(DamageTest, every_cut_of_a_record_file_is_seen_or_between_two_records) {
  std::string file = new_record_file();
  Record record;
  record.key = "key";
  record.value = "value";
  record.headers = {{"name", "content"}};
  record.offset = 3;
  append_record(file, record);
  const std::size_t between = file.size();
  record.offset = 9;
  append_record(file, record);
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::string cut = file.substr(0, size);
    RecordFileReader reader{cut, {"t", 0}};
    Record read_back;
    auto next = reader.next(read_back);
    while (next && *next) next = reader.next(read_back);
    EXPECT_EQ(next.has_value(), size == between || size == new_record_file().size()) << size;
  }
}

TEST_F(DamageTest, a_restore_that_meets_damage_late_leaves_the_log_marked) {
  const auto log = new_log();
  change(path(manifest_.objects.front().name), [](std::string& bytes) { bytes.pop_back(); });
  EXPECT_FALSE(restore_backup(*store_, manifest_, *log, system_clock()));
  EXPECT_FALSE(check_whole(*log));
}

TEST_F(DamageTest, old_backups_go_but_never_the_newest_whole_one) {
  const Clock::Wall now = backup_time(manifest_.name) + std::chrono::days{31};
  const std::string cut_off = backup_name(now - std::chrono::hours{25});
  const std::string being_written = backup_name(now - std::chrono::hours{1});
  const std::string older = backup_name(backup_time(manifest_.name) - std::chrono::days{3});
  ASSERT_TRUE(store_->put(cut_off + "/texts-0-000000.records", "x"));
  ASSERT_TRUE(store_->put(being_written + "/texts-0-000000.records", "x"));
  ASSERT_TRUE(store_->put(older + "/" + std::string{Manifest::kFile}, "{}"));
  ASSERT_TRUE(store_->put("of-others/manifest.json", "{}"));
  const auto listed = list_backups(*store_);
  ASSERT_TRUE(listed);
  std::vector<std::pair<std::string, bool>> names;
  for (const StoredBackup& each : *listed) names.emplace_back(each.name, each.whole);
  EXPECT_THAT(names, ElementsAre(std::pair{being_written, false}, std::pair{cut_off, false},
                                 std::pair{manifest_.name, true}, std::pair{older, true}));
  EXPECT_TRUE(
      remove_old_backups(*store_, now - std::chrono::days{1}, std::chrono::days{0})->empty())
      << "0 days: for good";
  const auto removed = remove_old_backups(*store_, now, std::chrono::days{30});
  ASSERT_TRUE(removed);
  EXPECT_THAT(*removed, ElementsAre(cut_off, older));
  EXPECT_EQ(refusal(), "");
  EXPECT_TRUE(store_->get("of-others/manifest.json"));
  EXPECT_FALSE(fs::exists(folder_ / older));
}

TEST(BackupName, is_a_time) {
  const Clock::Wall time{std::chrono::milliseconds{1'795'000'000'123}};
  EXPECT_EQ(backup_name(time), "20261118T110640.123Z");
  EXPECT_EQ(backup_time(backup_name(time)), time);
  for (const char* wrong :
       {"", "20261118T110640Z", "20261118T110640.123", "2026x118T110640.123Z"}) {
    EXPECT_FALSE(is_backup_name(wrong)) << wrong;
  }
  EXPECT_EQ(backup_time("20261399T000000.000Z"), Clock::Wall{});
}

}  // namespace
}  // namespace millrace
