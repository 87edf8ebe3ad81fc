#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <span>

#include "common/metrics.h"
#include "workers/drift/drift.h"

namespace millrace {

// What a stage of a generation needs to measure drift. No registry: it does not.
struct DriftOptions {
  MetricsRegistry* metrics = nullptr;  // outlives who has this
  std::size_t window = 500;            // questions
};

// The gauge question_drift{generation}, of the questions whose vectors it is given. It goes with
// this. One thread.
class QuestionDriftProbe {
 public:
  QuestionDriftProbe(const DriftOptions& options, int generation);
  ~QuestionDriftProbe();
  QuestionDriftProbe(const QuestionDriftProbe&) = delete;
  QuestionDriftProbe& operator=(const QuestionDriftProbe&) = delete;
  void asked(std::span<const float> vector);

 private:
  MetricsRegistry* const metrics_;
  Gauge gauge_;
  VectorDrift drift_;
};

// The gauge retrieval_score_drift{generation}: of the cosine of the best passage that each index
// partition finds for a question. It goes with this. Any thread.
class ScoreDriftProbe {
 public:
  ScoreDriftProbe(const DriftOptions& options, int generation);
  ~ScoreDriftProbe();
  ScoreDriftProbe(const ScoreDriftProbe&) = delete;
  ScoreDriftProbe& operator=(const ScoreDriftProbe&) = delete;
  // `partitions`: that give a score for each question; a window has those of all its questions.
  void found(double best_cosine, std::size_t partitions);

 private:
  MetricsRegistry* const metrics_;
  const std::size_t window_;
  Gauge gauge_;
  std::mutex mutex_;
  std::optional<ScoreDrift> drift_;  // from the first question on
};

}  // namespace millrace
