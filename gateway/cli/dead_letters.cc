#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "gateway/cli/command.h"
#include "gateway/cli/index_line.h"
#include "gateway/cli/letter_text.h"

namespace millrace {
namespace {

constexpr std::string_view kPath = "/v1/dead-letters";

struct LettersCommand {
  ClientOptions client;
  LetterConditions conditions;
  std::int64_t limit = 50;
  std::string bytes;  // of show: where to write them
  std::vector<std::string> ids;
};

std::string url_of(std::string_view id) { return std::string{kPath} + "/" + percent_encode(id); }

ExitCode list(const LettersCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  const std::string path =
      std::string{kPath} + "?limit=" + std::to_string(command.limit) + as_query(command.conditions);
  Result<json::Document> listed = client->call(client->request("GET", path));
  if (!listed) return fail(listed.error());
  if (command.client.json) {
    std::cout << listed->root().serialize() << '\n';
    return ExitCode::done;
  }
  const json::Value letters = listed->root().member("dead_letters");
  const std::size_t count = letters.is_array() ? letters.size() : 0;
  for (std::size_t i = 0; i < count; ++i) std::cout << letter_lines(letters[i]) << '\n';
  if (count == 0) std::cout << "No dead letters.\n";
  if (listed->root().member("next").exists()) {
    std::cout << "There are more: --limit, or a condition.\n";
  }
  return ExitCode::done;
}

ExitCode write_bytes(const Client& client, const LettersCommand& command) {
  HttpRequest request = client.request("GET", url_of(command.ids.front()) + "/bytes");
  const Result<HttpResponse> response = http_exchange_blocking(std::move(request));
  if (!response) return fail(response.error());
  if (response->status / 100 != 2) return fail(problem_error(*response));
  if (command.bytes == "-") {
    std::cout << response->body << std::flush;
    return std::cout ? ExitCode::done : fail(unavailable("standard output takes no more"));
  }
  std::ofstream file{command.bytes, std::ios::binary};
  file << response->body << std::flush;
  if (!file) return fail(rejected("cannot write " + command.bytes));
  std::cerr << bytes_text(static_cast<std::int64_t>(response->body.size())) << " written to "
            << command.bytes << '\n';
  return ExitCode::done;
}

ExitCode show(const LettersCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  if (!command.bytes.empty()) return write_bytes(*client, command);
  Result<json::Document> letter = client->call(client->request("GET", url_of(command.ids.front())));
  if (!letter) return fail(letter.error());
  std::cout << (command.client.json ? letter->root().serialize() + "\n"
                                    : letter_details(letter->root()));
  return ExitCode::done;
}

// One after the other; all are tried.
ExitCode change_each(const LettersCommand& command, const Client& client, std::string_view done) {
  ExitCode code = ExitCode::done;
  const bool redrives = done == "redriven";
  for (const std::string& id : command.ids) {
    Result<json::Document> changed = client.call(
        client.request(redrives ? "POST" : "DELETE", url_of(id) + (redrives ? "/redrive" : "")));
    if (!changed) {
      code = fail(with_context(id, changed.error()));
    } else if (command.client.json) {
      std::cout << changed->root().serialize() << '\n';
    } else {
      std::cout << done << ' ' << printable(id) << '\n';
    }
  }
  return code;
}

// Page by page, until there is no more.
ExitCode change_all(const LettersCommand& command, const Client& client, std::string_view done) {
  std::int64_t count = 0;
  std::int64_t skipped = 0;
  std::string cursor;
  do {
    Result<json::Document> changed = client.call(
        client.request("POST", std::string{kPath} + (done == "redriven" ? "/redrive" : "/purge"),
                       as_body(command.conditions, cursor)));
    if (!changed) return fail(changed.error());
    const json::Value root = changed->root();
    if (command.client.json) std::cout << root.serialize() << '\n';
    count += count_of(root, done);
    skipped += count_of(root, "skipped");
    const json::Value reasons = root.member("reasons");
    for (std::size_t i = 0; reasons.is_array() && i < reasons.size(); ++i)
      std::cerr << skipped_line(reasons[i]) << '\n';
    const json::Value next = root.member("next");
    cursor = next.is_string() ? std::string{next.as_string()} : std::string{};
  } while (!cursor.empty());
  if (!command.client.json)
    std::printf("%lld %s, %lld skipped\n", static_cast<long long>(count), std::string{done}.c_str(),
                static_cast<long long>(skipped));
  return ExitCode::done;
}

ExitCode change(const LettersCommand& command, std::string_view done) {
  const bool by_id = !command.ids.empty();
  if (by_id == !is_empty(command.conditions)) {
    fail(rejected(by_id ? "say which by their ids or by conditions, not by both"
                        : "say which: ids, conditions (see --help), or --all"));
    return ExitCode::usage;
  }
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  return by_id ? change_each(command, *client, done) : change_all(command, *client, done);
}

std::shared_ptr<LettersCommand> add(CLI::App& letters, CommandRun& run, const char* name,
                                    const char* description,
                                    std::function<ExitCode(const LettersCommand&)> work) {
  auto command = std::make_shared<LettersCommand>();
  CLI::App* sub = letters.add_subcommand(name, description);
  command->client.collection.clear();
  add_client_options(*sub, command->client);
  sub->callback([command, &run, work] {
    command->conditions.collection = command->client.collection;
    run = [command, work] { return work(*command); };
  });
  return command;
}

}  // namespace

void add_dead_letters_command(CLI::App& app, CommandRun& run) {
  CLI::App* letters =
      app.add_subcommand("dead-letters", "What failed: look at it, send it again, clear it away");
  letters->require_subcommand(1);
  const auto sub = [letters](const char* name) { return letters->get_subcommand(name); };

  auto command = add(*letters, run, "list", "List dead letters, the newest first", list);
  add_letter_conditions(*sub("list"), command->conditions, AllLetters::implied);
  sub("list")->add_option("--limit", command->limit, "how many")->capture_default_str();

  command = add(*letters, run, "show", "Show one dead letter with its record's headers", show);
  sub("show")->add_option("id", command->ids, "its id")->required()->expected(1);
  sub("show")->add_option("--bytes", command->bytes,
                          "write the record's value to this file, or to standard output (-)");

  command = add(*letters, run, "redrive", "Send the documents of dead letters on their way again",
                [](const LettersCommand& of) { return change(of, "redriven"); });
  sub("redrive")->add_option("id", command->ids, "which");
  add_letter_conditions(*sub("redrive"), command->conditions, AllLetters::named);

  command = add(*letters, run, "purge", "Remove dead letters; their documents stay as they are",
                [](const LettersCommand& of) { return change(of, "purged"); });
  sub("purge")->add_option("id", command->ids, "which");
  add_letter_conditions(*sub("purge"), command->conditions, AllLetters::named);
}

}  // namespace millrace
