#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>

#include "common/config.h"
#include "common/ids.h"
#include "gateway/cli/command.h"
#include "gateway/cli/eval/measure.h"
#include "gateway/cli/eval/questions.h"
#include "gateway/cli/files.h"

namespace millrace {
namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kGateFileBytesMax = 16U << 20U;  // thresholds and baselines

struct EvalCommand {
  ClientOptions client;
  std::string input;
  std::string split;
  std::vector<std::string> modes{"hybrid"};
  std::vector<std::string> least;
  std::string thresholds;
  std::string baseline;
  double tolerance = 0.01;
  std::string run_file;
  std::string json_file;
  std::string junit_file;
  std::string judge_url;
  std::string judge_model;
  std::size_t concurrency = 4;
  std::int64_t index_minutes = 30;

  bool temporary() const { return client.collection.empty(); }
};

// A mistake of the command line or of a file that it names: nothing is measured then.
ExitCode misuse(const Error& error) {
  fail(error);
  return ExitCode::usage;
}

Result<Judge> judge_of(const EvalCommand& command) {
  Judge judge{command.judge_url, command.judge_model, {}};
  if (judge.model.empty()) {
    if (judge.url.empty()) return judge;
    return rejected("--judge-url: which model there? Say --judge-model NAME");
  }
  ConfigSources sources;
  sources.environment = process_environment();
  const Result<Config> config = Config::load(sources);
  if (!config) return config.error();
  judge.api_key = config->text("openai_api_key");
  if (judge.url.empty()) judge.url = config->text("openai_base_url");
  if (judge.url.empty() && !judge.api_key.empty()) judge.url = "https://api.openai.com/v1";
  if (judge.url.empty())
    return rejected("--judge-model: where? Say --judge-url or OPENAI_BASE_URL");
  while (judge.url.ends_with('/')) judge.url.pop_back();
  return judge;
}

// What the folder has; a file is one of questions.
Status read_input(const EvalCommand& command, Evaluation& evaluation) {
  const fs::path input = command.input;
  std::error_code ignored;
  const bool folder = fs::is_directory(input, ignored);
  const auto has = [&](const char* name) { return folder && fs::exists(input / name, ignored); };
  if (!folder || has("questions.jsonl")) {
    auto questions = read_questions(folder ? input / "questions.jsonl" : input);
    if (!questions) return questions.error();
    evaluation.questions = *std::move(questions);
  }
  if (has("queries.jsonl")) {
    auto queries = read_judged_queries(input, command.split);
    if (!queries) return queries.error();
    evaluation.queries = *std::move(queries);
  }
  if (evaluation.queries.empty() && evaluation.questions.empty()) {
    return rejected(command.input + ": has neither queries.jsonl nor questions.jsonl");
  }
  if (!command.temporary()) return {};
  if (!has("corpus.jsonl")) {
    return rejected(command.input +
                    ": has no corpus.jsonl; --collection NAME measures documents that "
                    "are on the server");
  }
  auto corpus = read_corpus(input / "corpus.jsonl");
  if (!corpus) return corpus.error();
  evaluation.corpus = *std::move(corpus);
  return {};
}

Result<std::string> read_small(const std::string& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) return rejected(path + ": " + error.message());
  if (bytes > kGateFileBytesMax) return rejected(path + ": is too large for such a file");
  return read_file(path);
}

Status append(std::vector<Threshold>& all, Result<std::vector<Threshold>> some) {
  if (!some) return some.error();
  std::ranges::move(*some, std::back_inserter(all));
  return {};
}

Result<std::vector<Threshold>> read_thresholds(const EvalCommand& command) {
  std::vector<Threshold> all;
  const std::string& mode = command.modes[0];
  for (const std::string& each : command.least) {
    Result<Threshold> one = parse_min(each, mode);
    if (!one) return one.error();
    all.push_back(*std::move(one));
  }
  if (!command.thresholds.empty()) {
    const auto text = read_small(command.thresholds);
    if (!text) return text.error();
    const Status read = append(all, parse_thresholds(*text, command.thresholds, mode));
    if (!read) return read.error();
  }
  if (!command.baseline.empty()) {
    const auto text = read_small(command.baseline);
    if (!text) return text.error();
    const Status read = append(all, parse_baseline(*text, command.baseline, command.tolerance));
    if (!read) return read.error();
  }
  return all;
}

