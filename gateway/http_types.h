#pragma once

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/problem.h"

namespace millrace {

namespace net = boost::asio;

enum class Verb { get, post, put, remove };
std::string_view to_string(Verb verb);  // "GET" …

// What a key may do; each includes the ones before it.
enum class Role { reader, writer, admin };

// Who asks. Without any key configured everybody is an admin without a name.
struct Principal {
  std::string name;
  Role role = Role::reader;
  bool sees_everything = false;
  std::vector<std::string> collections;  // empty: all
  std::vector<std::string> groups;

  bool may_use(std::string_view collection) const;
  bool sees_every_document() const { return sees_everything && collections.empty(); }
  // `allow` of a document: empty, or one of the groups is in it.
  bool may_read(const std::vector<std::string>& allow) const;
};

// Who asks, and the trace that the records of the request belong to.
struct Caller {
  Principal principal;
  std::string traceparent;
};

// A request whose path, query and credentials have been checked against its row of the route table.
struct Request {
  Verb verb = Verb::get;
  std::string path;                                         // as sent, without the query
  std::map<std::string, std::string, std::less<>> params;   // {name} parts, decoded
  std::map<std::string, std::string, std::less<>> query;    // decoded
  std::vector<std::pair<std::string, std::string>> fields;  // names in lower case
  std::string body;
  std::string id;  // X-Request-Id
  Caller caller;

  std::string_view field(std::string_view name) const;               // the first, or empty
  const std::string& param(std::string_view name) const;             // asserted: the route has it
  std::optional<std::string> argument(std::string_view name) const;  // of the query
};

// One event of a stream as clients see it.
struct StreamEvent {
  std::string id;  // may be empty: nothing to resume from
  std::string name;
  std::string data;  // one line of JSON
};

// Where a stream's events come from. Used by one coroutine; cancel() from any thread.
class EventSource {
 public:
  struct Batch {
    std::vector<StreamEvent> events;
    bool ended = false;  // nothing comes after these
  };
  virtual ~EventSource() = default;
  // Waits up to `wait`; an empty batch that has not ended is the moment for a heartbeat.
  virtual net::awaitable<Batch> next(std::chrono::milliseconds wait) = 0;
  virtual void cancel() = 0;
};

// What a handler answers: a body, a stream, or a problem (see response.h of each by its maker).
struct Response {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
  std::vector<std::pair<std::string, std::string>> fields;
  std::unique_ptr<EventSource> stream;
  std::optional<Problem> problem;  // rendered by the session, which knows the request's id

  Response() = default;
  Response(unsigned code, std::string json) : status{code}, body{std::move(json)} {}
  Response(Problem of)
      : status{of.status},
        problem{std::move(of)} {}  // NOLINT(google-explicit-constructor): handlers return either
};

}  // namespace millrace
