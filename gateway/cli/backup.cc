#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>

#include "common/clock.h"
#include "gateway/cli/command.h"
#include "gateway/cli/index_line.h"

namespace millrace {
namespace {

constexpr std::string_view kPath = "/v1/backups";
constexpr std::chrono::milliseconds kLook{500};

struct BackupCommand {
  ClientOptions client;
  bool no_wait = false;
};

std::string text_of(json::Value object, std::string_view name) {
  const json::Value value = object.member(name);
  return value.is_string() ? printable(value.as_string()) : std::string{};
}

json::Value backup_named(json::Value listed, std::string_view name) {
  const json::Value backups = listed.member("backups");
  for (std::size_t i = 0; backups.is_array() && i < backups.size(); ++i) {
    if (text_of(backups[i], "name") == name) return backups[i];
  }
  return {};
}

// One line that changes, on a terminal.
void show_progress(json::Value running) {
  if (::isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\r\033[K%s: %lld records, %s", text_of(running, "topic").c_str(),
               static_cast<long long>(count_of(running, "records")),
               bytes_text(count_of(running, "bytes")).c_str());
}

void end_progress() {
  if (::isatty(STDERR_FILENO) != 0) std::fputs("\r\033[K", stderr);
}

ExitCode wait_for(const Client& client, const BackupCommand& command, const std::string& name) {
  for (;;) {
    Result<json::Document> listed = client.call(client.request("GET", kPath));
    if (!listed) return fail(listed.error());
    const json::Value root = listed->root();
    const json::Value running = root.member("running");
    if (running.is_object() && text_of(running, "name") == name) {
      show_progress(running);
      system_clock().sleep_for(kLook, {});
      continue;
    }
    end_progress();
    const json::Value done = backup_named(root, name);
    if (text_of(done, "state") == "whole") {
      std::cout << (command.client.json
                        ? done.serialize()
                        : "backup " + name + ": " + bytes_text(count_of(done, "bytes")) + " in " +
                              text_of(root, "location"))
                << '\n';
      return ExitCode::done;
    }
    const json::Value failed = root.member("failed");
    const bool is_known = text_of(failed, "name") == name;
    return fail(unavailable("the backup " + name + " failed" +
                            (is_known ? ": " + text_of(failed, "error") : std::string{})));
  }
}

ExitCode back_up(const BackupCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  Result<json::Document> begun = client->call(client->request("POST", kPath));
  if (!begun) return fail(begun.error());
  const std::string name = text_of(begun->root(), "name");
  if (!command.no_wait) return wait_for(*client, command, name);
  std::cout << (command.client.json ? begun->root().serialize() : "backup " + name + " has begun")
            << '\n';
  return ExitCode::done;
}

ExitCode list(const BackupCommand& command) {
  Result<Client> client = Client::connect(command.client);
  if (!client) return fail(client.error());
  Result<json::Document> listed = client->call(client->request("GET", kPath));
  if (!listed) return fail(listed.error());
  const json::Value root = listed->root();
  if (command.client.json) {
    std::cout << root.serialize() << '\n';
    return ExitCode::done;
  }
  const json::Value running = root.member("running");
  if (running.is_object()) {
    std::cout << text_of(running, "name") << "  running: " << text_of(running, "topic") << ", "
              << bytes_text(count_of(running, "bytes")) << " so far\n";
  }
  const json::Value failed = root.member("failed");
  if (failed.is_object()) {
    std::cout << text_of(failed, "name") << "  failed: " << text_of(failed, "error") << '\n';
  }
  const json::Value backups = root.member("backups");
  const std::size_t count = backups.is_array() ? backups.size() : 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string name = text_of(backups[i], "name");
    if (name == text_of(running, "name")) continue;
    std::cout << name << "  " << text_of(backups[i], "state") << "  "
              << bytes_text(count_of(backups[i], "bytes")) << '\n';
  }
  if (count == 0) std::cout << "No backups.\n";
  return ExitCode::done;
}

std::shared_ptr<BackupCommand> add(CLI::App& app, CommandRun& run, const char* name,
                                   const char* description, ExitCode (*work)(const BackupCommand&),
                                   CLI::App*& sub) {
  auto command = std::make_shared<BackupCommand>();
  sub = app.add_subcommand(name, description);
  add_connection_options(*sub, command->client);
  sub->add_flag("--json", command->client.json, "print the server's JSON");
  sub->callback([command, &run, work] { run = [command, work] { return work(*command); }; });
  return command;
}

}  // namespace

void add_backup_command(CLI::App& app, CommandRun& run) {
  CLI::App* sub = nullptr;
  const auto command =
      add(app, run, "backup", "Have the server back up its log to where its setting backup_to says",
          back_up, sub);
  sub->add_flag("--no-wait", command->no_wait, "end when it has begun");
}

void add_backups_command(CLI::App& app, CommandRun& run) {
  CLI::App* sub = nullptr;
  add(app, run, "backups", "List the server's backups", list, sub);
}

}  // namespace millrace
