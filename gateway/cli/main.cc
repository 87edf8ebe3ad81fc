#include <CLI/CLI.hpp>
#include <iostream>
#include <string_view>

#include "gateway/cli/command.h"
#include "gateway/standalone.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view{argv[1]} == millrace::extraction_child_flag()) {
    return millrace::run_extraction_child();
  }
  CLI::App app{"millrace: documents in as events on a log, cited answers out token by token",
               "millrace"};
  app.set_version_flag("--version", std::string{"millrace "} + MILLRACE_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Start with `millrace serve`, then `millrace add FOLDER` and `millrace ask QUESTION`.\n"
      "`millrace COMMAND --help` tells what a command takes.");
  millrace::CommandRun run;
  millrace::add_serve_command(app, run);
  millrace::add_add_command(app, run);
  millrace::add_ask_command(app, run);
  millrace::add_search_command(app, run);
  millrace::add_eval_command(app, run);
  millrace::add_status_command(app, run);
  millrace::add_health_command(app, run);
  millrace::add_reindex_command(app, run);
  millrace::add_generations_command(app, run);
  millrace::add_replay_command(app, run);
  millrace::add_topics_command(app, run);
  millrace::add_dead_letters_command(app, run);
  millrace::add_backup_command(app, run);
  millrace::add_backups_command(app, run);
  millrace::add_erase_command(app, run);
  millrace::add_restore_command(app, run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(millrace::ExitCode::usage);
  }
  return static_cast<int>(run());
}
