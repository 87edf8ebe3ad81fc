// Who may do what: every row of the route table, without a key, with too low a role, and with a key
// for another collection.
#include <gmock/gmock.h>

#include "fixture.h"
#include "gateway/routes.h"

namespace millrace {
namespace {

std::string filled_in(std::string_view pattern) {
  std::string path{pattern};
  for (const auto& [name, value] :
       {std::pair{"{c}", "books"}, std::pair{"{id}", "x"}, std::pair{"{file}", "x.js"}}) {
    const auto at = path.find(name);
    if (at != std::string::npos) path.replace(at, std::string_view{name}.size(), value);
  }
  return path;
}

class Auth : public GatewayTest {
 protected:
  void SetUp() override {
    options().api_keys = {{"read", sha256_hex("k-reader"), "reader", {}, {}},
                          {"write", sha256_hex("k-writer"), "writer", {}, {}},
                          {"root", sha256_hex("k-admin"), "admin", {}, {}},
                          {"staff", sha256_hex("k-staff"), "reader", {}, {"staff"}},
                          {"else", sha256_hex("k-else"), "admin", {"elsewhere"}, {}}};
    start();
  }
  unsigned status_of(const Route& route, const std::string& key) {
    Extra extra;
    extra.key = key;
    return call(std::string{to_string(route.verb)}, filled_in(route.path), {}, extra).status;
  }
};

TEST_F(Auth, needs_a_known_key_on_every_route_that_is_not_open) {
  for (const Route& route : route_table()) {
    SCOPED_TRACE(std::string{to_string(route.verb)} + " " + std::string{route.path});
    if (!route.role) {
      EXPECT_NE(status_of(route, ""), 401U);
      continue;
    }
    EXPECT_EQ(status_of(route, ""), 401U);
    EXPECT_EQ(status_of(route, "wrong"), 401U);
  }
}

TEST_F(Auth, refuses_a_role_that_is_too_low_on_every_route) {
  for (const Route& route : route_table()) {
    SCOPED_TRACE(std::string{to_string(route.verb)} + " " + std::string{route.path});
    if (!route.role) continue;
    if (*route.role > Role::reader) {
      EXPECT_EQ(status_of(route, "k-reader"), 403U);
    }
    if (*route.role > Role::writer) {
      EXPECT_EQ(status_of(route, "k-writer"), 403U);
    }
  }
}

TEST_F(Auth, keeps_a_key_to_its_collections_on_every_route) {
  for (const Route& route : route_table()) {
    SCOPED_TRACE(std::string{to_string(route.verb)} + " " + std::string{route.path});
    const bool of_collection =
        !route.collection.empty() || route.path.find("{c}") != std::string_view::npos;
    if (of_collection) {
      EXPECT_EQ(status_of(route, "k-else"), 403U);
    }
  }
}

TEST_F(Auth, lets_a_role_do_what_its_routes_say) {
  Extra reader{"application/json", "k-reader", {}};
  Extra writer{"application/json", "k-writer", {}};
  const std::string body = R"({"documents":[{"id":"d","text":"x"}]})";
  EXPECT_EQ(call("GET", "/v1/collections", {}, reader).status, 200U);
  EXPECT_EQ(call("POST", "/v1/collections/books/documents", body, writer).status, 202U);
  EXPECT_EQ(call("GET", "/v1/collections/books/documents/d", {}, reader).status, 200U);
  Extra other_header;
  other_header.headers["X-API-Key"] = "k-reader";
  EXPECT_EQ(call("GET", "/v1/collections", {}, other_header).status, 200U);
}

TEST_F(Auth, shows_a_document_to_its_groups_only) {
  Extra writer{"application/json", "k-writer", {}};
  const std::string body = R"({"documents":[{"id":"d","text":"x","allow":["staff"]}]})";
  ASSERT_EQ(call("POST", "/v1/collections/books/documents", body, writer).status, 202U);
  const auto status = [&](const std::string& key) {
    return call("GET", "/v1/collections/books/documents/d", {}, {"", key, {}}).status;
  };
  EXPECT_EQ(status("k-reader"), 404U);
  EXPECT_EQ(status("k-staff"), 200U);
  EXPECT_EQ(status("k-admin"), 200U);
  const auto list = [&](const std::string& key) {
    return call("GET", "/v1/collections/books/documents", {}, {"", key, {}}).body;
  };
  EXPECT_EQ(list("k-reader"), R"({"documents":[]})");
  EXPECT_NE(list("k-staff"), R"({"documents":[]})");
}

TEST_F(Auth, shows_a_query_to_its_asker_and_admins_only) {
  Extra reader{"application/json", "k-reader", {}};
  ASSERT_EQ(
      call("POST", "/v1/collections/default/queries", R"({"question":"why?"})", reader).status,
      202U);
  const auto asked =
      call("POST", "/v1/collections/default/queries", R"({"question":"why?"})", reader);
  const std::string url = "/v1/queries/" + text_member(asked.body, "id");
  const auto status = [&](const std::string& verb, const std::string& key) {
    return call(verb, url, {}, {"", key, {}}).status;
  };
  EXPECT_EQ(status("GET", "k-reader"), 200U);
  EXPECT_EQ(status("GET", "k-admin"), 200U);
  EXPECT_EQ(status("GET", "k-writer"), 404U);
  EXPECT_EQ(status("DELETE", "k-writer"), 404U);
  EXPECT_EQ(status("DELETE", "k-reader"), 202U);
}

TEST_F(Auth, puts_the_asker_and_the_groups_into_the_query) {
  Extra staff{"application/json", "k-staff", {}};
  ASSERT_EQ(call("POST", "/v1/collections/default/queries", R"({"question":"why?"})", staff).status,
            202U);
  const std::string topic{topics::kQueries};
  const auto from = begin_offsets(log(), std::span{&topic, 1});
  auto reader = log().open_reader(*from);
  ASSERT_TRUE(reader);
  const auto records = (*reader)->poll(10, 1U << 20U, std::chrono::seconds{5});
  ASSERT_EQ(records->size(), 1U);
  const auto query = query_from(records->front());
  ASSERT_TRUE(query);
  EXPECT_EQ(query->principal, "staff");
  EXPECT_EQ(query->groups, std::vector<std::string>{"staff"});
  EXPECT_FALSE(query->sees_everything);
}

}  // namespace
}  // namespace millrace
