// Dead letters over real sockets and a real log: seen, redriven, purged.
#include "gateway/dead_letters.h"

#include <gmock/gmock.h>

#include "fixture.h"
#include "gateway/stored_letter.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;

constexpr const char* kPath = "/v1/dead-letters";

// What gets there by a table's own thread or the keeper: asked for until it is there, for a minute.
bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
  }
  return true;
}

class DeadLetters : public GatewayTest {
 protected:
  void SetUp() override { start(); }

  static std::string url(const std::string& id) {
    return "/v1/collections/default/documents/" + id;
  }
  void put(const std::string& id, const std::string& text) {
    const Extra plain{"text/plain", {}, {}};
    ASSERT_EQ(call("PUT", url(id), text, plain).status, 202U);
  }
  // The document's newest event.
  Record event_of(const std::string& id) {
    const std::string key = "default/" + id;
    const TopicPartition source{std::string{topics::kDocuments}, partition_for(key, 3)};
    const auto record = log().read_at({source, *log().end_offset(source) - 1});
    EXPECT_TRUE(record && *record && (*record)->key == key);
    return **record;
  }
  // As a stage gives a record up: the letter, and of the document that it failed.
  DeadLetter give_up(const Record& record, const std::string& stage, Clock::Wall at) {
    DeadLetter letter;
    letter.source = record.position();
    letter.source_key = record.key;
    letter.source_headers = record.headers;
    letter.stage = stage;
    letter.error = rejected("it is too large");
    letter.at = at;
    letter.value = record.value;
    letter.value_bytes = static_cast<std::int64_t>(record.value.size());
    append(to_record(letter));
    const auto document = document_ref_from(record);
    if (!document) return letter;
    DocumentProgress failed;
    failed.document = *document;
    failed.state = DocumentProgress::State::failed;
    failed.error = letter.error.message;
    failed.error_stage = stage;
    append(to_record(failed));
    return letter;
  }
  DeadLetter put_and_fail(const std::string& id, const std::string& text = "text") {
    put(id, text);
    return give_up(event_of(id), "extractor", system_clock().wall_now());
  }
  HttpResponse redrive(const DeadLetter& letter) {
    return post(std::string{kPath} + "/" + letter_id(letter.source) + "/redrive", "{}");
  }
  std::string state_of(const DeadLetter& letter) {
    return text_member(get(std::string{kPath} + "/" + letter_id(letter.source)).body, "state");
  }
  std::size_t count(const std::string& conditions) {
    const auto listed = get(std::string{kPath} + "?" + conditions);
    EXPECT_EQ(listed.status, 200U) << listed.body;
    return json::Document::parse(listed.body)->root().member("dead_letters").size();
  }
};

TEST_F(DeadLetters, sends_the_documents_bytes_again_as_a_new_revision) {
  const DeadLetter letter = put_and_fail("d", "the text");
  EXPECT_TRUE(eventually([&] { return text_member(get(url("d")).body, "state") == "failed"; }));
  const std::string before = text_member(get(url("d")).body, "revision");
  const auto redriven = redrive(letter);
  ASSERT_EQ(redriven.status, 202U) << redriven.body;
  EXPECT_EQ(text_member(redriven.body, "state"), "redriven");
  EXPECT_EQ(text_member(get(url("d")).body, "state"), "accepted");
  const Record again = event_of("d");
  EXPECT_EQ(again.header(headers::kRedrivenFrom), letter_id(letter.source));
  const auto event = document_event_from(again);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->content, "the text");
  EXPECT_NE(event->document.revision, before);
  EXPECT_EQ(text_member(get(url("d")).body, "revision"), event->document.revision);
  EXPECT_EQ(state_of(letter), "redriven");
  start_stages();
  EXPECT_EQ(stream(url("d") + "/events").back().event, "indexed");
  const auto twice = redrive(letter);
  EXPECT_EQ(twice.status, 409U);
  EXPECT_THAT(problem_detail(twice), HasSubstr(event->document.revision));
  EXPECT_THAT(metrics_.render(), HasSubstr("dead_letters_redriven_total 1"));
}

TEST_F(DeadLetters, of_later_stages_send_the_document_from_its_beginning) {
  put("d", "the text");
  const auto document = document_ref_from(event_of("d"));
  ASSERT_TRUE(document);
  for (Record record : {to_record(TextEvent{*document, false, {}, 0, "the text"}),
                        to_record(TextEvent{*document, false, {}, 0, "damaged"})}) {
    record.value += record.value.ends_with("damaged") ? " indeed" : "";
    record.partition = 0;
    record.offset = record.value.ends_with("indeed") ? 6 : 5;
    give_up(record, "chunker", system_clock().wall_now());
  }
  EXPECT_EQ(count("topic=texts&state=waiting"), 2U);
  const auto redriven = post(std::string{kPath} + "/texts~0~6/redrive", "{}");
  ASSERT_EQ(redriven.status, 202U) << redriven.body;
  EXPECT_EQ(document_event_from(event_of("d"))->content, "the text");
  EXPECT_EQ(count("topic=texts&state=waiting"), 0U) << "both are of this document";
  EXPECT_EQ(count("topic=texts&state=redriven"), 2U);
}

