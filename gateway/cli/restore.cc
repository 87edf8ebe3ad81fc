#include "gateway/backup/restore.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>

#include "common/command_line.h"
#include "common/log/embedded_log.h"
#include "common/log/kafka_settings.h"
#include "common/log/segmented.h"
#include "common/logging.h"
#include "gateway/backup/stored_backups.h"
#include "gateway/cli/command.h"
#include "gateway/cli/index_line.h"
#include "gateway/gateway_settings.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

struct RestoreCommand {
  SettingFlags flags;
  std::string from;
  bool verify = false;
};

// LOCATION or LOCATION/NAME.
struct Source {
  std::unique_ptr<ObjectStore> store;
  std::string name;  // of a backup
};

Result<Source> find_source(std::string from, const S3Options& s3) {
  while (from.size() > 1 && from.ends_with('/')) from.pop_back();
  Source source;
  const auto slash = from.rfind('/');
  const std::string last = from.substr(slash + 1);  // npos + 1 is 0
  if (is_backup_name(last)) {
    source.name = last;
    from = slash == std::string::npos ? "." : from.substr(0, std::max<std::size_t>(slash, 1));
  }
  auto store = open_object_store(from, s3, system_clock());
  if (!store) return store.error();
  source.store = std::move(*store);
  if (!source.name.empty()) return source;
  const auto backups = list_backups(*source.store);
  if (!backups) return backups.error();
  for (const StoredBackup& each : *backups) {
    if (each.whole && source.name.empty()) source.name = each.name;
  }
  if (source.name.empty()) return rejected("there is no whole backup in " + source.store->where());
  return source;
}

// "checked 3 of 17 objects" on one line, on a terminal.
class ObjectCounter {
 public:
  ObjectCounter(const char* doing, std::size_t all) : doing_{doing}, all_{all} {}
  ~ObjectCounter() {
    if (::isatty(STDERR_FILENO) != 0) std::fputs("\r\033[K", stderr);
  }
  void operator()(const BackupObject& object) {
    ++seen_;
    if (::isatty(STDERR_FILENO) == 0) return;
    std::fprintf(stderr, "\r\033[K%s %zu of %zu objects: %s", doing_, seen_, all_,
                 object.source.topic.c_str());
  }

 private:
  const char* const doing_;
  const std::size_t all_;
  std::size_t seen_ = 0;
};

