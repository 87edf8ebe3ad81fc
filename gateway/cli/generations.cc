#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "common/clock.h"
#include "gateway/cli/command.h"
#include "gateway/cli/index_line.h"
#include "gateway/cli/shadow.h"
#include "schemas/collection.h"

namespace millrace {
namespace {

constexpr std::chrono::milliseconds kProgressInterval{500};
// A comparison takes the server five minutes at most.
constexpr std::chrono::minutes kShadowMax{6};

struct ReindexCommand {
  ClientOptions client;
  GenerationSettings settings;
  bool no_wait = false;
  bool serve = false;
};

struct GenerationsCommand {
  ClientOptions client;
  std::string verb;  // empty: list
  std::int64_t number = 0;
  bool force = false;
  ShadowOptions shadow;
};

std::string path_of(std::int64_t number, const std::string& verb = {}) {
  return "/generations/" + std::to_string(number) + (verb.empty() ? "" : "/" + verb);
}

Result<json::Document> serve(const Client& client, const ClientOptions& options,
                             std::int64_t number, bool force, const ShadowOptions& gate = {}) {
  json::Writer body;
  body.begin_object();
  if (force) body.field("force", true);
  if (Status written = write_members(body, gate); !written) return written.error();
  HttpRequest request = client.collection_request(
      "POST", options.collection, path_of(number, "serve"), body.end_object().take());
  request.idle_timeout = kShadowMax;
  return client.call(std::move(request));
}

std::string settings_of(const json::Value& generation) {
  std::string text;
  const json::Value from = generation.member("settings").member("from");
  if (from.exists()) text = "from " + printable(from.as_string());
  const json::Value model = generation.member("settings").member("embedding_model");
  if (model.exists()) {
    text.append(text.empty() ? "" : ", ").append("embedding_model ") +=
        printable(model.as_string());
  }
  for (const char* name : {"chunk_tokens", "chunk_overlap_tokens"}) {
    const json::Value value = generation.member("settings").member(name);
    if (!value.exists()) continue;
    text.append(text.empty() ? "" : ", ").append(name).append(" ") +=
        std::to_string(value.as_integer());
  }
  return text.empty() ? "as the server is set" : text;
}

void print(const json::Value& generations) {
  std::printf("%10s  %-8s %10s %10s %7s %7s  %s\n", "generation", "state", "documents", "chunks",
              "failed", "behind", "settings");
  for (std::size_t i = 0; i < generations.size(); ++i) {
    const json::Value each = generations[i];
    std::printf("%10lld  %-8s %10lld %10lld %7lld %7lld  %s\n",
                static_cast<long long>(count_of(each, "generation")),
                printable(each.member("state").as_string()).c_str(),
                static_cast<long long>(count_of(each, "documents")),
                static_cast<long long>(count_of(each, "chunks")),
                static_cast<long long>(count_of(each, "failed")),
                static_cast<long long>(count_of(each, "behind")), settings_of(each).c_str());
  }
}

// Of one generation; none when it is gone.
std::optional<json::Value> find(const json::Value& generations, std::int64_t number) {
  for (std::size_t i = 0; i < generations.size(); ++i) {
    if (count_of(generations[i], "generation") == number) return generations[i];
  }
  return std::nullopt;
}

// Until nothing is behind.
Status wait_complete(const Client& client, const ClientOptions& options, std::int64_t number) {
  const bool terminal = ::isatty(STDERR_FILENO) != 0;
  for (;;) {
    const auto listed =
        client.call(client.collection_request("GET", options.collection, "/generations"));
    if (!listed) return listed.error();
    const auto found = find(listed->root().member("generations"), number);
    if (!found) {
      return rejected("generation " + std::to_string(number) + " has been removed meanwhile");
    }
    const std::int64_t behind = count_of(*found, "behind");
    if (terminal) {
      std::fprintf(stderr, "\r%lld documents indexed, %lld to go        ",
                   static_cast<long long>(count_of(*found, "documents")),
                   static_cast<long long>(behind));
    }
    if (behind == 0) {
      if (terminal) std::fputc('\n', stderr);
      return {};
    }
    system_clock().sleep_for(kProgressInterval, {});
  }
}

ExitCode run_reindex(const ReindexCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  json::Writer body;
  body.begin_object();
  write_members(body, command.settings);
  body.end_object();
  const auto begun = client->call(
      client->collection_request("POST", command.client.collection, "/reindex", body.take()));
  if (!begun) return fail(begun.error());
  const std::int64_t number = count_of(begun->root(), "generation");
  std::cout << "generation " << number << " is being built; "
            << "the one before answers until this one is served" << std::endl;
  if (command.no_wait) return ExitCode::done;
  if (Status done = wait_complete(*client, command.client, number); !done) {
    return fail(done.error());
  }
  if (!command.serve) {
    std::cout << "it is complete and follows changes; `millrace generations serve " << number
              << "` makes it answer, `millrace generations remove " << number << "` removes it\n";
    return ExitCode::done;
  }
  const auto served = serve(*client, command.client, number, false);
  if (!served) return fail(served.error());
  std::cout << "it answers now; the one before is kept: `millrace generations` lists them\n";
  return ExitCode::done;
}

ExitCode run_shadow(const Client& client, const GenerationsCommand& command) {
  json::Writer body;
  body.begin_object();
  if (Status written = write_members(body, command.shadow); !written) return fail(written.error());
  HttpRequest request =
      client.collection_request("POST", command.client.collection,
                                path_of(command.number, "shadow"), body.end_object().take());
  request.idle_timeout = kShadowMax;
  const auto report = client.call(std::move(request));
  if (!report) return fail(report.error());
  if (command.client.json) {
    std::cout << report->root().serialize() << '\n';
  } else {
    print_shadow(report->root());
  }
  return report->root().member("passed").as_bool() ? ExitCode::done : ExitCode::failed;
}

ExitCode run_generations(const GenerationsCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  if (command.verb == "shadow") return run_shadow(*client, command);
  if (!command.verb.empty()) {
    const bool removes = command.verb == "remove";
    const auto done =
        command.verb == "serve"
            ? serve(*client, command.client, command.number, command.force, command.shadow)
            : client->call(
                  client->collection_request(removes ? "DELETE" : "POST", command.client.collection,
                                             path_of(command.number, removes ? "" : command.verb)));
    if (!done) return fail(done.error());
  }
  const auto listed =
      client->call(client->collection_request("GET", command.client.collection, "/generations"));
  if (!listed) return fail(listed.error());
  if (command.client.json) {
    std::cout << listed->root().serialize() << '\n';
  } else {
    print(listed->root().member("generations"));
  }
  return ExitCode::done;
}

void add_verb(CLI::App& parent, const char* verb, const char* description,
              const std::shared_ptr<GenerationsCommand>& command, CommandRun& run) {
  CLI::App* sub = parent.add_subcommand(verb, description);
  add_client_options(*sub, command->client);
  sub->add_option("NUMBER", command->number, "Which one, as `millrace generations` lists them")
      ->required();
  if (std::string_view{verb} == "serve") {
    sub->add_flag("--force", command->force, "Even where it is behind the one that answers");
  }
  if (std::string_view{verb} == "serve" || std::string_view{verb} == "shadow") {
    add_shadow_options(*sub, command->shadow);
  }
  if (std::string_view{verb} == "shadow") {
    sub->footer(
        "Ends with 0, or 1 when it does not reach --min-overlap or --min-ndcg or could not "
        "be compared.");
  }
  sub->callback([command, verb, &run] {
    command->verb = verb;
    run = [command] { return run_generations(*command); };
  });
}

}  // namespace

void add_reindex_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<ReindexCommand>();
  CLI::App* sub = app.add_subcommand(
      "reindex", "Build another generation of a collection's index beside the one that answers");
  add_client_options(*sub, command->client);
  sub->add_option("--embedding-model", command->settings.embedding_model,
                  "Name of a folder in the server's models_dir; without it as the server is set");
  sub->add_option("--chunk-tokens", command->settings.chunk_tokens,
                  "Tokens of a chunk at most; without it as the server is set");
  sub->add_option("--chunk-overlap-tokens", command->settings.chunk_overlap_tokens,
                  "Tokens that a chunk repeats of the one before it");
  sub->add_flag_callback(
      "--from-documents",
      [command] { command->settings.from = GenerationSettings::Source::documents; },
      "Extract the documents anew, with what the server's extractor knows today");
  sub->add_flag("--serve", command->serve, "Let it answer as soon as it is complete");
  sub->add_flag("--no-wait", command->no_wait, "Come back at once");
  sub->callback([command, &run] { run = [command] { return run_reindex(*command); }; });
}

void add_generations_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<GenerationsCommand>();
  CLI::App* sub = app.add_subcommand(
      "generations", "List the generations of a collection's index; serve, pause or remove one");
  add_client_options(*sub, command->client);
  sub->require_subcommand(0, 1);
  sub->callback([command, sub, &run] {
    if (sub->get_subcommands().empty()) run = [command] { return run_generations(*command); };
  });
  add_verb(*sub, "serve", "Let it answer, where it passes --min-…; the one before is kept", command,
           run);
  add_verb(*sub, "shadow", "Ask it what people asked, and compare it with the one that answers",
           command, run);
  add_verb(*sub, "pause", "Stop building it for a while", command, run);
  add_verb(*sub, "resume", "Go on building it", command, run);
  add_verb(*sub, "remove", "Remove one that does not answer", command, run);
}

}  // namespace millrace
