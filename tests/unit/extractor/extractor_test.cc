#include "workers/extractor/extractor.h"

#include <gmock/gmock.h>

#include <functional>

#include "samples.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using testing::HasSubstr;

class FixedClock : public Clock {
 public:
  Wall wall_now() const override { return Wall{std::chrono::milliseconds{1'700'000'000'000}}; }
};

// Parses in this process; `failure` instead where it is set.
class OpenSandbox final : public Sandbox {
 public:
  explicit OpenSandbox(std::function<std::optional<Error>(std::string_view)> failure = {})
      : failure_{std::move(failure)} {}
  Result<ExtractedText> extract(std::string_view bytes, const DocumentRef& document) override {
    if (failure_) {
      if (std::optional<Error> error = failure_(bytes)) return *error;
    }
    const auto format = detect_format(bytes, document.media_type, document.name);
    if (!format) return format.error();
    return (*format)->parse(bytes, {}, {});
  }

 private:
  std::function<std::optional<Error>(std::string_view)> failure_;
};

DocumentEvent event_of(std::string content, std::string name) {
  DocumentEvent event;
  event.document.collection = "c";
  event.document.document_id = "d-" + name;
  event.document.revision = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
  event.document.name = std::move(name);
  event.document.media_type = "application/octet-stream";
  event.document.metadata = R"({"k":1})";
  event.document.allow = {"g"};
  event.document.bytes = static_cast<std::int64_t>(content.size());
  event.content = std::move(content);
  return event;
}

class ExtractorTest : public testing::Test {
 protected:
  std::vector<Result<Outputs>> run(const std::vector<DocumentEvent>& events) {
    std::vector<Record> batch;
    for (const DocumentEvent& event : events) batch.push_back(to_record(event));
    return extractor_.process(batch);
  }

  FixedClock clock_;
  Extractor extractor_{std::make_unique<OpenSandbox>(), clock_};
};

TEST_F(ExtractorTest, sends_text_and_progress_of_a_document) {
  const DocumentEvent event = event_of("# Head\n\nWords.", "a.md");
  const auto results = run({event});
  ASSERT_EQ(results.size(), 1U);
  ASSERT_TRUE(results[0]) << results[0].error().message;
  ASSERT_EQ(results[0]->size(), 2U);
  EXPECT_EQ((*results[0])[0].topic, topics::kTexts);
  EXPECT_EQ((*results[0])[1].topic, topics::kDocumentEvents);
  const auto text = text_event_from((*results[0])[0]);
  ASSERT_TRUE(text);
  EXPECT_EQ(text->text, "Head\n\nWords.");
  EXPECT_EQ(text->blocks.size(), 2U);
  EXPECT_FALSE(text->removed);
  DocumentRef expected = event.document;
  expected.title = "Head";
  expected.media_type = "text/markdown";
  EXPECT_EQ(text->document, expected);
  const auto progress = document_progress_from((*results[0])[1]);
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->document, expected);
  EXPECT_EQ(progress->state, DocumentProgress::State::extracted);
  EXPECT_EQ(progress->at, clock_.wall_now());
}

TEST_F(ExtractorTest, reports_pages) {
  const auto results =
      run({event_of(make_pdf({{text_at(72, 700, "a"), text_at(72, 700, "b")}, "T"}), "a.pdf")});
  ASSERT_TRUE(results[0]) << results[0].error().message;
  EXPECT_EQ(text_event_from((*results[0])[0])->pages, 2);
  EXPECT_EQ(document_progress_from((*results[0])[1])->pages, 2);
}

TEST_F(ExtractorTest, keeps_the_clients_title_and_falls_back_to_the_name) {
  DocumentEvent titled = event_of("# Head", "a.md");
  titled.document.title = "Mine";
  const auto results = run({titled, event_of("words", "plain.txt")});
  EXPECT_EQ(text_event_from((*results[0])[0])->document.title, "Mine");
  EXPECT_EQ(text_event_from((*results[1])[0])->document.title, "plain.txt");
}

TEST_F(ExtractorTest, passes_a_removal_on_without_progress) {
  DocumentEvent removal = event_of("", "a.md");
  removal.operation = DocumentEvent::Operation::remove;
  const auto results = run({removal});
  ASSERT_TRUE(results[0]);
  ASSERT_EQ(results[0]->size(), 1U);
  const auto text = text_event_from((*results[0])[0]);
  ASSERT_TRUE(text);
  EXPECT_TRUE(text->removed);
  EXPECT_EQ(text->document, removal.document);
}

TEST_F(ExtractorTest, rejects_one_file_and_goes_on_with_the_next) {
  Record foreign;
  foreign.value = "not an event";
  std::vector<Record> batch{to_record(event_of("{", "a.json")), foreign,
                            to_record(event_of("words", "b.txt"))};
  const auto results = extractor_.process(batch);
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[0].error().kind, Error::Kind::rejected);
  EXPECT_EQ(results[1].error().kind, Error::Kind::rejected);
  EXPECT_TRUE(results[2]);
}

TEST_F(ExtractorTest, rejects_a_document_without_text) {
  const auto results = run({event_of(make_pdf({{"", ""}, "T"}), "scan.pdf"),
                            event_of("<html><body></body></html>", "empty.html")});
  ASSERT_FALSE(results[0]);
  EXPECT_EQ(results[0].error().kind, Error::Kind::rejected);
  EXPECT_THAT(results[0].error().message, HasSubstr("scanned images"));
  ASSERT_FALSE(results[1]);
  EXPECT_THAT(results[1].error().message, HasSubstr("no text found"));
}

TEST_F(ExtractorTest, reports_a_document_that_is_given_up) {
  const DocumentEvent event = event_of("{", "a.json");
  const Outputs outputs = extractor_.given_up(to_record(event), rejected("what is wrong"));
  ASSERT_EQ(outputs.size(), 1U);
  const auto progress = document_progress_from(outputs[0]);
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->state, DocumentProgress::State::failed);
  EXPECT_EQ(progress->error, "what is wrong");
  EXPECT_EQ(progress->error_stage, "extractor");
  EXPECT_EQ(progress->document, event.document);
  Record foreign;
  foreign.value = "not an event";
  EXPECT_TRUE(extractor_.given_up(foreign, rejected("x")).empty());
}

TEST(Extractor, holds_the_batch_back_when_the_sandbox_is_not_there) {
  const FixedClock clock;
  Extractor extractor{std::make_unique<OpenSandbox>([](std::string_view) -> std::optional<Error> {
                        return unavailable("no process");
                      }),
                      clock};
  const std::vector<Record> batch{to_record(event_of("words", "a.txt"))};
  EXPECT_EQ(extractor.process(batch)[0].error().kind, Error::Kind::unavailable);
}

}  // namespace
}  // namespace millrace