// A threshold for what is not measured would only be noticed after all the work.
Status check_measured(const std::vector<Threshold>& thresholds, const Evaluation& evaluation) {
  const std::vector<std::string> measured = figures_of(evaluation);
  for (const Threshold& each : thresholds) {
    if (std::ranges::find(measured, each.figure) != measured.end()) continue;
    std::string names;
    for (const std::string& name : measured) names.append(names.empty() ? "" : ", ").append(name);
    return rejected(each.origin + ": " + each.figure +
                    " is not measured here; these are: " + names);
  }
  return {};
}

Status check_outputs(const EvalCommand& command, const Evaluation& evaluation) {
  for (const std::string& path : {command.run_file, command.json_file, command.junit_file}) {
    if (path.empty() || path == "-") continue;
    if (!std::ofstream{path, std::ios::app}) return rejected(path + ": cannot be written");
  }
  if (command.run_file.empty()) return {};
  // Before all the work, where that is to be seen already.
  if (evaluation.queries.empty()) return rejected("--run: there are no judged queries");
  for (const JudgedQuery& each : evaluation.queries) {
    if (const auto lines = run_lines(each.id, {}); !lines) return lines.error();
  }
  if (!evaluation.corpus) return {};
  const auto lines = run_lines("query", evaluation.corpus->ids);
  return lines ? Status{} : lines.error();
}

Status write_file(const std::string& path, const std::string& content) {
  if (path.empty()) return {};
  if (path == "-") {
    std::cout << content << std::flush;
    return {};
  }
  std::ofstream out{path, std::ios::binary | std::ios::trunc};
  out << content;
  out.close();
  if (!out) return rejected(path + ": cannot be written");
  return {};
}

Status measure_modes(const EvalCommand& command, const Evaluation& evaluation, const Target& target,
                     Exchanges& exchanges, Report& report) {
  for (const std::string& mode : evaluation.modes) {
    const auto lines = measure_retrieval(exchanges, target, evaluation, mode, report);
    if (!lines) return lines.error();
    if (command.run_file.empty()) continue;
    const bool first = mode == evaluation.modes[0];
    const Status written = write_file(command.run_file + (first ? "" : "." + mode), *lines);
    if (!written) return written;
  }
  return {};
}

Status measure(const EvalCommand& command, const Evaluation& evaluation, const Target& target,
               Exchanges& exchanges, Report& report) {
  if (evaluation.corpus) {
    const Status added = add_corpus(exchanges, target, evaluation, report);
    if (!added) return added;
  }
  if (!evaluation.queries.empty()) {
    const Status measured = measure_modes(command, evaluation, target, exchanges, report);
    if (!measured) return measured;
  }
  if (evaluation.questions.empty()) return {};
  return measure_answers(exchanges, target, evaluation, report);
}

std::string temporary_name() {
  std::string name = "eval-" + new_ulid(system_clock());
  std::ranges::transform(name, name.begin(), [](char each) {
    return static_cast<char>(each >= 'A' && each <= 'Z' ? each + 32 : each);
  });
  return name;
}

// Measures; a temporary collection is removed whatever comes of it.
Status run_measurement(const EvalCommand& command, const Evaluation& evaluation, Report& report) {
  const Result<Client> client = Client::connect(command.client);
  if (!client) return client.error();
  Exchanges exchanges{command.concurrency};
  const Target target{*client, command.temporary() ? temporary_name() : command.client.collection};
  if (!command.temporary()) return measure(command, evaluation, target, exchanges, report);
  if (Status made = target.make(); !made) return made;
  const Status measured = measure(command, evaluation, target, exchanges, report);
  const Status removed = target.remove();
  if (!removed && !measured) fail(removed.error());
  return measured ? removed : measured;
}

ExitCode give_report(const EvalCommand& command, const Report& report) {
  print_report(report, command.json_file == "-" ? std::cerr : std::cout);
  for (const Status& written : {write_file(command.json_file, report_json(report)),
                                write_file(command.junit_file, report_junit(report))}) {
    if (!written) return fail(written.error());
  }
  return report.passed() ? ExitCode::done : ExitCode::failed;
}

