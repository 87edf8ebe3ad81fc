#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "gateway/cli/command.h"

namespace millrace {
namespace {

// What asks, such as a container engine, has a limit of its own that is about as long.
constexpr std::chrono::milliseconds kWait{4'000};

struct HealthOptions {
  ClientOptions client;
  bool live = false;
};

ExitCode run_health(const HealthOptions& options) {
  Result<Client> client = Client::connect(options.client);
  if (!client) return fail(client.error());
  HttpRequest request = client->request("GET", options.live ? "/livez" : "/readyz");
  request.connect_timeout = kWait;
  request.idle_timeout = kWait;
  Result<HttpResponse> response = http_exchange_blocking(std::move(request));
  if (!response) return fail(response.error());
  std::cout << printable(response->body) << '\n';
  return response->status == 200 ? ExitCode::done : ExitCode::failed;
}

}  // namespace

void add_health_command(CLI::App& app, CommandRun& run) {
  auto options = std::make_shared<HealthOptions>();
  CLI::App* sub = app.add_subcommand(
      "health", "Ends with 0 where a gateway, or a worker at its admin_listen, is ready");
  add_connection_options(*sub, options->client);
  sub->add_flag("--live", options->live, "ask whether the process answers, ready or not");
  sub->callback([options, &run] { run = [options] { return run_health(*options); }; });
}

}  // namespace millrace
