#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "common/clock.h"
#include "gateway/cli/command.h"
#include "gateway/cli/index_line.h"

namespace millrace {
namespace {

// Longer than a server gives an answer.
constexpr std::chrono::minutes kReplayMax{15};

struct ReplayCommand {
  ClientOptions client;
  std::string query_id;
  bool retrieval_only = false;
};

std::string text_of(json::Value object, std::string_view name) {
  const json::Value value = object.member(name);
  return value.is_string() ? printable(value.as_string()) : std::string{};
}

std::string rank_of(json::Value passage, std::string_view name) {
  const std::int64_t rank = count_of(passage, name);
  return rank == 0 ? "-" : std::to_string(rank);
}

void print_passages(json::Value passages) {
  if (passages.size() == 0) return;
  std::printf("%6s %5s  %-8s %-18s %s\n", "before", "now", "", "why", "passage");
  for (std::size_t i = 0; i < passages.size(); ++i) {
    const json::Value each = passages[i];
    const std::string place = text_of(each, "document_id") + " " +
                              std::to_string(count_of(each, "start")) + "-" +
                              std::to_string(count_of(each, "end"));
    std::printf("%6s %5s  %-8s %-18s %s\n", rank_of(each, "rank_before").c_str(),
                rank_of(each, "rank_after").c_str(), text_of(each, "change").c_str(),
                text_of(each, "cause").c_str(), place.c_str());
    const std::string detail = text_of(each, "detail");
    if (!detail.empty()) std::printf("%41s%s\n", "", detail.c_str());
  }
}

void print(json::Value replay) {
  std::cout << "asked " << text_of(replay.member("before"), "asked_at") << " in "
            << text_of(replay, "collection") << ": " << text_of(replay, "question") << '\n';
  const json::Value causes = replay.member("causes");
  for (std::size_t i = 0; i < causes.size(); ++i) {
    std::cout << "  " << text_of(causes[i], "cause") << ": " << text_of(causes[i], "detail")
              << '\n';
  }
  std::cout << std::flush;
  print_passages(replay.member("passages"));
  std::fflush(stdout);
  const json::Value same_answer = replay.member("same_answer");
  if (same_answer.is_bool() && !same_answer.as_bool()) {
    const json::Value cause = replay.member("answer_cause");
    std::cout << "the answer differs, " << text_of(cause, "cause") << ": "
              << text_of(cause, "detail")
              << "\n  before: " << text_of(replay.member("before"), "answer")
              << "\n  now:    " << text_of(replay.member("after"), "answer") << '\n';
  } else if (same_answer.is_bool()) {
    std::cout << "the answer is the same\n";
  }
  const json::Value same = replay.member("same");
  if (same.is_bool() && same.as_bool()) std::cout << "nothing differs\n";
}

ExitCode run_replay(const ReplayCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  json::Writer body;
  body.begin_object().field("answer", !command.retrieval_only).end_object();
  HttpRequest request = client->request(
      "POST", "/v1/queries/" + percent_encode(command.query_id) + "/replay", body.take());
  request.idle_timeout = kReplayMax;
  const auto replay = client->call(std::move(request));
  if (!replay) return fail(replay.error());
  if (command.client.json) {
    std::cout << replay->root().serialize() << '\n';
  } else {
    print(replay->root());
  }
  const json::Value same = replay->root().member("same");
  return same.is_bool() && same.as_bool() ? ExitCode::done : ExitCode::differs;
}

}  // namespace

void add_replay_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<ReplayCommand>();
  CLI::App* sub = app.add_subcommand(
      "replay", "Ask an earlier question again on today's index; show what differs, and why");
  add_connection_options(*sub, command->client);
  sub->add_option("QUERY_ID", command->query_id, "Of a finished answer, as `millrace ask` says it")
      ->required();
  sub->add_flag("--retrieval-only", command->retrieval_only,
                "Compare the passages only; no answer is written");
  sub->add_flag("--json", command->client.json, "print the server's JSON");
  sub->footer(
      "Ends with 0 when nothing differs, 3 when something does, 1 when it could not be "
      "repeated, 2 when the command line is wrong.");
  sub->callback([command, &run] { run = [command] { return run_replay(*command); }; });
}

}  // namespace millrace
