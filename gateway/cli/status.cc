#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

#include "gateway/cli/command.h"
#include "gateway/cli/index_line.h"

namespace millrace {
namespace {

ExitCode run_status(const ClientOptions& options) {
  Result<Client> client = Client::connect(options);
  if (!client) return fail(client.error());
  Result<json::Document> listed = client->call(client->request("GET", "/v1/collections"));
  if (!listed) return fail(listed.error());
  if (options.json) {
    std::cout << listed->root().serialize() << '\n';
    return ExitCode::done;
  }
  Result<json::Document> ready = client->call(client->request("GET", "/readyz"));
  std::cout << client->server() << (ready ? "  ready" : "  not ready: " + ready.error().message)
            << "\n\n";
  std::printf("%-24s %10s %10s %10s %10s\n", "collection", "documents", "chunks", "pending",
              "failed");
  const json::Value collections = listed->root().member("collections");
  for (std::size_t i = 0; i < collections.size(); ++i) {
    const json::Value each = collections[i];
    std::printf("%-24s %10lld %10lld %10lld %10lld\n",
                printable(each.member("name").as_string()).c_str(),
                static_cast<long long>(count_of(each, "documents")),
                static_cast<long long>(count_of(each, "chunks")),
                static_cast<long long>(count_of(each, "pending")),
                static_cast<long long>(count_of(each, "failed")));
  }
  // Not for every key: of the plain endpoints' collection, and the index for who sees everything.
  const Result<json::Document> stats = client->call(client->request("GET", "/stats"));
  const std::string line = stats ? index_line(stats->root().member("index")) : std::string{};
  if (!line.empty()) std::printf("\n%s\n", line.c_str());
  return ExitCode::done;
}

}  // namespace

void add_status_command(CLI::App& app, CommandRun& run) {
  auto options = std::make_shared<ClientOptions>();
  CLI::App* sub = app.add_subcommand("status", "Show the server's collections and its index");
  add_client_options(*sub, *options);
  sub->callback([options, &run] { run = [options] { return run_status(*options); }; });
}

}  // namespace millrace
