// Backups over real sockets and a real log: begun, seen, refused.
#include "gateway/backups.h"

#include <gmock/gmock.h>

#include <fstream>

#include "fixture.h"
#include "gateway/backup/restore.h"
#include "schemas/restore.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPath = "/v1/backups";

class Backups : public GatewayTest {
 protected:
  ~Backups() override {
    std::error_code ignored;
    std::filesystem::remove_all(place_, ignored);
  }
  void start_with_place() {
    options().backups.to = place_.string();
    options().backups.log = "embedded";
    start();
  }
  json::Document listed() {
    auto document = json::Document::parse(get(kPath).body);
    EXPECT_TRUE(document);
    return std::move(*document);
  }
  // The list once nothing runs any more; waits a minute for that.
  json::Document settled() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    json::Document list = listed();
    while (list.root().member("running").exists() && std::chrono::steady_clock::now() < deadline) {
      list = listed();
    }
    return list;
  }

  const std::filesystem::path place_ =
      std::filesystem::temp_directory_path() / ("millrace-backups-" + new_ulid(system_clock()));
};

TEST_F(Backups, are_written_when_asked_for) {
  start_with_place();
  start_stages();
  index_text("default", "a", "words");
  EXPECT_EQ(get(kPath).body, R"({"location":")" + place_.string() + R"(","backups":[]})");
  const HttpResponse begun = post(kPath, "");
  ASSERT_EQ(begun.status, 202U) << begun.body;
  const std::string name = text_member(begun.body, "name");
  const json::Document list = settled();
  const json::Value backups = list.root().member("backups");
  ASSERT_EQ(backups.size(), 1U);
  EXPECT_EQ(backups[0].member("name").as_string(), name);
  EXPECT_EQ(backups[0].member("state").as_string(), "whole");
  EXPECT_THAT(metrics_.render(), HasSubstr("backups_total{outcome=\"done\"} 1"));
  const auto store = open_folder_store(place_.string());
  const auto manifest = read_manifest(*store, name);
  ASSERT_TRUE(manifest) << manifest.error().message;
  EXPECT_TRUE(verify_backup(*store, *manifest));
  EXPECT_GT(backups[0].member("bytes").as_integer(), manifest->bytes()) << "and the manifest";
}

TEST_F(Backups, that_fail_say_why_and_leave_nothing) {
  start_with_place();
  { std::ofstream{place_} << "where a folder should be"; }
  append(to_record(DocumentEvent{}));
  ASSERT_EQ(post(kPath, "").status, 202U);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  while (metrics_.render().find("backups_total{outcome=\"failed\"} 1") == std::string::npos) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  std::filesystem::remove(place_);
  const json::Document list = settled();
  ASSERT_TRUE(list.root().member("failed").exists());
  EXPECT_THAT(std::string{list.root().member("failed").member("error").as_string()},
              HasSubstr(place_.string()));
  EXPECT_EQ(list.root().member("backups").size(), 0U);
}

TEST_F(Backups, need_a_place) {
  start();
  const HttpResponse refused = post(kPath, "");
  EXPECT_EQ(refused.status, 409U);
  EXPECT_THAT(problem_detail(refused), HasSubstr("backup_to"));
  EXPECT_EQ(get(kPath).body, R"({"backups":[]})");
}

TEST_F(Backups, refuse_settings_that_make_no_sense) {
  const auto mistake = [this] {
    const auto gateway = Gateway::start(options(), log(), system_clock(), metrics_, readiness_);
    return gateway ? std::string{} : gateway.error().message;
  };
  options().backups.every = std::chrono::hours{24};
  EXPECT_THAT(mistake(), HasSubstr("backup_every_hours without backup_to"));
  options().backups.to = "s3://bucket";
  EXPECT_THAT(mistake(), HasSubstr("AWS_ACCESS_KEY_ID"));
  EXPECT_FALSE(Gateway::check(options()));
}

TEST_F(Backups, are_for_admins_of_all_collections) {
  options().api_keys = {{"some", sha256_hex("k-some"), "admin", {"docs"}, {}},
                        {"all", sha256_hex("k-all"), "admin", {}, {}},
                        {"write", sha256_hex("k-writer"), "writer", {}, {}}};
  start_with_place();
  for (const char* key : {"k-some", "k-writer"}) {
    const Extra extra{"application/json", key, {}};
    EXPECT_EQ(call("POST", kPath, {}, extra).status, 403U) << key;
    EXPECT_EQ(call("GET", kPath, {}, extra).status, 403U) << key;
  }
  EXPECT_EQ(call("GET", kPath, {}, {"application/json", "k-all", {}}).status, 200U);
}

TEST_F(Backups, a_gateway_does_not_start_on_a_half_restored_log) {
  append(to_record(RestoreEvent{"20261122T173000.000Z", RestoreEvent::State::running, {}}));
  const auto gateway = Gateway::start(options(), log(), system_clock(), metrics_, readiness_);
  ASSERT_FALSE(gateway);
  EXPECT_EQ(gateway.error().kind, Error::Kind::rejected);
  EXPECT_THAT(gateway.error().message, HasSubstr("20261122T173000.000Z"));
}

}  // namespace
}  // namespace millrace
