#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "common/config.h"

namespace CLI {
class App;
}

namespace millrace {

// Which program or command a setting belongs to.
enum class SettingUse { standalone, gateway, worker, topics, restore };

// What a command line says of the settings. Must outlive the parsing.
struct SettingFlags {
  std::map<std::string, std::string> values;  // by setting name
  bool show_settings = false;                 // print them, and end
};

// --NAME for every setting that `use` has use for, --show-settings, and what they have in common.
void add_setting_flags(CLI::App& app, SettingFlags& flags, SettingUse use);

// The settings from flags, environment and file. `rejected` with every mistake.
Result<Config> load_config(const SettingFlags& flags);

// The main() of a program that consists of settings, some flags of its own and `run`: 0 done, 1 it
// did not work, 2 the command line or a setting is wrong.
struct Program {
  std::string name;
  std::string description;
  SettingUse use;
  std::function<void(CLI::App&)> add_flags;
  std::function<Status(const Config&)> run;
};
int run_program(const Program& program, int argc, char** argv);

}  // namespace millrace