// Made beside the folder and renamed to it when whole, so that nothing is there before. What a
// failure leaves goes.
class NewFolder {
 public:
  explicit NewFolder(fs::path target)
      : target_{std::move(target)}, made_{target_.string() + ".restoring"} {}
  ~NewFolder() {
    std::error_code ignored;
    if (is_made_) fs::remove_all(made_, ignored);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  Status make() {
    std::error_code error;
    if (fs::exists(target_, error) && !fs::is_empty(target_, error)) {
      return rejected(target_.string() +
                      " is not empty: a backup is restored into a new data_dir only");
    }
    if (fs::exists(made_, error)) {
      return rejected(made_.string() +
                      " is there: a restore into it is running, or was cut off. Remove it");
    }
    if (error || !fs::create_directories(made_, error)) {
      return rejected("make " + made_.string() + ": " + error.message());
    }
    is_made_ = true;
    fs::permissions(made_, fs::perms::owner_all, error);
    return {};
  }

  Status keep() {
    std::error_code error;
    fs::remove(target_, error);  // an empty one
    fs::rename(made_, target_, error);
    if (error) return rejected("rename to " + target_.string() + ": " + error.message());
    is_made_ = false;
    return {};
  }

  const fs::path& path() const { return made_; }

 private:
  const fs::path target_;
  const fs::path made_;
  bool is_made_ = false;
};

Status fill(Log& base, const Source& source, const Manifest& manifest,
            const std::vector<TopicSpec>& topics) {
  const std::unique_ptr<Log> log = make_segmented_log(base);
  if (Status made = log->create_topics(topics); !made) return made;
  ObjectCounter counter{"restored", manifest.objects.size()};
  return restore_backup(*source.store, manifest, *log, system_clock(), std::ref(counter));
}

Status restore_into_folder(const Config& config, const Source& source, const Manifest& manifest,
                           const std::vector<TopicSpec>& topics, MetricsRegistry& metrics) {
  fs::path target = config.text("data_dir");
  if (!target.has_filename()) target = target.parent_path();  // PATH/
  NewFolder folder{target};
  if (Status made = folder.make(); !made) return made;
  EmbeddedLogOptions options;
  options.directory = folder.path() / "log";
  std::error_code error;
  fs::create_directories(options.directory, error);
  if (error) return rejected("make " + options.directory.string() + ": " + error.message());
  {
    const auto log = open_embedded_log(options, system_clock(), metrics);
    if (!log) return log.error();
    if (Status filled = fill(**log, source, manifest, topics); !filled) return filled;
  }
  return folder.keep();
}

Status restore_into_kafka(const Config& config, const Source& source, const Manifest& manifest,
                          const std::vector<TopicSpec>& topics, MetricsRegistry& metrics) {
  const auto log = open_kafka_log(kafka_options(config), system_clock(), metrics);
  if (!log) return log.error();
  return fill(**log, source, manifest, topics);
}

std::string summary(const Manifest& manifest) {
  return std::to_string(manifest.records()) + " records, " + bytes_text(manifest.bytes()) + ", " +
         std::to_string(manifest.partitions) + " partitions, from a log of the kind " +
         printable(manifest.log) + ", millrace " + printable(manifest.millrace);
}

Status restore(const RestoreCommand& command, const Config& config) {
  const auto source = find_source(command.from, s3_options(config));
  if (!source) return source.error();
  const auto manifest = read_manifest(*source->store, source->name);
  if (!manifest) return manifest.error();
  const auto topics = topics_for(*manifest);
  if (!topics) return topics.error();
  {
    ObjectCounter counter{"checked", manifest->objects.size()};
    const Status whole = verify_backup(*source->store, *manifest, std::ref(counter));
    if (!whole) return whole;
  }
  if (command.verify) {
    std::cout << "backup " << manifest->name << " is whole: " << summary(*manifest) << '\n';
    return {};
  }
  MetricsRegistry metrics;
  const std::string brokers = config.text("brokers");
  const Status done = brokers.empty()
                          ? restore_into_folder(config, *source, *manifest, *topics, metrics)
                          : restore_into_kafka(config, *source, *manifest, *topics, metrics);
  if (!done) return done;
  const std::string target = brokers.empty() ? config.text("data_dir") : "Kafka at " + brokers;
  std::cout << "restored " << manifest->name << " into " << target << ": " << summary(*manifest)
            << '\n'
            << (brokers.empty() ? "Start it with" : "Give every process a new data_dir, and")
            << " --partitions " << manifest->partitions
            << "; the index is built anew from the log.\n";
  return {};
}

ExitCode run_restore(const RestoreCommand& command) {
  const Result<Config> config = load_config(command.flags);
  if (!config) {
    fail(config.error());
    return ExitCode::usage;
  }
  if (command.flags.show_settings) {
    std::fputs(config->describe().c_str(), stdout);
    return ExitCode::done;
  }
  const bool to_kafka = !config->text("brokers").empty();
  const bool to_folder = command.flags.values.contains("data_dir");
  if (!command.verify && to_kafka == to_folder) {
    fail(
        rejected("restore into what? Say --data-dir DIR for `millrace serve`, or --brokers "
                 "HOST:PORT[,HOST:PORT…] for Kafka; or --verify to look only"));
    return ExitCode::usage;
  }
  set_log_level(config->text("log_level"));
  const Status done = restore(command, *config);
  return done ? ExitCode::done : fail(done.error());
}

}  // namespace

void add_restore_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<RestoreCommand>();
  CLI::App* sub = app.add_subcommand(
      "restore", "Fill a new data folder, or the empty topics of a Kafka cluster, from a backup");
  sub->add_option("--from", command->from,
                  "the backup: where they are, a folder or s3://BUCKET/PREFIX, for the newest "
                  "whole one, or that and /NAME")
      ->required();
  sub->add_flag("--verify", command->verify, "check all of the backup, restore nothing");
  add_setting_flags(*sub, command->flags, SettingUse::restore);
  sub->callback([command, &run] { run = [command] { return run_restore(*command); }; });
}

}  // namespace millrace
