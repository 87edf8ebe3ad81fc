#pragma once

#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <optional>

#include "common/clock.h"
#include "common/log/log.h"
#include "common/log/table.h"
#include "gateway/answer_hub.h"
#include "gateway/appender.h"
#include "gateway/gateway.h"
#include "gateway/http_types.h"
#include "gateway/problem.h"
#include "gateway/progress_hub.h"
#include "gateway/recent_writes.h"
#include "schemas/collection.h"

namespace millrace {

// What the services are made of. Everything outlives them.
struct Backend {
  const GatewayOptions& options;
  Log& log;
  const Clock& clock;
  Appender& appender;
  boost::asio::thread_pool&
      pool;  // for what blocks: scans, reads of the log, parsing of large bodies
  Table& documents;
  Table& collections;
  Table& transcripts;
  Table& texts;
  Table& indexes;
  Table& letters;
  AnswerHub& answers;
  ProgressHub& progress;
  RecentWrites<std::optional<Collection>>& recent_collections;  // empty value: deleted
};

// True once `table` has applied everything before `target`; false when `wait` is over.
net::awaitable<bool> applied(Table& table, Offsets target, std::chrono::milliseconds wait);
// Where `topic` ends now, in each partition.
net::awaitable<Result<Offsets>> topic_ends(const Backend& backend, std::string_view topic);
// As applied(), of all that is in `topic` now; an error where the log does not say how much that
// is.
net::awaitable<Result<bool>> applied_all(const Backend& backend, Table& table,
                                         std::string_view topic, std::chrono::milliseconds wait);

// The collection's settings, those just written included. `default` is always there.
std::optional<Collection> find_collection(const Backend& backend, const std::string& name);
Problem unknown_collection(const std::string& name);

// That which answers the collection's queries.
int generation_of(const Backend& backend, const std::string& collection);

// The stream's last event where it ends for the server's reasons: the client may come back.
StreamEvent closed_event(const std::string& reason);

}  // namespace millrace