TEST_F(DeadLetters, bring_back_nothing_that_was_replaced_deleted_or_indexed) {
  const DeadLetter replaced = put_and_fail("replaced");
  const DeadLetter deleted = put_and_fail("deleted");
  const DeadLetter indexed = put_and_fail("indexed");
  put("replaced", "newer");
  const std::string newer = text_member(get(url("replaced")).body, "revision");
  ASSERT_EQ(call("DELETE", url("deleted")).status, 202U);
  const auto document = document_ref_from(indexed.source_record());
  DocumentProgress done;
  done.document = *document;
  done.state = DocumentProgress::State::indexed;
  append(to_record(done));
  EXPECT_THAT(problem_detail(redrive(replaced)), HasSubstr("was replaced by revision"));
  EXPECT_THAT(problem_detail(redrive(deleted)), HasSubstr("was deleted"));
  EXPECT_THAT(problem_detail(redrive(indexed)), HasSubstr("is indexed"));
  EXPECT_EQ(text_member(get(url("replaced")).body, "revision"), newer);
  for (const DeadLetter& each : {replaced, deleted, indexed}) {
    EXPECT_EQ(redrive(each).status, 409U);
    EXPECT_EQ(state_of(each), "waiting");
  }
  const auto all = post(std::string{kPath} + "/redrive", R"({"all":true})");
  EXPECT_THAT(all.body, HasSubstr(R"("redriven":0,"skipped":3,"remaining":0)"));
}

TEST_F(DeadLetters, of_no_document_can_only_be_purged) {
  Record question = to_record(Query{});
  question.partition = 1;
  question.offset = 3;
  const DeadLetter of_question = give_up(question, "query-embedder", system_clock().wall_now());
  Record unreadable = to_record(DocumentEvent{});
  unreadable.key = "default/nobody";
  unreadable.partition = 0;
  unreadable.offset = 77;
  const DeadLetter of_nobody = give_up(unreadable, "extractor", system_clock().wall_now());
  const auto asked = redrive(of_question);
  EXPECT_EQ(asked.status, 409U);
  EXPECT_THAT(problem_detail(asked), HasSubstr("ask again"));
  const auto unknown = redrive(of_nobody);
  EXPECT_EQ(unknown.status, 409U);
  EXPECT_THAT(problem_detail(unknown), HasSubstr("cannot be read"));
  for (const DeadLetter& each : {of_question, of_nobody}) {
    const std::string path = std::string{kPath} + "/" + letter_id(each.source);
    EXPECT_EQ(call("DELETE", path).status, 200U);
    EXPECT_EQ(get(path).status, 404U);
    EXPECT_EQ(redrive(each).status, 404U);
  }
  EXPECT_THAT(metrics_.render(), HasSubstr("dead_letters_purged_total 2"));
}

TEST_F(DeadLetters, keep_large_records_byte_for_byte) {
  std::string bytes;
  for (int i = 0; i < 3'000'000; ++i) bytes.push_back(static_cast<char>(i * 7 / 3));
  const DeadLetter letter = put_and_fail("large", bytes);
  const auto whole = get(std::string{kPath} + "/" + letter_id(letter.source) + "/bytes");
  ASSERT_EQ(whole.status, 200U);
  EXPECT_TRUE(whole.body == letter.value);
  EXPECT_TRUE(whole.body.ends_with(bytes));
  EXPECT_EQ(whole.headers.at("content-type"), "application/octet-stream");
  EXPECT_EQ(whole.headers.at("x-content-type-options"), "nosniff");
  EXPECT_EQ(redrive(letter).status, 202U);
  EXPECT_TRUE(document_event_from(event_of("large"))->content == bytes);
}

TEST_F(DeadLetters, are_listed_newest_first_by_conditions_and_pages) {
  const auto now = system_clock().wall_now();
  for (int i = 0; i < 5; ++i) {
    put("d" + std::to_string(i), "text");
    give_up(event_of("d" + std::to_string(i)), i < 2 ? "extractor" : "indexer",
            now - std::chrono::hours{i});
  }
  EXPECT_TRUE(eventually([&] { return count("") == 5; }));
  EXPECT_EQ(count("stage=indexer"), 3U);
  EXPECT_EQ(count("stage=indexer&document=d4&collection=default&kind=rejected&state=waiting"), 1U);
  EXPECT_EQ(count("topic=texts"), 0U);
  EXPECT_EQ(count("kind=fatal"), 0U);
  EXPECT_EQ(count("collection=other"), 0U);
  const std::string at = format_time(now - std::chrono::hours{2});
  EXPECT_EQ(count("before=" + at), 2U);
  EXPECT_EQ(count("after=" + at), 3U);
  EXPECT_EQ(count("after=1970-01-01&before=1970-01-01"), 0U);
  std::string next;
  for (int i = 0; i < 5; ++i) {
    const auto page = get(std::string{kPath} + "?limit=1" + next);
    const auto parsed = json::Document::parse(page.body);
    const json::Value letter = parsed->root().member("dead_letters")[0];
    EXPECT_EQ(letter.member("document_id").as_string(), "d" + std::to_string(i));
    EXPECT_EQ(parsed->root().member("next").exists(), i < 4);
    if (i < 4) next = "&cursor=" + text_member(page.body, "next");
  }
}

