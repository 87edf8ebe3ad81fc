#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/http_client.h"
#include "common/http_url.h"
#include "common/json.h"
#include "common/percent_encoding.h"

namespace CLI {
class App;
}

namespace millrace {

// How `millrace` ends: 0 done, 1 it did not work, 2 the command line is wrong, 3 what was compared
// differs.
enum class ExitCode : int { done = 0, failed = 1, usage = 2, differs = 3 };

// A command of `millrace`: adds itself to the program's command line, sets `run` when it was
// chosen.
using CommandRun = std::function<ExitCode()>;
void add_serve_command(CLI::App& app, CommandRun& run);
void add_add_command(CLI::App& app, CommandRun& run);
void add_ask_command(CLI::App& app, CommandRun& run);
void add_search_command(CLI::App& app, CommandRun& run);
void add_eval_command(CLI::App& app, CommandRun& run);
void add_health_command(CLI::App& app, CommandRun& run);
void add_status_command(CLI::App& app, CommandRun& run);
void add_reindex_command(CLI::App& app, CommandRun& run);
void add_generations_command(CLI::App& app, CommandRun& run);
void add_replay_command(CLI::App& app, CommandRun& run);
void add_topics_command(CLI::App& app, CommandRun& run);
void add_dead_letters_command(CLI::App& app, CommandRun& run);
void add_backup_command(CLI::App& app, CommandRun& run);
void add_backups_command(CLI::App& app, CommandRun& run);
void add_erase_command(CLI::App& app, CommandRun& run);
void add_restore_command(CLI::App& app, CommandRun& run);

// What every client command takes: --server, --api-key, --collection, --json.
struct ClientOptions {
  std::string server;   // empty: the setting `server`
  std::string api_key;  // empty: the setting `api_key`
  std::string collection = "default";
  bool json = false;  // print the server's JSON instead of text for people
};
void add_connection_options(CLI::App& command, ClientOptions& options);  // the first two
void add_client_options(CLI::App& command, ClientOptions& options);      // all

// The gateway as the commands see it. One exchange at a time per call; thread-safe.
class Client {
 public:
  // `rejected` when the settings file or the environment is wrong.
  static Result<Client> connect(const ClientOptions& options);

  // With `json_body` where there is one.
  HttpRequest request(std::string method, std::string_view path, std::string json_body = {}) const;
  // `below`: the path from the collection on, as "/search"; empty: the collection itself.
  HttpRequest collection_request(std::string method, std::string_view collection,
                                 std::string_view below, std::string json_body = {}) const;
  // The body of a 2xx answer as JSON; else the error, from the problem's detail where there is one.
  Result<json::Document> call(HttpRequest request) const;
  const std::string& server() const { return server_; }

 private:
  Client(std::string server, std::string api_key)
      : server_{std::move(server)}, api_key_{std::move(api_key)} {}
  std::string server_;
  std::string api_key_;
};

// What a response of any status outside 2xx means, for people.
Error problem_error(const HttpResponse& response);
// Text of a server is hostile: control characters, escape sequences among them, become '?'.
std::string printable(std::string_view text);
ExitCode fail(const Error& error);  // prints to standard error

}  // namespace millrace
