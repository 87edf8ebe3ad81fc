#include <CLI/CLI.hpp>
#include <string_view>

#include "common/command_line.h"
#include "workers/extractor/sandbox.h"
#include "workers/stages.h"
#include "workers/worker.h"

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view{argv[1]} == millrace::kSandboxFlag) {
    return millrace::run_sandbox_child();
  }
  std::vector<std::string> stages;
  millrace::Program program;
  program.name = "millrace-worker";
  program.description = "Stages of millrace over Apache Kafka: as many processes of each as wanted";
  program.use = millrace::SettingUse::worker;
  program.add_flags = [&stages](CLI::App& app) {
    app.add_option("--stage", stages,
                   "extractor, chunker, embedder, indexer (with its searcher), query-embedder, "
                   "answerer; several with commas; or all")
        ->delimiter(',');
    app.callback([&app, &stages] {
      if (app.count("--show-settings") > 0) return;
      const auto found = millrace::find_stages(stages);
      if (!found) throw CLI::ValidationError{"--stage", found.error().message};
    });
  };
  program.run = [&stages](const millrace::Config& config) {
    return millrace::run_worker(config, stages);
  };
  return millrace::run_program(program, argc, argv);
}
