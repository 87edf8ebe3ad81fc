#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>
#include <vector>

#include "common/clock.h"
#include "gateway/cli/command.h"
#include "gateway/cli/eval/answers.h"

namespace millrace {

// A request whose answer is JSON, a few times where the server has no time or the network breaks
// off.
boost::asio::awaitable<Result<json::Document>> call_patiently(HttpRequest request);

// The collection that is measured. The client must outlive it. The coroutines run on an io_context
// of one thread, and their arguments must live until they end.
class Target {
 public:
  Target(const Client& client, std::string collection)
      : client_{client}, collection_{std::move(collection)} {}
  const std::string& collection() const { return collection_; }

  // Make and remove the collection: for admins.
  Status make() const;
  Status remove() const;

  boost::asio::awaitable<Status> add(std::string documents_json) const;

  // Waits until a document is searchable or has failed: then why. `unavailable` at the deadline.
  boost::asio::awaitable<Result<std::string>> settle(const std::string& document_id,
                                                     Clock::Steady deadline) const;

  struct Found {
    std::vector<std::string> ranking;  // documents, best first, each once
    double took_ms = 0;
  };
  boost::asio::awaitable<Result<Found>> search(const std::string& query,
                                               const std::string& mode) const;

  boost::asio::awaitable<Result<GivenAnswer>> ask(const std::string& question,
                                                  const std::string& mode) const;

 private:
  HttpRequest request(std::string method, const std::string& below, std::string body = {}) const;
  boost::asio::awaitable<Result<GivenAnswer>> ask_once(const HttpRequest& request) const;

  const Client& client_;
  const std::string collection_;
};

}  // namespace millrace
