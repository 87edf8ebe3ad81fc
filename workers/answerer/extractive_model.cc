#include "workers/answerer/extractive_model.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cmath>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "common/json.h"
#include "workers/answerer/cited_text.h"
#include "workers/answerer/evidence.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kCandidatesMax = 400;
constexpr double kRankBonus = 0.3;  // of the first passage's sentences, before the model has looked
// A sentence's score is this much similarity and the rest shared words.
constexpr double kSimilarityWeight = 0.75;
// A further sentence must come this close to the best one, and say something else.
constexpr double kRelativeMin = 0.8;
constexpr double kRedundancyMax = 0.6;
// Evidence this similar to the question is as good as it gets (MiniLM: a question beside its
// answer in the same words); confidence runs from 0.2 at the threshold to 1 here.
constexpr double kCertain = 0.85;
constexpr double kConfidenceAtThreshold = 0.2;
constexpr std::size_t kDeltaBytes = 48;  // about eight words
// How far what a heading asks holds below it, in sentences.
constexpr std::size_t kBelowHeading = 3;

struct Candidate {
  std::size_t passage = 0;
  PassageSentence sentence;
  std::optional<PassageSentence> heading;  // the question, as it stands above the sentence
  double overlap = 0;
  double similarity = 0;
  double score = 0;
};

std::string_view text_of(const AnswerTask& task, std::size_t passage,
                         const PassageSentence& sentence) {
  return std::string_view{task.passages[passage].text}.substr(sentence.begin,
                                                              sentence.end - sentence.begin);
}
std::string_view text_of(const AnswerTask& task, const Candidate& candidate) {
  return text_of(task, candidate.passage, candidate.sentence);
}

bool has_word(const std::vector<std::string>& words, const std::string& word) {
  return std::any_of(words.begin(), words.end(),
                     [&](const std::string& other) { return same_word(word, other); });
}

// A heading, or a question of a list of questions, that says nothing which the question does not:
// no answer, but what stands below it may be one.
bool asks_the_same(const std::vector<std::string>& question, const PassageSentence& sentence,
                   std::string_view text) {
  const bool statement = text.ends_with('.') || text.ends_with('!') || text.ends_with("。");
  return !statement &&
         std::all_of(sentence.words.begin(), sentence.words.end(),
                     [&](const std::string& word) { return has_word(question, word); });
}

// Neighbouring chunks overlap: a sentence of a document counts once, where it ranks best.
std::vector<Candidate> candidates_of(const AnswerTask& task,
                                     const std::vector<std::string>& question) {
  std::vector<Candidate> out;
  std::set<std::pair<std::string_view, std::string_view>> known;
  for (std::size_t i = 0; i < task.passages.size(); ++i) {
    std::optional<PassageSentence> heading;
    std::size_t below = 0;
    for (PassageSentence& sentence : sentences_of(task.passages[i].text)) {
      if (out.size() >= kCandidatesMax) return out;
      if (asks_the_same(question, sentence, text_of(task, i, sentence))) {
        heading = std::move(sentence);
        below = 0;
        continue;
      }
      if (below++ == kBelowHeading) heading.reset();
      Candidate candidate{i, std::move(sentence), heading};
      if (!known.insert({task.passages[i].document_id, text_of(task, candidate)}).second) continue;
      out.push_back(std::move(candidate));
    }
  }
  return out;
}

// A word that few of the sentences have tells more.
void weigh_words(const std::vector<std::string>& question, std::vector<Candidate>& candidates) {
  std::vector<double> weights;
  for (const std::string& word : question) {
    const auto have =
        std::count_if(candidates.begin(), candidates.end(),
                      [&](const Candidate& each) { return has_word(each.sentence.words, word); });
    weights.push_back(
        std::log(1.0 + static_cast<double>(candidates.size()) / (1.0 + static_cast<double>(have))));
  }
  for (Candidate& candidate : candidates) {
    const PassageSentence& telling = candidate.heading.value_or(candidate.sentence);
    candidate.overlap = coverage(question, weights, telling.words);
  }
}

// The ones worth embedding, which costs a millisecond or two each.
void preselect(std::vector<Candidate>& candidates, std::size_t count) {
  const auto promise = [](const Candidate& candidate) {
    return candidate.overlap + kRankBonus / (1.0 + static_cast<double>(candidate.passage));
  };
  std::stable_sort(candidates.begin(), candidates.end(),
                   [&](const Candidate& a, const Candidate& b) { return promise(a) > promise(b); });
  if (candidates.size() > count) candidates.resize(count);
}

std::string beginning(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    while (bytes_max > 0 && (static_cast<unsigned char>(text[bytes_max]) & 0xC0U) == 0x80U) {
      --bytes_max;
    }
    text = text.substr(0, bytes_max);
  }
  return std::string{text};
}

Status score(const AnswerTask& task, EmbeddingModel& model, std::size_t bytes_max,
             std::vector<Candidate>& candidates) {
  std::vector<std::string> texts{task.question};
  for (const Candidate& candidate : candidates) {
    // Below a heading that asks the same, it is the heading that shows that this is the place.
    const PassageSentence& telling = candidate.heading.value_or(candidate.sentence);
    texts.push_back(beginning(text_of(task, candidate.passage, telling), bytes_max));
  }
  const auto vectors = model.embed(texts, EmbeddingModel::Lane::query);
  if (!vectors) return with_context("score sentences", vectors.error());
  const auto dimensions = static_cast<std::size_t>(model.dimensions());
  if (vectors->size() != texts.size() * dimensions) {
    return retryable("score sentences: the embedding model gave a wrong number of vectors");
  }
  const std::span<const float> all{*vectors};
  const auto question = all.first(dimensions);
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto row = all.subspan((i + 1) * dimensions, dimensions);
    double dot = 0;
    for (std::size_t d = 0; d < dimensions; ++d) {
      dot += static_cast<double>(question[d]) * static_cast<double>(row[d]);
    }
    candidates[i].similarity = dot;
    candidates[i].score = kSimilarityWeight * dot + (1 - kSimilarityWeight) * candidates[i].overlap;
  }
  return {};
}

