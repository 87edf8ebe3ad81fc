#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <string>

#include "common/config.h"
#include "gateway/cli/command.h"
#include "gateway/standalone.h"

namespace millrace {
namespace {

struct ServeCommand {
  std::map<std::string, std::string> flags;  // by setting name
  bool show_settings = false;
};

std::string flag_name(std::string_view setting) {
  std::string flag{"--"};
  for (const char each : setting) flag += each == '_' ? '-' : each;
  return flag;
}

std::string flag_help(const Setting& setting) {
  std::string help{setting.help};
  if (setting.type != Setting::Type::secret && !setting.default_value.empty()) {
    help += " [" + std::string{setting.default_value} + "]";
  }
  return help;
}

ExitCode run_serve(const ServeCommand& command) {
  ConfigSources sources;
  sources.flags = command.flags;
  sources.environment = process_environment();
  Result<Config> config = Config::load(sources);
  if (!config) {
    fail(config.error());
    return ExitCode::usage;
  }
  if (command.show_settings) {
    std::fputs(config->describe().c_str(), stdout);
    return ExitCode::done;
  }
  if (Status status = run_standalone(*config); !status) return fail(status.error());
  return ExitCode::done;
}

}  // namespace

void add_serve_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<ServeCommand>();
  CLI::App* sub =
      app.add_subcommand("serve", "Run everything in this process: no broker, no API key");
  sub->footer(
      "Each flag is also an environment variable (--data-dir is MILLRACE_DATA_DIR) and a line "
      "of the\nsettings file (data_dir: …). A flag wins over the environment, that over the file.");
  for (const Setting& setting : settings_table()) {
    if (setting.name == "server" || setting.name == "api_key") continue;  // of the client commands
    sub->add_option_function<std::string>(
        flag_name(setting.name),
        [command, name = std::string{setting.name}](const std::string& value) {
          command->flags[name] = value;
        },
        flag_help(setting));
  }
  sub->add_flag("--show-settings", command->show_settings,
                "print every setting with its value and origin, and end");
  sub->callback([command, &run] { run = [command] { return run_serve(*command); }; });
}

}  // namespace millrace
