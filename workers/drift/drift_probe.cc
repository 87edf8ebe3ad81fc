#include "workers/drift/drift_probe.h"

#include <string>

namespace millrace {
namespace {

Gauge gauge_of(const DriftOptions& options, const char* name, const char* help, int generation) {
  if (options.metrics == nullptr) return {};
  return options.metrics->gauge(name, help, {{"generation", std::to_string(generation)}});
}

}  // namespace

QuestionDriftProbe::QuestionDriftProbe(const DriftOptions& options, int generation)
    : metrics_{options.metrics},
      gauge_{gauge_of(options, "question_drift",
                      "Distance of the newest questions' centroid from that of the first ones of "
                      "this process; 0 until there are two windows of them",
                      generation)},
      drift_{options.window} {}

QuestionDriftProbe::~QuestionDriftProbe() {
  if (metrics_ != nullptr) metrics_->remove("question_drift", gauge_);
}

void QuestionDriftProbe::asked(std::span<const float> vector) {
  if (metrics_ == nullptr) return;
  drift_.add(vector);
  gauge_.set(drift_.distance().value_or(0));
}

ScoreDriftProbe::ScoreDriftProbe(const DriftOptions& options, int generation)
    : metrics_{options.metrics},
      window_{options.window},
      gauge_{gauge_of(options, "retrieval_score_drift",
                      "Population stability index of the best passages' cosines, the newest "
                      "questions against the first ones of this process; 0 until there are two "
                      "windows of them",
                      generation)} {}

ScoreDriftProbe::~ScoreDriftProbe() {
  if (metrics_ != nullptr) metrics_->remove("retrieval_score_drift", gauge_);
}

void ScoreDriftProbe::found(double best_cosine, std::size_t partitions) {
  if (metrics_ == nullptr) return;
  const std::lock_guard lock{mutex_};
  if (!drift_) drift_.emplace(window_ * partitions);
  drift_->add(best_cosine);
  gauge_.set(drift_->index().value_or(0));
}

}  // namespace millrace
