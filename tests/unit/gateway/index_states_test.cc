// What callers are told of the index and of counts: only of documents that they may see.
#include <gmock/gmock.h>

#include "fixture.h"
#include "schemas/index_state.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

IndexState state_of(int generation, std::int32_t partition) {
  IndexState state{
      .generation = generation, .partition = partition, .position = 9, .at = {}, .counts = {}};
  state.counts.all = {5, 50};
  state.counts.collections = {{"books", {2, 20}}, {"default", {3, 30}}};
  state.counts.segments = 4;
  state.counts.disk_bytes = 1'000;
  state.counts.memory_bytes = 100;
  state.counts.merges = 7;
  return state;
}

// What gets there by a table's own thread: asked for until it is there, for a minute.
bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

class IndexStates : public GatewayTest {
 protected:
  void SetUp() override {
    options().api_keys = {{"read", sha256_hex("k-reader"), "reader", {}, {}},
                          {"staff", sha256_hex("k-staff"), "reader", {}, {"staff"}},
                          {"write", sha256_hex("k-writer"), "writer", {}, {"staff"}},
                          {"root", sha256_hex("k-admin"), "admin", {}, {}},
                          {"shelf", sha256_hex("k-shelf"), "admin", {"books"}, {}}};
    append(to_record(state_of(1, 0)));
    append(to_record(state_of(1, 1)));
    append(to_record(state_of(2, 0)));  // another generation's
    start();
    start_stages();
    add("books", R"({"id":"open","text":"x"},{"id":"hidden","text":"y","allow":["staff"]})");
    add("default", R"({"id":"secret","text":"z","allow":["staff"]})");
    EXPECT_TRUE(eventually([this] {
      return readiness_.ready() && indexed("books", "open") && indexed("books", "hidden") &&
             indexed("default", "secret");
    }));
  }
  void add(const std::string& collection, const std::string& documents) {
    const Extra writer{"application/json", "k-writer", {}};
    const std::string body = R"({"documents":[)" + documents + "]}";
    EXPECT_EQ(call("POST", "/v1/collections/" + collection + "/documents", body, writer).status,
              202U);
  }
  bool indexed(const std::string& collection, const std::string& id) {
    const std::string path = "/v1/collections/" + collection + "/documents/" + id;
    return text_member(get_as("k-admin", path), "state") == "indexed";
  }
  std::string get_as(const std::string& key, const std::string& path) {
    Extra extra{"", key, {}};
    const HttpResponse response = call("GET", path, {}, extra);
    EXPECT_EQ(response.status, 200U) << path << " " << response.body;
    return response.body;
  }
};

constexpr const char* kSegments =
    R"("segments":8,"disk_bytes":2000,"memory_bytes":200,"merges":14})";

TEST_F(IndexStates, are_summed_over_the_partitions_of_the_generation_that_serves) {
  EXPECT_THAT(get_as("k-admin", "/v1/collections/books"),
              HasSubstr(R"("index":{"documents":4,"chunks":40,)" + std::string{kSegments}));
  EXPECT_THAT(get_as("k-admin", "/v1/collections"),
              HasSubstr(R"("index":{"documents":6,"chunks":60,)" + std::string{kSegments}));
  EXPECT_THAT(get_as("k-admin", "/stats"),
              HasSubstr(R"("index":{"documents":10,"chunks":100,)" + std::string{kSegments}));
}

TEST_F(IndexStates, are_shown_only_to_who_sees_every_document_of_every_collection) {
  for (const char* key : {"k-reader", "k-staff", "k-writer"}) {
    for (const char* path : {"/v1/collections", "/v1/collections/books", "/stats"}) {
      EXPECT_THAT(get_as(key, path), Not(HasSubstr("index"))) << key << " " << path;
    }
  }
  for (const char* path : {"/v1/collections", "/v1/collections/books"}) {
    EXPECT_THAT(get_as("k-shelf", path), Not(HasSubstr("\"index\""))) << path;
  }
}

TEST_F(IndexStates, counts_are_of_the_documents_that_the_caller_may_see) {
  for (const char* path : {"/v1/collections", "/v1/collections/books"}) {
    EXPECT_THAT(get_as("k-reader", path), HasSubstr(R"("documents":1,"chunks":1,)")) << path;
    EXPECT_THAT(get_as("k-staff", path), HasSubstr(R"("documents":2,"chunks":2,)")) << path;
    EXPECT_THAT(get_as("k-admin", path), HasSubstr(R"("documents":2,"chunks":2,)")) << path;
  }
  EXPECT_THAT(get_as("k-staff", "/stats"), HasSubstr(R"("documents":1,"chunks":1,)"));
  EXPECT_THAT(get_as("k-reader", "/stats"), HasSubstr(R"("documents":0,"chunks":0,)"));
}

TEST_F(IndexStates, have_newer_figures_when_the_indexer_writes_them) {
  IndexState grown = state_of(1, 1);
  grown.counts.collections["books"] = {10, 100};
  append(to_record(grown));
  EXPECT_TRUE(eventually([this] {
    return get_as("k-admin", "/v1/collections/books").find(R"("index":{"documents":12,)") !=
           std::string::npos;
  }));
}

TEST_F(IndexStates, damaged_ones_are_passed_over) {
  Record damaged = to_record(state_of(1, 1));
  damaged.value = R"({"generation":1})";
  append(damaged);
  IndexState later = state_of(1, 2);
  append(to_record(later));
  EXPECT_TRUE(eventually([this] {
    return get_as("k-admin", "/v1/collections/books").find(R"("index":{"documents":6,)") !=
           std::string::npos;
  }));
}

}  // namespace
}  // namespace millrace
