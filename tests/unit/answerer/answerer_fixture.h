#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "schemas/answer.h"
#include "schemas/query.h"
#include "schemas/topics.h"
#include "tests/support/stage_driver.h"
#include "tests/unit/answerer/held_model.h"
#include "workers/answerer/answerer.h"

namespace millrace {

// As an index partition gives it, with a cosine that makes this score.
inline Passage passage(std::string chunk_id, double score, std::string text = "Some text.") {
  Passage passage;
  passage.document_id = "document of " + chunk_id;
  passage.revision = "r1";
  passage.chunk_id = std::move(chunk_id);
  passage.title = "Title";
  passage.score = score;
  passage.match.emplace().cosine = score;
  passage.end = static_cast<std::int64_t>(text.size());
  passage.text = std::move(text);
  return passage;
}

// A query whose question is its name, and what one partition found for it.
inline PassagesEvent found(const std::string& name, Query::Kind kind = Query::Kind::answer) {
  PassagesEvent event;
  event.query.query_id = query_id_for("ULID" + name, 0);
  event.query.kind = kind;
  event.query.collection = "default";
  event.query.question = name;
  event.passages = {passage("c1", 0.9), passage("c2", 0.5)};
  return event;
}
inline PassagesEvent found_in(const std::string& name, std::int32_t partition,
                              std::int32_t partitions, std::vector<Passage> passages) {
  PassagesEvent event = found(name);
  event.partition = partition;
  event.partitions = partitions;
  event.passages = std::move(passages);
  return event;
}
inline std::string id_of(const std::string& name) { return query_id_for("ULID" + name, 0); }

inline Record cancellation_of(const std::string& name) {
  Cancellation cancellation;
  cancellation.query_id = id_of(name);
  return to_record(cancellation);
}

// An answerer under the real runner, over a log in memory, with a model that can be held.
class AnswererTest : public ::testing::Test {
 protected:
  using Types = std::vector<AnswerEvent::Type>;
  using T = AnswerEvent::Type;

  AnswererTest() {
    options.search_timeout = std::chrono::milliseconds{20};
    options.stop_grace = std::chrono::milliseconds{1};
  }

  // `before` sees the log before the answerer does.
  StageDriver& begin(const std::function<void(StageDriver&)>& before = {}) {
    StageDriverOptions driving;
    driving.stage = "answerer";
    driving.inputs = {std::string{topics::kPassages}, std::string{topics::kCancellations}};
    driving.outputs = {std::string{topics::kAnswers}, std::string{topics::kTranscripts}};
    driving.exactly_once = false;
    driving.tracer = options.tracer;
    driver = std::make_unique<StageDriver>(
        [&](StageDriver& made) {
          if (before) before(made);
          return make_answerer(made);
        },
        std::move(driving));
    return *driver;
  }

  std::unique_ptr<Stage> make_answerer(StageDriver& over) {
    return std::make_unique<Answerer>(over.log(), model, over.clock(), over.metrics(), options);
  }

  // The query's events, in the order of the log.
  std::vector<AnswerEvent> events(const std::string& name) {
    std::vector<AnswerEvent> out;
    for (const Record& record : driver->read(topics::kAnswers)) {
      const auto event = answer_event_from(record);
      EXPECT_TRUE(event) << event.error().message;
      if (event && event->query_id == id_of(name)) out.push_back(*event);
    }
    return out;
  }

  // Waits until the condition holds of the query's events.
  std::vector<AnswerEvent> wait_for(
      const std::string& name,
      const std::function<bool(const std::vector<AnswerEvent>&)>& condition) {
    const auto reader = driver->log().open_reader({{{std::string{topics::kAnswers}, 0}, 0}});
    std::vector<AnswerEvent> seen;
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    while (!condition(seen)) {
      EXPECT_LT(std::chrono::steady_clock::now(), give_up) << "events of " << name << " missing";
      if (::testing::Test::HasFailure()) return seen;
      const auto records = (*reader)->poll(100, 1U << 20U, std::chrono::milliseconds{100});
      for (const Record& record : *records) {
        const auto event = answer_event_from(record);
        if (event && event->query_id == id_of(name)) seen.push_back(*event);
      }
    }
    return seen;
  }
  std::vector<AnswerEvent> wait_for_last(const std::string& name) {
    return wait_for(name, [](const std::vector<AnswerEvent>& seen) {
      return !seen.empty() && seen.back().last;
    });
  }

  std::vector<Transcript> transcripts(const std::string& name) {
    std::vector<Transcript> out;
    for (const Record& record : driver->read(topics::kTranscripts)) {
      const auto transcript = transcript_from(record);
      EXPECT_TRUE(transcript) << transcript.error().message;
      if (transcript && transcript->query.query_id == id_of(name)) out.push_back(*transcript);
    }
    return out;
  }

  static Types types(const std::vector<AnswerEvent>& events) {
    Types out;
    for (const AnswerEvent& event : events) out.push_back(event.type);
    return out;
  }
  static std::string text(const std::vector<AnswerEvent>& events) {
    std::string out;
    for (const AnswerEvent& event : events) out += event.text;
    return out;
  }

  // Every event in its place, from 0; only the last one says so.
  static void expect_sequence(const std::vector<AnswerEvent>& events, std::int32_t attempt) {
    for (std::size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(events[i].index, static_cast<std::int32_t>(i));
      EXPECT_EQ(events[i].attempt, attempt);
      EXPECT_EQ(events[i].last, i + 1 == events.size());
    }
  }

  AnswererOptions options;
  HeldModel model;
  std::unique_ptr<StageDriver> driver;  // first to go: the answerer borrows the model
};

}  // namespace millrace
