#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gateway/http_types.h"
#include "schemas/answer.h"
#include "schemas/query.h"

namespace millrace {

struct NewQuery {
  std::string collection;
  std::string question;
  std::int64_t top_k = 0;  // 0: the default
  SearchMode mode = SearchMode::hybrid;
  Filter filter;
  bool explain = false;
  bool one_per_document = false;
  double diversity = 0;  // 0 to 1
  Query::Origin origin = Query::Origin::person;
  std::optional<int> generation = {};  // empty: the one that answers
  // Who asks is somebody else, in whose place the caller may see what he could. Empty: the caller.
  struct Rights {
    bool sees_everything = false;
    std::vector<std::string> groups;
  };
  std::optional<Rights> rights = {};
};
struct SearchResult {
  std::vector<Passage> passages;
  bool partial = false;
  std::int64_t embedding_us = 0;
  std::int64_t search_us = 0;
  std::int64_t took_us = 0;
  Query query;  // as it was asked
  std::optional<Provenance> provenance;
};
struct FinishedQuery {
  std::string query_id;
  bool completed = false;  // else: failed
  std::string reason;
  std::string message;
  std::vector<Passage> passages;
  Answer answer;
  Query query;  // as it was asked
  std::optional<Provenance> provenance;
};
struct QueryState {
  std::optional<Transcript> transcript;  // empty: running
};

class QueryService {
 public:
  virtual ~QueryService() = default;
  virtual net::awaitable<Reply<std::string>> ask(const Caller& caller, NewQuery query) = 0;
  virtual net::awaitable<Reply<std::unique_ptr<EventSource>>> events(const Caller& caller,
                                                                     std::string query_id,
                                                                     std::string last_event_id) = 0;
  // Asks and waits for the end.
  virtual net::awaitable<Reply<FinishedQuery>> answer(const Caller& caller, NewQuery query) = 0;
  virtual net::awaitable<Reply<SearchResult>> search(const Caller& caller, NewQuery query) = 0;
  virtual net::awaitable<Reply<QueryState>> state(const Caller& caller, std::string query_id) = 0;
  virtual net::awaitable<Reply<std::string>> cancel(const Caller& caller, std::string query_id) = 0;
  virtual std::int64_t accepted() const = 0;  // questions since the start
  virtual std::string model() const = 0;      // that gave the last answer; empty: none yet
};

}  // namespace millrace
