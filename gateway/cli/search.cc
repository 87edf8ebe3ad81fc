#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

#include "gateway/cli/command.h"

namespace millrace {
namespace {

struct SearchCommand {
  ClientOptions client;
  std::string query;
  std::int64_t top_k = 5;
};

void print_passage(std::size_t number, json::Value passage) {
  const json::Value page = passage.member("page");
  std::cout << number << ". " << printable(passage.member("title").as_string());
  if (page.exists()) std::cout << ", page " << page.as_integer();
  std::printf("  (score %.3f)\n", passage.member("score").as_double());
  std::cout.flush();
  std::cout << "   " << printable(passage.member("text").as_string()) << "\n\n";
}

ExitCode run_search(const SearchCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  HttpRequest request = client->request(
      "POST", "/v1/collections/" + percent_encode(command.client.collection) + "/search");
  request.headers["Content-Type"] = "application/json";
  request.body = json::Writer{}
                     .begin_object()
                     .field("query", command.query)
                     .field("top_k", command.top_k)
                     .end_object()
                     .take();
  Result<json::Document> found = client->call(std::move(request));
  if (!found) return fail(found.error());
  if (command.client.json) {
    std::cout << found->root().serialize() << '\n';
    return ExitCode::done;
  }
  const json::Value passages = found->root().member("passages");
  for (std::size_t i = 0; i < passages.size(); ++i) print_passage(i + 1, passages[i]);
  if (passages.size() == 0) {
    std::cout << "Nothing found. `millrace status` shows what the collection holds; `millrace add "
                 "PATH` adds documents.\n";
  }
  return ExitCode::done;
}

}  // namespace

void add_search_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<SearchCommand>();
  CLI::App* sub = app.add_subcommand("search", "Find the passages nearest to a question");
  add_client_options(*sub, command->client);
  sub->add_option("query", command->query, "what to look for")->required();
  sub->add_option("-k,--top-k", command->top_k, "how many passages")->capture_default_str();
  sub->callback([command, &run] { run = [command] { return run_search(*command); }; });
}

}  // namespace millrace
