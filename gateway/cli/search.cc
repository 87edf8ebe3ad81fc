#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>

#include "gateway/cli/command.h"
#include "gateway/cli/question.h"

namespace millrace {
namespace {

struct SearchCommand {
  ClientOptions client;
  std::string query;
  std::int64_t top_k = 5;
  QuestionOptions options;
};

void print_passage(std::size_t number, json::Value passage) {
  std::cout << passage_heading(number, passage) << '\n';
  std::cout << "   " << printable(passage.member("text").as_string()) << "\n\n";
}

ExitCode run_search(const SearchCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  json::Writer body;
  body.begin_object().field("query", command.query).field("top_k", command.top_k);
  write_members(body, command.options);
  Result<json::Document> found = client->call(client->collection_request(
      "POST", command.client.collection, "/search", body.end_object().take()));
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
  CLI::App* sub = app.add_subcommand("search", "Find the passages that answer a question best");
  add_client_options(*sub, command->client);
  sub->add_option("query", command->query, "what to look for")->required();
  sub->add_option("-k,--top-k", command->top_k, "how many passages")->capture_default_str();
  add_question_options(*sub, command->options);
  sub->callback([command, &run] { run = [command] { return run_search(*command); }; });
}

}  // namespace millrace
