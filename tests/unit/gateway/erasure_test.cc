// Deleted documents are erased, old ones deleted: over real sockets and a real log.
#include "schemas/erasure.h"

#include <gmock/gmock.h>

#include "fixture.h"
#include "schemas/dead_letter.h"
#include "tests/support/raw_search.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr const char* kMark = "zqvxkwjqhzbf-the-mark-of-a-document";

// What becomes of a removal in the background: asked for until it is there, for a minute.
bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

class Erasure : public GatewayTest {
 protected:
  void SetUp() override {
    options().erase_within = std::chrono::seconds{1};
    start();
    start_stages();
  }
  static std::string url(const std::string& id, const std::string& collection = "default") {
    return "/v1/collections/" + collection + "/documents/" + id;
  }
  std::string state_of(const std::string& id, const std::string& collection = "default") {
    return text_member(get(url(id, collection)).body, "state");
  }
  void erase(const std::string& id) {
    ASSERT_EQ(call("DELETE", url(id)).status, 202U);
    ASSERT_TRUE(eventually([&] { return state_of(id) == "erased"; })) << state_of(id);
  }
};

TEST_F(Erasure, nothing_of_a_document_is_left_but_that_it_was_there) {
  index_text("default", "d1", std::string{"The mill grinds rye. "} + kMark);
  index_text("default", "other", "The ferry carries sheep.");
  const std::string asked =
      post("/v1/collections/default/queries?wait=true", R"({"question":"What drives it?"})").body;
  const std::string query = "/v1/queries/" + text_member(asked, "id");
  ASSERT_TRUE(
      eventually([&] { return get(query).body.find("The wheel [1]") != std::string::npos; }));
  DeadLetter letter;
  letter.source = {{std::string{topics::kDocuments}, 0}, 999};
  letter.source_key = "default/d1";
  letter.stage = "extractor";
  letter.error = rejected("too large");
  letter.at = system_clock().wall_now();
  letter.value = kMark;
  letter.value_bytes = 35;
  append(to_record(letter));
  ASSERT_TRUE(eventually(
      [&] { return get("/v1/dead-letters").body.find("too large") != std::string::npos; }));
  ASSERT_THAT(files_with(options().data_dir, kMark), Not(IsEmpty()));

  erase("d1");
  EXPECT_THAT(files_with(options().data_dir, kMark), IsEmpty());
  const std::string status = get(url("d1")).body;
  EXPECT_EQ(text_member(status, "title"), "");
  EXPECT_THAT(get(query).body, HasSubstr(std::string{kErasedAnswer}));
  EXPECT_THAT(get(query).body, Not(HasSubstr("The race")));
  std::string streamed;
  for (const ServerSentEvent& each : stream(query + "/events")) streamed += each.data;
  EXPECT_THAT(streamed, HasSubstr(std::string{kErasedAnswer}));
  EXPECT_THAT(streamed, Not(HasSubstr("The race")));
  EXPECT_THAT(get("/v1/dead-letters").body, Not(HasSubstr("too large")));
  EXPECT_EQ(state_of("other"), "indexed");
  EXPECT_THAT(get("/v1/collections/default/documents").body, Not(HasSubstr("\"d1\"")));
  EXPECT_THAT(get("/v1/collections/default/documents?state=erased").body, HasSubstr("\"d1\""));
  EXPECT_EQ(call("DELETE", url("d1")).status, 404U);
  EXPECT_THAT(metrics_.render(), HasSubstr("erasure_documents_total 1"));

  const std::string check = "/v1/collections/default/erasure-check";
  const std::string found =
      post(check, std::string{R"({"documents":["d1"],"texts":[")"} + kMark + R"("]})").body;
  EXPECT_THAT(found, HasSubstr(R"("clean":true)"));
  EXPECT_THAT(post(check, R"({"documents":["other"]})").body,
              AllOf(HasSubstr(R"("clean":false)"), HasSubstr("topic documents"),
                    HasSubstr("topic texts"), HasSubstr("topic document-events")));
}

TEST_F(Erasure, is_the_same_after_a_restart_and_when_the_tables_are_made_anew) {
  index_text("default", "d1", "The mill grinds rye.");
  index_text("default", "kept", "The ferry carries sheep.");
  erase("d1");
  restart();
  EXPECT_EQ(state_of("d1"), "erased");
  options().data_dir /= "elsewhere";
  restart();
  ASSERT_TRUE(eventually([&] { return get(url("d1")).status == 200; }));
  EXPECT_TRUE(eventually([&] { return state_of("d1") == "erased"; })) << state_of("d1");
  EXPECT_TRUE(eventually([&] { return state_of("kept") == "indexed"; }));
}

TEST_F(Erasure, a_document_that_is_added_again_is_there) {
  index_text("default", "d1", "The mill grinds rye.");
  erase("d1");
  index_text("default", "d1", "The mill grinds oats.");
  EXPECT_EQ(state_of("d1"), "indexed");
}

TEST_F(Erasure, waits_for_searches_and_answers_that_had_begun) {
  index_text("default", "d1", "The mill grinds rye.");
  PassagesEvent passages;  // nobody has read it: an answerer may still write of it
  passages.query.query_id = "q";
  append(to_record(passages));
  ASSERT_EQ(call("DELETE", url("d1")).status, 202U);
  const std::string waiting = "\nerasure_waiting_documents 1\n";
  ASSERT_TRUE(eventually([&] { return metrics_.render().find(waiting) != std::string::npos; }));
  ASSERT_TRUE(eventually(
      [&] { return metrics_.render().find("\nerasure_oldest_seconds 0\n") == std::string::npos; }));
  EXPECT_EQ(state_of("d1"), "deleted");
  auto session = log().open_session({.group = std::string{groups::kAnswerer},
                                     .topics = {std::string{topics::kPassages}},
                                     .exactly_once = false});
  ASSERT_TRUE(session) << session.error().message;
  Offsets read;
  while (read.empty()) {
    const auto records = (*session)->poll(10, 1U << 20U, std::chrono::milliseconds{100});
    ASSERT_TRUE(records);
    for (const Record& each : *records) read[{each.topic, each.partition}] = each.offset + 1;
  }
  ASSERT_TRUE((*session)->commit({}, read));
  EXPECT_TRUE(eventually([&] { return state_of("d1") == "erased"; }));
}

TEST_F(Erasure, documents_older_than_their_collection_keeps_them_are_deleted) {
  const std::string collection = "/v1/collections/minutes";
  ASSERT_EQ(call("PUT", collection, R"({"retention_days":30})").status, 201U);
  EXPECT_THAT(get(collection).body, HasSubstr(R"("retention_days":30)"));
  index_text("minutes", "new", "The meeting begins.");
  DocumentEvent old;
  old.document.collection = "minutes";
  old.document.document_id = "old";
  old.document.revision = new_ulid(system_clock());
  old.document.accepted_at = system_clock().wall_now() - std::chrono::hours{24 * 31};
  old.content = "The meeting is over.";
  append(to_record(old));  // of a month ago; the stages take it from there
  EXPECT_TRUE(eventually([&] {
    return get(url("old", "minutes")).status == 200 && state_of("old", "minutes") == "erased";
  }));
  EXPECT_EQ(state_of("new", "minutes"), "indexed");
  EXPECT_THAT(metrics_.render(), HasSubstr("retention_documents_total 1"));
  EXPECT_EQ(call("PUT", collection, R"({"retention_days":-1})").status, 400U);
  EXPECT_EQ(call("PUT", collection, R"({"retention_days":40000})").status, 400U);
}

TEST_F(Erasure, a_check_says_what_is_wrong_with_its_question) {
  const std::string check = "/v1/collections/default/erasure-check";
  EXPECT_THAT(problem_detail(post(check, R"({})")), HasSubstr("documents"));
  EXPECT_THAT(problem_detail(post(check, R"({"documents":[]})")), HasSubstr("1 to 1000"));
  EXPECT_THAT(problem_detail(post(check, R"({"documents":["a"],"texts":["short"]})")),
              HasSubstr("12 to 512"));
  EXPECT_THAT(problem_detail(post(check, R"({"documents":["a"],"text":[]})")), HasSubstr("texts"));
}

TEST_F(Erasure, a_text_that_another_document_has_proves_nothing) {
  index_text("default", "one", "The mill of the count grinds rye.");
  index_text("default", "two", "The mill of the count grinds rye.");
  erase("one");
  const std::string found =
      post("/v1/collections/default/erasure-check",
           R"({"documents":["one"],"texts":["The mill of the count","never said by anybody"]})")
          .body;
  EXPECT_THAT(found, HasSubstr(R"("clean":true)"));
  EXPECT_THAT(found, HasSubstr(R"("said_by_others":[0])"));
}

}  // namespace
}  // namespace millrace
