#include "gateway/cli/eval/measure.h"

#include <algorithm>

namespace millrace {
namespace {

namespace asio = boost::asio;

asio::awaitable<Status> add_batch(const Target& target, const Corpus& corpus,
                                  const Corpus::Batch& batch) {
  Result<std::string> documents = documents_json(corpus, batch);
  if (!documents) co_return documents.error();
  co_return co_await target.add(*std::move(documents));
}

asio::awaitable<Status> await_document(const Target& target, const std::string& id,
                                       Clock::Steady deadline, std::string& failure) {
  auto outcome = co_await target.settle(id, deadline);
  if (!outcome) co_return outcome.error();
  failure = *std::move(outcome);
  co_return Status{};
}

asio::awaitable<Status> search_one(const Target& target, const JudgedQuery& query,
                                   const std::string& mode, Target::Found& found) {
  auto outcome = co_await target.search(query.text, mode);
  if (!outcome) co_return with_context("query " + query.id, outcome.error());
  found = *std::move(outcome);
  co_return Status{};
}

struct Judged {
  GivenAnswer answer;
  std::optional<double> by_judge;
};

asio::awaitable<Status> ask_one(const Target& target, const Evaluation& evaluation,
                                const Question& question, Judged& judged) {
  auto outcome = co_await target.ask(question.text, evaluation.modes[0]);
  if (!outcome) co_return with_context("question " + question.id, outcome.error());
  judged.answer = *std::move(outcome);
  if (evaluation.judge.model.empty() || judged.answer.refused) co_return Status{};
  auto share = co_await judge_answer(evaluation.judge, judged.answer);
  if (!share) co_return with_context("question " + question.id, share.error());
  judged.by_judge = *share;
  co_return Status{};
}

void add_figure(Report& report, std::string name, const Mean& mean) {
  if (mean.cases() != 0) report.figures.push_back({std::move(name), mean.value(), mean.cases()});
}

bool any(const std::vector<Question>& questions, bool (*is)(const Question& question)) {
  return std::ranges::any_of(questions, is);
}

}  // namespace

Status add_corpus(Exchanges& exchanges, const Target& target, const Evaluation& evaluation,
                  Report& report) {
  const Corpus& corpus = *evaluation.corpus;
  report.documents = corpus.ids.size();
  Status added = exchanges.run("batches added", corpus.batches.size(), [&](std::size_t i) {
    return add_batch(target, corpus, corpus.batches[i]);
  });
  if (!added) return added;
  const Clock::Steady deadline = system_clock().now() + evaluation.index_max;
  std::vector<std::string> failures(corpus.ids.size());
  Status settled = exchanges.run("documents searchable", corpus.ids.size(), [&](std::size_t i) {
    return await_document(target, corpus.ids[i], deadline, failures[i]);
  });
  for (std::size_t i = 0; i < failures.size(); ++i) {
    if (!failures[i].empty()) report.failed_documents.push_back(corpus.ids[i] + ": " + failures[i]);
  }
  return settled;
}

Result<std::string> measure_retrieval(Exchanges& exchanges, const Target& target,
                                      const Evaluation& evaluation, const std::string& mode,
                                      Report& report) {
  const std::vector<JudgedQuery>& queries = evaluation.queries;
  report.queries = queries.size();
  std::vector<Target::Found> found(queries.size());
  Status searched = exchanges.run(mode + " searches", queries.size(), [&](std::size_t i) {
    return search_one(target, queries[i], mode, found[i]);
  });
  if (!searched) return searched.error();
  std::array<Mean, kRetrievalFigures.size()> means;
  std::vector<double> times_ms;
  std::string lines;
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto scores = score_ranking(found[i].ranking, queries[i].judgements);
    for (std::size_t k = 0; scores && k < means.size(); ++k) means[k].add((*scores)[k]);
    times_ms.push_back(found[i].took_ms);
    if (!evaluation.keeps_run) continue;
    const Result<std::string> some = run_lines(queries[i].id, found[i].ranking);
    if (!some) return some.error();
    lines += *some;
  }
  for (std::size_t k = 0; k < means.size(); ++k) {
    add_figure(report, mode + "." + std::string{kRetrievalFigures[k]}, means[k]);
  }
  report.latencies.push_back(latency_of(mode + ".search", std::move(times_ms)));
  return lines;
}

Status measure_answers(Exchanges& exchanges, const Target& target, const Evaluation& evaluation,
                       Report& report) {
  const std::vector<Question>& questions = evaluation.questions;
  report.questions = questions.size();
  std::vector<Judged> judged(questions.size());
  Status asked = exchanges.run("questions answered", questions.size(), [&](std::size_t i) {
    return ask_one(target, evaluation, questions[i], judged[i]);
  });
  if (!asked) return asked;
  std::array<Mean, kAnswerFigures.size()> means;
  std::vector<double> times_ms;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const AnswerScores scores = score_answer(questions[i], judged[i].answer);
    for (std::size_t k = 0; k < scores.size(); ++k) {
      if (scores[k]) means[k].add(*scores[k]);
    }
    if (judged[i].by_judge) means.back().add(*judged[i].by_judge);
    if (judged[i].answer.first_token_ms) times_ms.push_back(*judged[i].answer.first_token_ms);
  }
  for (std::size_t k = 0; k < means.size(); ++k) {
    add_figure(report, std::string{kAnswerFigures[k]}, means[k]);
  }
  report.latencies.push_back(latency_of("first_token", std::move(times_ms)));
  return {};
}

std::vector<std::string> figures_of(const Evaluation& evaluation) {
  std::vector<std::string> names;
  for (const std::string& mode : evaluation.modes) {
    for (const std::string_view each : kRetrievalFigures) {
      if (!evaluation.queries.empty()) names.push_back(mode + "." + std::string{each});
    }
  }
  const std::vector<Question>& questions = evaluation.questions;
  const auto answers = [](const Question& each) { return !each.answers.empty(); };
  const auto expects = [](const Question& each) {
    return !each.answers.empty() || !each.documents.empty();
  };
  const auto forbids = [](const Question& each) { return !each.forbidden.empty(); };
  const std::array<bool, kAnswerFigures.size()> there{
      any(questions, answers),
      any(questions, expects),
      !questions.empty(),
      any(questions, [](const Question& each) { return each.unanswerable; }),
      any(questions, forbids),
      !questions.empty() && !evaluation.judge.model.empty()};
  for (std::size_t k = 0; k < there.size(); ++k) {
    if (there[k]) names.emplace_back(kAnswerFigures[k]);
  }
  return names;
}

}  // namespace millrace
