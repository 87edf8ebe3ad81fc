// What tests/integration/rights_test.py cannot make happen at will: a document that is hidden while
// somebody looks at it, and a list with more hidden documents than one request looks at.
#include <gmock/gmock.h>

#include "fixture.h"

namespace millrace {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class HiddenDocuments : public GatewayTest {
 protected:
  void SetUp() override {
    options().api_keys = {{"read", sha256_hex("k-reader"), "reader", {}, {}},
                          {"staff", sha256_hex("k-staff"), "writer", {}, {"staff"}}};
    start();
  }
  void add(const std::string& title, const std::string& allow) {
    const Extra staff{"application/json", "k-staff", {}};
    const std::string body = R"({"documents":[{"id":"d","text":"x","title":")" + title +
                             R"(","allow":[)" + allow + "]}]}";
    ASSERT_EQ(call("POST", "/v1/collections/books/documents", body, staff).status, 202U);
  }
  static DocumentProgress accepted(const std::string& id, std::int64_t sequence) {
    DocumentProgress progress;
    progress.document.collection = "books";
    progress.document.document_id = id;
    progress.document.revision = "01JD0000000000000000000000";
    progress.document.sequence = sequence;
    progress.document.allow = {"staff"};
    return progress;
  }
  // What was appended gets to the gateway's table in its own time.
  void wait_for_status(const std::string& key, const std::string& id, unsigned status) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    while (get_as(key, "/v1/collections/books/documents/" + id).status != status) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    }
  }
  HttpResponse get_as(const std::string& key, const std::string& path) {
    return call("GET", path, {}, {"", key, {}});
  }
  // All of a stream; `first` is called at its first event.
  std::vector<ServerSentEvent> heard(const std::string& key, const std::string& path,
                                     const std::function<void()>& first) {
    std::vector<ServerSentEvent> events;
    EventStreamParser parser{[&](const ServerSentEvent& event) {
      events.push_back(event);
      if (events.size() == 1) first();
      return true;
    }};
    HttpRequest request;
    request.url = "http://127.0.0.1:" + std::to_string(gateway().port()) + path;
    request.headers = {{"Accept", "text/event-stream"}, {"X-API-Key", key}};
    const auto response = http_exchange_blocking(
        std::move(request), [&](std::string_view piece) { return parser.feed(piece); });
    EXPECT_TRUE(response) << response.error().message;
    return events;
  }
};

TEST_F(HiddenDocuments, leave_the_stream_of_who_may_not_see_the_new_revision) {
  add("open", "");
  const auto hide = [this] {
    add("secret", R"("staff")");
    start_stages();
  };
  const auto events = heard("k-reader", "/v1/collections/books/documents/d/events", hide);
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0].event, "accepted");
  EXPECT_EQ(events[1].event, "closed");
  EXPECT_EQ(events[1].data, R"({"reason":"not_found"})");
}

TEST_F(HiddenDocuments, stay_in_the_stream_of_who_may) {
  add("open", "");
  const auto hide = [this] {
    add("secret", R"("staff")");
    start_stages();
  };
  const auto events = heard("k-staff", "/v1/collections/books/documents/d/events", hide);
  EXPECT_EQ(events.back().event, "indexed");
  EXPECT_THAT(events.back().data, HasSubstr("secret"));
}

TEST_F(HiddenDocuments, have_no_text_from_the_moment_that_they_are_accepted) {
  start_stages();
  add("open", "");
  const auto none = [] {};
  heard("k-staff", "/v1/collections/books/documents/d/events", none);
  const std::string url = "/v1/collections/books/documents/d/text";
  ASSERT_EQ(get_as("k-reader", url).status, 200U);
  DocumentProgress progress = accepted("d", 1'000);  // and its text has not been extracted yet
  progress.document.revision = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ";
  append(to_record(progress));
  wait_for_status("k-reader", "d", 404U);
  EXPECT_EQ(get_as("k-staff", url).status, 200U);
  EXPECT_EQ(get_as("k-reader", url).status, 404U);
}

TEST_F(HiddenDocuments, are_not_where_a_list_goes_on) {
  constexpr std::int64_t kHidden = 50'500;  // more than one request looks at
  std::vector<Record> records;
  const auto writer = log().open_writer();
  for (std::int64_t i = 0; i < kHidden; ++i) {
    records.push_back(to_record(accepted("hidden-" + std::to_string(100'000 + i), i)));
    if (records.size() == 5'000 || i + 1 == kHidden) {
      ASSERT_TRUE(writer->append(std::exchange(records, {})));
    }
  }
  DocumentProgress open = accepted("open", kHidden);
  open.document.allow.clear();
  append(to_record(open));
  wait_for_status("k-reader", "open", 200U);
  wait_for_status("k-staff", "hidden-" + std::to_string(100'000 + kHidden - 1), 200U);
  ASSERT_EQ(call("PUT", "/v1/collections/books/documents/zero", "x", {"text/plain", "k-staff", {}})
                .status,
            202U);
  const std::string list = "/v1/collections/books/documents?limit=1000&after=";
  const std::string page = get_as("k-reader", list).body;
  EXPECT_THAT(page, HasSubstr(R"("id":"open")"));
  EXPECT_THAT(page, Not(HasSubstr("hidden")));
  EXPECT_THAT(page, HasSubstr(R"("next":"open")"));
  EXPECT_THAT(get_as("k-reader", list + "open").body, HasSubstr(R"("id":"zero")"));
}

}  // namespace
}  // namespace millrace