bool repeats(const Candidate& candidate, const std::vector<Candidate>& picked) {
  return std::any_of(picked.begin(), picked.end(), [&](const Candidate& other) {
    return best_match(candidate.sentence.words, {&other.sentence, 1}).overlap > kRedundancyMax;
  });
}

// Best passage first, and within a passage as the document has it.
std::vector<Candidate> pick(std::vector<Candidate> candidates, std::size_t count) {
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.score > b.score; });
  std::vector<Candidate> picked;
  for (Candidate& candidate : candidates) {
    if (picked.size() >= count) break;
    if (!picked.empty() && candidate.score < kRelativeMin * picked.front().score) break;
    if (!repeats(candidate, picked)) picked.push_back(std::move(candidate));
  }
  const auto rank = [&](std::size_t passage) {
    return std::find_if(picked.begin(), picked.end(),
                        [&](const Candidate& c) { return c.passage == passage; }) -
           picked.begin();
  };
  std::vector<std::pair<std::pair<std::ptrdiff_t, std::size_t>, Candidate>> order;
  for (const Candidate& candidate : picked) {
    order.push_back({{rank(candidate.passage), candidate.sentence.begin}, candidate});
  }
  std::sort(order.begin(), order.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  picked.clear();
  for (auto& [place, candidate] : order) picked.push_back(std::move(candidate));
  return picked;
}

// As one line: a sentence may run over several.
std::string on_one_line(std::string_view text) {
  std::string out;
  for (const char byte : text) {
    const bool space = byte == ' ' || byte == '\n' || byte == '\t';
    if (!space) {
      out.push_back(byte);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  return out;
}

double confidence(double evidence, double threshold) {
  const double span = std::max(kCertain - threshold, 0.05);
  const double share = std::clamp((evidence - threshold) / span, 0.0, 1.0);
  return kConfidenceAtThreshold + (1 - kConfidenceAtThreshold) * share;
}

AnswerDraft refusal(double evidence, double threshold) {
  AnswerDraft draft;
  draft.text = kRefusal;
  draft.refused = true;
  draft.needs_human_review = true;
  draft.confidence =
      threshold > 0 ? kConfidenceAtThreshold * std::clamp(evidence / threshold, 0.0, 1.0) : 0;
  draft.model = "extractive";
  return draft;
}

// Free function: a coroutine that runs on the threads it is spawned on.
asio::awaitable<Result<AnswerDraft>> extract_there(const ExtractiveModel* model, AnswerTask task) {
  co_return model->extract(task);
}

}  // namespace

ExtractiveModel::ExtractiveModel(EmbeddingModel& model, ExtractiveOptions options)
    : model_{model}, options_{options}, threads_{options.threads} {}

ExtractiveModel::~ExtractiveModel() { threads_.join(); }

std::string ExtractiveModel::recipe() const {
  json::Writer out;
  out.begin_object()
      .field("model", model_.name())
      .field("refusal_threshold", options_.refusal_threshold)
      .field("sentences_max", options_.sentences_max)
      .field("embedded_max", options_.embedded_max)
      .field("embedded_bytes", options_.embedded_bytes)
      .end_object();
  return out.take();
}

Result<AnswerDraft> ExtractiveModel::extract(const AnswerTask& task) const {
  const std::vector<std::string> question = words(task.question);
  std::vector<Candidate> candidates = candidates_of(task, question);
  if (candidates.empty()) return refusal(0, options_.refusal_threshold);
  weigh_words(question, candidates);
  preselect(candidates, options_.embedded_max);
  const Status scored = score(task, model_, options_.embedded_bytes, candidates);
  if (!scored) return scored.error();
  double evidence = 0;
  for (const Candidate& candidate : candidates) evidence = std::max(evidence, candidate.similarity);
  if (evidence < options_.refusal_threshold) return refusal(evidence, options_.refusal_threshold);

  AnswerDraft draft;
  draft.model = "extractive";
  for (const Candidate& candidate : pick(std::move(candidates), options_.sentences_max)) {
    const auto number = static_cast<std::int32_t>(candidate.passage + 1);
    if (!draft.text.empty()) draft.text += ' ';
    draft.text += on_one_line(text_of(task, candidate)) + " [" + std::to_string(number) + "]";
    draft.citations.push_back(cite(number, task.passages[candidate.passage], candidate.sentence));
  }
  draft.confidence = confidence(evidence, options_.refusal_threshold);
  draft.needs_human_review = draft.confidence < kReviewBelow;
  return draft;
}

asio::awaitable<Result<AnswerDraft>> ExtractiveModel::answer(AnswerTask task,
                                                             DeltaHandler on_delta) {
  Result<AnswerDraft> draft =
      co_await asio::co_spawn(threads_, extract_there(this, std::move(task)), asio::use_awaitable);
  if (!draft) co_return draft;
  std::string_view rest = draft->text;
  while (!rest.empty()) {
    std::size_t bytes = rest.size();
    if (bytes > kDeltaBytes) {
      const auto space = rest.find(' ', kDeltaBytes);
      bytes = space == std::string_view::npos ? rest.size() : space + 1;
    }
    if (!on_delta(rest.substr(0, bytes))) co_return retryable("stopped");
    rest.remove_prefix(bytes);
  }
  co_return draft;
}

}  // namespace millrace
