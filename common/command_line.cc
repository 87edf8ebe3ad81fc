#include "common/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>

namespace millrace {

namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

bool is_of_client(std::string_view name) { return name == "server" || name == "api_key"; }
bool is_of_kafka(std::string_view name) { return name == "brokers" || name.starts_with("kafka_"); }
bool is_of_s3(std::string_view name) { return name.starts_with("s3_"); }
bool is_of_gateway(std::string_view name) {
  constexpr std::string_view kNames[] = {"listen",
                                         "gateway_threads",
                                         "connections_max",
                                         "uploads_in_flight_bytes_max",
                                         "header_bytes_max",
                                         "body_bytes_max",
                                         "header_timeout_ms",
                                         "body_timeout_ms",
                                         "idle_timeout_ms",
                                         "stream_backlog_max",
                                         "documents_per_request_max",
                                         "generation_keep_ms",
                                         "question_bytes_max",
                                         "top_k",
                                         "top_k_max"};
  return std::ranges::find(kNames, name) != std::end(kNames) || name.starts_with("backup_") ||
         is_of_s3(name);
}
bool is_of_stages(std::string_view name) {
  constexpr std::string_view kStarts[] = {"extract_", "chunk_",   "model_",  "embed",
                                          "answer",   "openai_",  "refusal", "pages",
                                          "retry",    "attempts", "poll_"};
  return std::ranges::any_of(kStarts,
                             [&](std::string_view each) { return name.starts_with(each); });
}

bool is_used(std::string_view name, SettingUse use) {
  if (is_of_client(name)) return false;
  const bool shared_timeout = name == "answer_timeout_ms";
  switch (use) {
    case SettingUse::standalone:
      return !is_of_kafka(name) && name != "admin_listen";
    case SettingUse::gateway:
      return (!is_of_stages(name) || shared_timeout) && name != "admin_listen" &&
             name != "log_trim_interval_ms";
    case SettingUse::worker:
      return !is_of_gateway(name) && name != "log_trim_interval_ms";
    case SettingUse::topics:
      return is_of_kafka(name) || name == "partitions" || name == "config_file" ||
             name == "erase_within_ms";
    case SettingUse::restore:
      return is_of_kafka(name) || is_of_s3(name) || name == "data_dir" || name == "config_file" ||
             name == "erase_within_ms";
  }
  return false;
}

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

}  // namespace

void add_setting_flags(CLI::App& app, SettingFlags& flags, SettingUse use) {
  app.footer(
      "Each flag is also an environment variable (--data-dir is MILLRACE_DATA_DIR) and a line "
      "of the\nsettings file (data_dir: …). A flag wins over the environment, that over the file.");
  for (const Setting& setting : settings_table()) {
    if (!is_used(setting.name, use)) continue;
    app.add_option_function<std::string>(
        flag_name(setting.name),
        [&flags, name = std::string{setting.name}](const std::string& value) {
          flags.values[name] = value;
        },
        flag_help(setting));
  }
  app.add_flag("--show-settings", flags.show_settings,
               "print every setting with its value and origin, and end");
}

Result<Config> load_config(const SettingFlags& flags) {
  ConfigSources sources;
  sources.flags = flags.values;
  sources.environment = process_environment();
  return Config::load(sources);
}

int run_program(const Program& program, int argc, char** argv) {
  CLI::App app{program.description, program.name};
  app.set_version_flag("--version", program.name + " " + MILLRACE_VERSION);
  SettingFlags flags;
  program.add_flags(app);
  add_setting_flags(app, flags, program.use);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  const Result<Config> config = load_config(flags);
  if (!config) {
    std::cerr << program.name << ": " << config.error().message << '\n';
    return kUsage;
  }
  if (flags.show_settings) {
    std::fputs(config->describe().c_str(), stdout);
    return 0;
  }
  if (const Status status = program.run(*config); !status) {
    std::cerr << program.name << ": " << status.error().message << '\n';
    return kFailed;
  }
  return 0;
}

}  // namespace millrace
