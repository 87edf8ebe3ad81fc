#include "common/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>
#include <vector>

namespace millrace {
namespace {

using ::testing::HasSubstr;

class CommandLine : public testing::Test {
 protected:
  int run(std::vector<std::string> arguments) {
    Program program;
    program.name = "millrace-test";
    program.description = "for this test";
    program.use = SettingUse::worker;
    program.add_flags = [](CLI::App& app) { app.add_flag("--own"); };
    program.run = [this](const Config& config) -> Status {
      config_ = config;
      return outcome_;
    };
    arguments.insert(arguments.begin(), program.name);
    std::vector<char*> argv;
    for (std::string& each : arguments) argv.push_back(each.data());
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = run_program(program, static_cast<int>(argv.size()), argv.data());
    out_ = testing::internal::GetCapturedStdout();
    error_ = testing::internal::GetCapturedStderr();
    return code;
  }

  std::optional<Config> config_;  // that the program ran with
  Status outcome_;
  std::string out_;
  std::string error_;
};

bool has_flag(SettingUse use, const std::string& flag) {
  CLI::App app;
  SettingFlags flags;
  add_setting_flags(app, flags, use);
  return app.get_option_no_throw(flag) != nullptr;
}

TEST_F(CommandLine, gives_the_program_its_settings) {
  EXPECT_EQ(run({"--own", "--partitions=4", "--brokers", "kafka:9092"}), 0) << error_;
  ASSERT_TRUE(config_);
  EXPECT_EQ(config_->integer("partitions"), 4);
  EXPECT_EQ(config_->text("brokers"), "kafka:9092");
}

TEST_F(CommandLine, shows_settings_instead_of_running) {
  EXPECT_EQ(run({"--show-settings", "--partitions", "4"}), 0) << error_;
  EXPECT_FALSE(config_);
  EXPECT_THAT(out_, HasSubstr("partitions = 4 (from --partitions)\n"));
}

TEST_F(CommandLine, tells_a_wrong_line_from_a_program_that_fails) {
  EXPECT_EQ(run({"--partitions", "none"}), 2);
  EXPECT_THAT(error_, HasSubstr("millrace-test: partitions: 'none' (from --partitions) is not"));
  EXPECT_EQ(run({"--no-such-flag"}), 2);
  EXPECT_FALSE(config_);
  outcome_ = fatal("no luck");
  EXPECT_EQ(run({}), 1);
  EXPECT_EQ(error_, "millrace-test: no luck\n");
}

TEST_F(CommandLine, answers_help_and_version) {
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_THAT(out_, HasSubstr("MILLRACE_DATA_DIR"));
  EXPECT_EQ(run({"--version"}), 0);
  EXPECT_THAT(out_, HasSubstr("millrace-test "));
  EXPECT_FALSE(config_);
}

// A flag without effect would let people believe that it had one.
TEST(SettingFlags, are_those_that_the_program_has_use_for) {
  EXPECT_FALSE(has_flag(SettingUse::standalone, "--brokers"));
  EXPECT_FALSE(has_flag(SettingUse::standalone, "--kafka-prefix"));
  EXPECT_TRUE(has_flag(SettingUse::standalone, "--listen"));
  EXPECT_FALSE(has_flag(SettingUse::worker, "--listen"));
  EXPECT_TRUE(has_flag(SettingUse::worker, "--chunk-tokens"));
  EXPECT_FALSE(has_flag(SettingUse::gateway, "--chunk-tokens"));
  EXPECT_TRUE(has_flag(SettingUse::topics, "--kafka-replication"));
  EXPECT_FALSE(has_flag(SettingUse::topics, "--listen"));
}

TEST(SettingFlags, cover_every_setting_of_the_servers) {
  for (const Setting& setting : settings_table()) {
    if (setting.name == "server" || setting.name == "api_key") continue;
    std::string flag = "--" + std::string{setting.name};
    std::replace(flag.begin(), flag.end(), '_', '-');
    // What is for no single process is for a process of the distributed system.
    EXPECT_TRUE(has_flag(SettingUse::standalone, flag) || has_flag(SettingUse::worker, flag))
        << flag;
    if (flag == "--log-trim-interval-ms" || flag == "--admin-listen") continue;  // of one only
    EXPECT_TRUE(has_flag(SettingUse::gateway, flag) || has_flag(SettingUse::worker, flag)) << flag;
  }
}

}  // namespace
}  // namespace millrace
