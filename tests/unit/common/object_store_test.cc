#include "common/object_store.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "common/ids.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FolderStoreTest : public ::testing::Test {
 protected:
  ~FolderStoreTest() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  std::vector<std::string> names(const std::string& prefix = "") const {
    std::vector<std::string> names;
    const auto listed = store_->list(prefix);
    EXPECT_TRUE(listed) << listed.error().message;
    for (const StoredObject& each : *listed) names.push_back(each.name);
    return names;
  }

  const fs::path folder_ =
      fs::temp_directory_path() / ("millrace-store-" + new_ulid(system_clock()));
  const std::unique_ptr<ObjectStore> store_ = open_folder_store(folder_.string() + "/");
};

TEST_F(FolderStoreTest, gives_back_what_was_put) {
  EXPECT_TRUE(names().empty()) << "a folder that is not there is an empty place";
  const std::string bytes{"a\0b\n", 4};
  ASSERT_TRUE(store_->put("one/a", bytes));
  ASSERT_TRUE(store_->put("one/b", ""));
  ASSERT_TRUE(store_->put("two/a", "x"));
  EXPECT_EQ(*store_->get("one/a"), bytes);
  EXPECT_EQ(*store_->get("one/b"), "");
  ASSERT_TRUE(store_->put("one/a", "new"));
  EXPECT_EQ(*store_->get("one/a"), "new");
  EXPECT_THAT(names(), ElementsAre("one/a", "one/b", "two/a"));
  EXPECT_THAT(names("one/"), ElementsAre("one/a", "one/b"));
  EXPECT_EQ(store_->get("one/c").error().kind, Error::Kind::rejected);
}

TEST_F(FolderStoreTest, removes_objects_and_folders_that_are_empty_then) {
  ASSERT_TRUE(store_->put("one/a", "x"));
  ASSERT_TRUE(store_->put("one/b", "x"));
  EXPECT_TRUE(store_->remove("one/a"));
  EXPECT_TRUE(fs::exists(folder_ / "one"));
  EXPECT_TRUE(store_->remove("one/b"));
  EXPECT_FALSE(fs::exists(folder_ / "one"));
  EXPECT_TRUE(store_->remove("one/b")) << "once more";
  EXPECT_TRUE(fs::exists(folder_));
}

TEST_F(FolderStoreTest, shows_no_file_that_was_cut_off) {
  fs::create_directories(folder_ / "one");
  std::ofstream{folder_ / "one" / "a.unfinished"} << "x";
  EXPECT_TRUE(names().empty());
}

TEST_F(FolderStoreTest, says_where_it_cannot_write) {
  std::ofstream{folder_} << "a file";
  const Status written = store_->put("one/a", "x");
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message, HasSubstr(folder_.string()));
  fs::remove(folder_);
}

std::string mistake(const std::string& location, const S3Options& options) {
  const auto opened = open_object_store(location, options, system_clock());
  return opened ? "" : opened.error().message;
}

TEST(OpenObjectStore, says_what_a_location_is) {
  S3Options options;
  EXPECT_THAT(mistake("", options), HasSubstr("s3://BUCKET/PREFIX"));
  EXPECT_THAT(mistake("http://host/bucket", options), HasSubstr("s3://BUCKET/PREFIX"));
  EXPECT_THAT(mistake("s3://bucket/a", options), HasSubstr("AWS_ACCESS_KEY_ID"));
  options.access_key_id = "id";
  options.secret_access_key = "key";
  EXPECT_EQ(mistake("s3://bucket/a", options), "");
  EXPECT_THAT(mistake("s3://", options), HasSubstr("names no bucket"));
  EXPECT_THAT(mistake("s3://b%20/a", options), HasSubstr("names no bucket"));
  options.endpoint = "ftp://host";
  EXPECT_THAT(mistake("s3://bucket/a", options), HasSubstr("s3_endpoint"));
}

TEST(OpenObjectStore, names_objects_in_messages) {
  S3Options options;
  options.access_key_id = "id";
  options.secret_access_key = "key";
  const auto store = open_object_store("s3://bucket/a/b/", options, system_clock());
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->where("x/y"), "s3://bucket/a/b/x/y");
  EXPECT_EQ((*open_object_store("s3://bucket", options, system_clock()))->where("x"),
            "s3://bucket/x");
}

}  // namespace
}  // namespace millrace
