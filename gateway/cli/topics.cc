#include "schemas/topics.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

#include "common/command_line.h"
#include "common/log/kafka_settings.h"
#include "gateway/cli/command.h"

namespace millrace {
namespace {

struct TopicsCommand {
  SettingFlags flags;
  bool create = false;
};

void print(const std::vector<KafkaTopicReport>& reports) {
  std::printf("%-24s %10s %11s  %s\n", "topic", "partitions", "replication", "differs");
  for (const KafkaTopicReport& each : reports) {
    std::string differs;
    for (const std::string& one : each.differences)
      differs.append(differs.empty() ? "" : "; ").append(one);
    std::printf("%-24s %10s %11s  %s\n", each.name.c_str(),
                each.exists ? std::to_string(each.partitions).c_str() : "-",
                each.exists ? std::to_string(each.replication).c_str() : "-",
                differs.empty() ? "-" : differs.c_str());
  }
}

bool differ(const std::vector<KafkaTopicReport>& reports) {
  return std::ranges::any_of(
      reports, [](const KafkaTopicReport& each) { return !each.differences.empty(); });
}

// What of `before` is not in `after` was set right; the number of copies is not ours to change.
void print_outcome(const KafkaTopicReport& before, const KafkaTopicReport& after) {
  if (!before.exists) {
    std::cout << "made " << before.name << '\n';
    return;
  }
  for (const std::string& each : before.differences) {
    const bool is_left = std::ranges::find(after.differences, each) != after.differences.end();
    std::cout << (is_left ? "left as it is: " : "set right: ") << before.name << ", whose " << each
              << '\n';
  }
}

ExitCode create(const KafkaLogOptions& options, const std::vector<TopicSpec>& table,
                const std::vector<KafkaTopicReport>& before) {
  if (Status applied = apply_kafka_topics(options, table); !applied) return fail(applied.error());
  const auto after = describe_kafka_topics(options, table);
  if (!after) return fail(after.error());
  for (std::size_t i = 0; i < before.size(); ++i) print_outcome(before[i], (*after)[i]);
  if (!differ(before)) std::cout << "every topic is there as it should be\n";
  return ExitCode::done;
}

ExitCode run_topics(const TopicsCommand& command) {
  const Result<Config> config = load_config(command.flags);
  if (!config) {
    fail(config.error());
    return ExitCode::usage;
  }
  if (command.flags.show_settings) {
    std::fputs(config->describe().c_str(), stdout);
    return ExitCode::done;
  }
  const KafkaLogOptions options = kafka_options(*config);
  if (options.brokers.empty()) {
    fail(rejected("where is Kafka? Say --brokers HOST:PORT[,HOST:PORT…]"));
    return ExitCode::usage;
  }
  const auto partitions = static_cast<std::int32_t>(config->integer("partitions"));
  const std::vector<TopicSpec> table = topic_specs(partitions, kGeneration);
  const auto before = describe_kafka_topics(options, table);
  if (!before) return fail(before.error());
  if (command.create) return create(options, table, *before);
  print(*before);
  return differ(*before) ? ExitCode::failed : ExitCode::done;
}

void add_topics(CLI::App& topics, const char* name, const char* description, bool create,
                CommandRun& run) {
  auto command = std::make_shared<TopicsCommand>();
  command->create = create;
  CLI::App* sub = topics.add_subcommand(name, description);
  add_setting_flags(*sub, command->flags, SettingUse::topics);
  sub->callback([command, &run] { run = [command] { return run_topics(*command); }; });
}

}  // namespace

void add_topics_command(CLI::App& app, CommandRun& run) {
  CLI::App* topics = app.add_subcommand("topics", "The topics of a Kafka cluster");
  topics->require_subcommand(1);
  add_topics(*topics, "create", "Make the topics that are missing, set the others right", true,
             run);
  add_topics(*topics, "describe", "Show the topics and what differs from what they should be",
             false, run);
}

}  // namespace millrace