TEST_F(DeadLetters, that_are_over_or_damaged_are_not_there) {
  put("old", "text");
  put("young", "text");
  const auto now = system_clock().wall_now();
  const DeadLetter old = give_up(event_of("old"), "extractor", now - std::chrono::days{31});
  give_up(event_of("young"), "embedder", now - std::chrono::days{29});
  Record other_key = to_record(old);
  other_key.key = "documents:0:999";
  append(other_key);
  other_key.key = "documents:0:998";
  other_key.value = "{";
  append(other_key);
  EXPECT_TRUE(eventually([&] { return count("") == 1; }));
  EXPECT_EQ(get(std::string{kPath} + "/" + letter_id(old.source)).status, 404U);
  EXPECT_EQ(get(std::string{kPath} + "/documents~0~999").status, 404U);
  EXPECT_TRUE(eventually([&] {
    return metrics_.render().find("dead_letters_waiting{stage=\"embedder\"} 1") !=
           std::string::npos;
  }));
  EXPECT_THAT(metrics_.render(), HasSubstr("dead_letters_waiting{stage=\"extractor\"} 0"));
}

TEST_F(DeadLetters, survive_a_restart_of_the_gateway) {
  const DeadLetter letter = put_and_fail("d");
  restart();
  EXPECT_TRUE(eventually([&] { return count("state=waiting") == 1; }));
  EXPECT_TRUE(eventually([&] { return redrive(letter).status == 202; }));
}

TEST_F(DeadLetters, requests_about_them_are_read_strictly) {
  const std::string one = std::string{kPath} + "/documents~0~1";
  for (const char* wrong :
       {"state=lost", "kind=bad", "limit=0", "limit=1001", "after=noon", "before=-1",
        "collection=A", "stage=", "cursor=x", "cursor=1~a~0~0", "unknown=1", "after=1969-01-01"}) {
    const auto refused = get(std::string{kPath} + "?" + wrong);
    EXPECT_EQ(refused.status, 400U) << wrong;
  }
  for (const char* id : {"x", "~~", "documents~0", "documents~-1~1", "documents~0~1~2~",
                         "a%20b~0~1", "documents~0~99999999999999999999", "~0~1"}) {
    EXPECT_EQ(get(std::string{kPath} + "/" + id).status, 400U) << id;
  }
  EXPECT_EQ(get(one).status, 404U);
  EXPECT_EQ(get(one + "/bytes").status, 404U);
  EXPECT_EQ(call("DELETE", one).status, 404U);
  for (const char* path : {"/redrive", "/purge"}) {
    for (const char* wrong :
         {"", "{}", "[]", R"({"all":false})", R"({"all":true,"stage":"x"})", R"({"all":1})",
          R"({"stage":""})", R"({"all":true,"limit":0})", R"({"all":true,"limit":1001})",
          R"({"all":true,"cursor":"x"})", R"({"all":true,"more":1})", R"({"kind":["rejected"]})"}) {
      EXPECT_EQ(post(std::string{kPath} + path, wrong).status, 400U) << path << " " << wrong;
    }
    EXPECT_EQ(post(std::string{kPath} + path, R"({"all":true})").status / 100, 2U) << path;
  }
}

class DeadLetterRights : public GatewayTest {};

TEST_F(DeadLetterRights, are_of_admins_of_all_collections) {
  options().api_keys = {{"read", sha256_hex("k-reader"), "reader", {}, {}},
                        {"write", sha256_hex("k-writer"), "writer", {}, {}},
                        {"root", sha256_hex("k-admin"), "admin", {}, {}},
                        {"shelf", sha256_hex("k-shelf"), "admin", {"default"}, {}}};
  start();
  const std::string one = std::string{kPath} + "/documents~0~1";
  const std::tuple<const char*, std::string, std::string> requests[] = {
      {"GET", kPath, ""},
      {"GET", one, ""},
      {"GET", one + "/bytes", ""},
      {"POST", one + "/redrive", ""},
      {"DELETE", one, ""},
      {"POST", std::string{kPath} + "/redrive", R"({"all":true})"},
      {"POST", std::string{kPath} + "/purge", R"({"all":true})"}};
  for (const auto& [verb, path, body] : requests) {
    for (const char* key : {"k-reader", "k-writer", "k-shelf"}) {
      const Extra extra{"application/json", key, {}};
      EXPECT_EQ(call(verb, path, body, extra).status, 403U) << key << " " << verb << " " << path;
    }
    const Extra admin{"application/json", "k-admin", {}};
    EXPECT_NE(call(verb, path, body, admin).status, 403U) << verb << " " << path;
  }
}

}  // namespace
}  // namespace millrace
