#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "common/command_line.h"
#include "gateway/cli/command.h"
#include "gateway/standalone.h"

namespace millrace {
namespace {

ExitCode run_serve(const SettingFlags& flags) {
  const Result<Config> config = load_config(flags);
  if (!config) {
    fail(config.error());
    return ExitCode::usage;
  }
  if (flags.show_settings) {
    std::fputs(config->describe().c_str(), stdout);
    return ExitCode::done;
  }
  if (Status status = run_standalone(*config); !status) return fail(status.error());
  return ExitCode::done;
}

}  // namespace

void add_serve_command(CLI::App& app, CommandRun& run) {
  auto flags = std::make_shared<SettingFlags>();
  CLI::App* sub =
      app.add_subcommand("serve", "Run everything in this process: no broker, no API key");
  add_setting_flags(*sub, *flags, SettingUse::standalone);
  sub->callback([flags, &run] { run = [flags] { return run_serve(*flags); }; });
}

}  // namespace millrace