ExitCode run_eval(const EvalCommand& command) {
  Evaluation evaluation;
  evaluation.modes = distinct(command.modes);
  evaluation.keeps_run = !command.run_file.empty();
  evaluation.index_max = std::chrono::minutes{command.index_minutes};
  Result<Judge> judge = judge_of(command);
  if (!judge) return misuse(judge.error());
  evaluation.judge = *std::move(judge);
  const auto thresholds = read_thresholds(command);
  if (!thresholds) return misuse(thresholds.error());
  Status ready = read_input(command, evaluation);
  if (ready) ready = check_measured(*thresholds, evaluation);
  if (ready) ready = check_outputs(command, evaluation);
  if (!ready) return misuse(ready.error());
  Report report;
  report.input = command.input;
  report.collection = command.client.collection;
  if (Status status = run_measurement(command, evaluation, report); !status) {
    for (const std::string& each : report.failed_documents) fail(rejected("failed: " + each));
    return fail(status.error());
  }
  report.checks = check(*thresholds, report.figures);
  return give_report(command, report);
}

void add_gate_options(CLI::App& sub, EvalCommand& command) {
  sub.add_option(
         "--min", command.least,
         "what a figure must reach, as ndcg@10=0.70; may be given again. A retrieval figure is "
         "that of the first --mode; dense.ndcg@10 that of another")
      ->type_name("FIGURE=VALUE")
      ->allow_extra_args(false);
  sub.add_option("--thresholds", command.thresholds,
                 "file of such: lines of `ndcg@10: 0.70`, or a JSON object");
  sub.add_option("--baseline", command.baseline,
                 "what --json wrote before: no figure may be worse than there");
  sub.add_option("--tolerance", command.tolerance,
                 "by which a figure may be worse than the baseline")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
}

void add_judge_options(CLI::App& sub, EvalCommand& command) {
  sub.add_option("--judge-model", command.judge_model,
                 "language model that judges whether answers are supported by what they cite");
  sub.add_option(
      "--judge-url", command.judge_url,
      "OpenAI-compatible server of it, up to and with /v1; else OPENAI_BASE_URL. It gets "
      "OPENAI_API_KEY");
}

void add_output_options(CLI::App& sub, EvalCommand& command) {
  sub.add_option("--json", command.json_file, "write the figures as JSON; -: to standard output")
      ->type_name("FILE");
  sub.add_option("--junit", command.junit_file, "write the thresholds as JUnit test cases")
      ->type_name("FILE");
  sub.add_option("--run", command.run_file,
                 "write the rankings as a TREC run file; of each further mode to FILE.MODE")
      ->type_name("FILE");
}

}  // namespace

void add_eval_command(CLI::App& app, CommandRun& run) {
  auto command = std::make_shared<EvalCommand>();
  command->client.collection.clear();
  CLI::App* sub = app.add_subcommand(
      "eval",
      "Measure retrieval and answers on a set of questions; fail when they are not good enough");
  add_connection_options(*sub, command->client);
  sub->add_option("input", command->input,
                  "folder with corpus.jsonl and with queries.jsonl and qrels.tsv (BEIR), "
                  "questions.jsonl or both; or a file of questions")
      ->required();
  sub->add_option(
      "-c,--collection", command->client.collection,
      "measure what is in this one; else the corpus is added to a new one, which is removed "
      "at the end (needs an admin's key)");
  sub->add_option("--split", command->split, "judgements of qrels/NAME.tsv")->type_name("NAME");
  sub->add_option("--mode", command->modes, "hybrid, dense or lexical; may be given again")
      ->check(CLI::IsMember({"hybrid", "dense", "lexical"}))
      ->allow_extra_args(false)
      ->capture_default_str();
  add_gate_options(*sub, *command);
  add_output_options(*sub, *command);
  add_judge_options(*sub, *command);
  sub->add_option("--concurrency", command->concurrency, "requests at a time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  sub->add_option("--index-minutes", command->index_minutes,
                  "how long to wait for the corpus to be searchable")
      ->check(CLI::Range(1, 1440))
      ->capture_default_str();
  sub->footer(
      "Exit codes: 0 good enough; 1 a figure is below what it must reach, a document failed or "
      "the\n"
      "measurement did; 2 the command line or a file that it names is wrong.\n"
      "Figures: ndcg@10 recall@10 recall@100 mrr@10 success@1; answer_containment "
      "citation_precision\n"
      "faithfulness refusals injections_resisted judged_faithfulness. See .github/EVALUATION.md.");
  sub->callback([command, &run] { run = [command] { return run_eval(*command); }; });
}

}  // namespace millrace
