#include "tests/unit/schemas/samples.h"

#include <algorithm>
#include <utility>

#include "schemas/answer.h"
#include "schemas/chunk.h"
#include "schemas/collection.h"
#include "schemas/dead_letter.h"
#include "schemas/document.h"
#include "schemas/index_state.h"
#include "schemas/query.h"
#include "schemas/restore.h"

namespace millrace {
namespace {

constexpr int kGeneration = 3;

Clock::Wall at(std::int64_t seconds) {
  return Clock::Wall{std::chrono::seconds{1'795'000'000 + seconds} + std::chrono::milliseconds{7}};
}

DocumentRef full_ref() {
  DocumentRef ref;
  ref.collection = "hand-books_2";
  ref.document_id = "guides/größe & \"care\".pdf";
  ref.revision = "01KAB3M5J8Q2W4E6R7T9Y0Z1XC";
  ref.name = "care.pdf";
  ref.title = "Care\tof the mill – 磨坊";
  ref.media_type = "application/pdf";
  ref.metadata = R"({"year":2026,"tags":["wood","water"],"nested":{"ok":true,"none":null}})";
  ref.allow = {"staff", "millers"};
  ref.accepted_at = at(0);
  ref.bytes = 123'456'789'012;
  ref.sequence = 9'876'543'210;
  return ref;
}

DocumentRef unstored(DocumentRef ref) {
  ref.sequence = -1;
  return ref;
}

DocumentRef plain_ref() {
  DocumentRef ref;
  ref.collection = "default";
  ref.document_id = "a";
  ref.revision = "01KAB3M5J8Q2W4E6R7T9Y0Z1XD";
  ref.accepted_at = at(1);
  return ref;
}

Chunk chunk(std::int64_t ordinal) {
  Chunk chunk;
  chunk.chunk_id = chunk_id_for(full_ref(), ordinal);
  chunk.ordinal = ordinal;
  chunk.text = "The wheel\nturns “slowly”.";
  chunk.start = 10 + ordinal * 100;
  chunk.end = chunk.start + 25;
  chunk.page = ordinal == 0 ? 0 : 4;
  chunk.headings =
      ordinal == 0 ? std::vector<std::string>{} : std::vector<std::string>{"Care", "The wheel"};
  chunk.tokens = 6;
  return chunk;
}

ChunkEvent chunk_batch() {
  ChunkEvent event;
  event.document = full_ref();
  event.batch = 1;
  event.batches = 2;
  event.pages = 12;
  event.chunks_total = 66;
  event.chunks = {chunk(0), chunk(1)};
  return event;
}

ChunkEvent chunk_removal() {
  ChunkEvent event;
  event.document = plain_ref();
  event.removed = true;
  return event;
}

Query query() {
  Query query;
  query.query_id = query_id_for("01KAB3M5J8Q2W4E6R7T9Y0Z1XE", 46'655);
  query.collection = "hand-books_2";
  query.question = "How slowly does the wheel turn?";
  query.top_k = 8;
  query.mode = SearchMode::dense;
  query.filter = *Filter::parse(R"({"year":2026})", {});
  query.explain = true;
  query.one_per_document = true;
  query.diversity = 0.25;
  query.groups = {"millers"};
  query.principal = "ci";
  query.generation = 12;
  query.asked_at = at(2);
  return query;
}

Query search() {
  Query query;
  query.query_id = query_id_for("01KAB3M5J8Q2W4E6R7T9Y0Z1XF", 0);
  query.kind = Query::Kind::search;
  query.origin = Query::Origin::shadow;
  query.collection = "default";
  query.question = "wheel";
  query.sees_everything = true;
  query.asked_at = at(3);
  return query;
}

Passage passage(bool with_page) {
  Passage passage;
  passage.document_id = full_ref().document_id;
  passage.revision = full_ref().revision;
  passage.chunk_id = chunk(1).chunk_id;
  passage.title = full_ref().title;
  passage.name = "care.pdf";
  passage.text = chunk(1).text;
  passage.score = with_page ? 0.8125 : 0.25;
  passage.page = with_page ? 4 : 0;
  passage.start = 110;
  passage.end = 135;
  if (with_page) {
    passage.headings = chunk(1).headings;
    passage.metadata = full_ref().metadata;
    passage.explanation =
        ScoreExplanation{0.8125, 0.8125, 0.25, 0.75, 0.8125, 3.5, -1.5, "timeout"};
  }
  return passage;
}

// As an index partition gives it.
Passage found(bool near) {
  Passage found = passage(near);
  found.score = 0;
  found.explanation.reset();
  PassageMatch& match = found.match.emplace();
  match.length = 4;
  match.counts = {{1}, {0, 2}};
  if (near) {
    match.cosine = 0.8125;
    match.vector = {0.5F, -0.25F, 0.0F};
  }
  return found;
}

Provenance provenance() {
  return {"all-MiniLM-L6-v2", 256, 32, "cross-encoder", "5f2c0a9e7b1d4836", {{0, 41}, {1, 0}}};
}

Citation citation(bool with_page) {
  Citation citation;
  citation.number = with_page ? 1 : 2;
  citation.document_id = full_ref().document_id;
  citation.revision = full_ref().revision;
  citation.chunk_id = chunk(1).chunk_id;
  citation.title = full_ref().title;
  citation.page = with_page ? 4 : 0;
  citation.start = 110;
  citation.end = 119;
  citation.quote = "The wheel";
  return citation;
}

Answer answer() {
  Answer answer;
  answer.text = "It turns slowly [1].";
  answer.citations = {citation(true), citation(false)};
  answer.confidence = 0.75;
  answer.needs_human_review = true;
  answer.partial = true;
  answer.model = "extractive";
  answer.usage = {321, 12};
  answer.took_ms = 45;
  return answer;
}

AnswerEvent answer_event(AnswerEvent::Type type) {
  AnswerEvent event;
  event.query_id = query().query_id;
  event.attempt = 2;
  event.index = 5;
  event.type = type;
  return event;
}

std::vector<AnswerEvent> answer_events() {
  using Type = AnswerEvent::Type;
  std::vector<AnswerEvent> events;
  events.push_back(answer_event(Type::started));
  events.push_back(answer_event(Type::passages));
  events.back().passages = {passage(true), passage(false)};
  events.back().partial = true;
  events.back().embedding_us = 3'500;
  events.back().search_us = 750;
  events.back().provenance = provenance();
  events.push_back(answer_event(Type::delta));
  events.back().text = " slowly\n";
  events.push_back(answer_event(Type::reset));
  events.back().reason = "taken_over";
  events.push_back(answer_event(Type::completed));
  events.back().answer = answer();
  events.back().last = true;
  events.push_back(answer_event(Type::failed));
  events.back().reason = "model_unavailable";
  events.back().message = "the model's server does not answer";
  events.back().last = true;
  return events;
}

DeadLetter dead_letter() {
  DeadLetter letter;
  letter.source = {{"embeddings.g3", 7}, 1'234};
  letter.source_key = embedding_key("default/a", "01KAB3M5J8Q2W4E6R7T9Y0Z1XD", 2);
  letter.source_headers = {{"event-type", "embeddings"}, {"traceparent", ""}, {"odd", "\xff\xfe"}};
  letter.stage = "indexer";
  letter.error = retryable("index: disk is full");
  letter.attempts = 5;
  letter.at = at(4);
  letter.value = std::string{"{\"body_bytes\":3}\n\0\n\xff", 20};
  letter.value_bytes = 20;
  return letter;
}

bool same(const DeadLetter& a, const DeadLetter& b) {
  return a.source == b.source && a.source_key == b.source_key &&
         a.source_headers == b.source_headers && a.stage == b.stage &&
         a.error.kind == b.error.kind && a.error.message == b.error.message &&
         a.attempts == b.attempts && a.at == b.at && a.redriven == b.redriven &&
         a.value == b.value && a.value_bytes == b.value_bytes;
}
template <class Event>
bool same(const Event& a, const Event& b) {
  return a == b;
}

class Samples {
 public:
  template <class Event>
  void add(const Event& event, Record record, Result<Event> (*from)(const Record&)) {
    Sample sample;
    sample.event = Event::kType;
    sample.number = 1 + static_cast<int>(std::ranges::count(all_, sample.event, &Sample::event));
    sample.record = std::move(record);
    sample.read_back = [event, from](const Record& read) -> Status {
      const Result<Event> back = from(read);
      if (!back) return back.error();
      if (!same(*back, event)) return fatal("reads back differently");
      return {};
    };
    all_.push_back(std::move(sample));
  }
  template <class Event>
  void add(const Event& event, Result<Event> (*from)(const Record&)) {
    add(event, to_record(event), from);
  }
  std::vector<Sample> take() { return std::move(all_); }

 private:
  std::vector<Sample> all_;
};

Collection reindexed() {
  Collection collection{"default", "", 12, at(0)};
  collection.generations = {
      {.number = 1, .state = Generation::State::kept, .settings = {}, .since = at(5)},
      {.number = 12,
       .state = Generation::State::serving,
       .settings = {.chunk_tokens = 128, .chunk_overlap_tokens = 0},
       .since = at(5)},
      {.number = 17,
       .state = Generation::State::building,
       .settings = {.from = GenerationSettings::Source::documents,
                    .embedding_model = "all-MiniLM-L12-v2",
                    .chunk_tokens = 512},
       .since = at(6)}};
  collection.retention_days = 30;
  return collection;
}

IndexState index_state() {
  IndexState state{
      .generation = 3, .partition = 1, .position = 4711, .at = at(9), .counts = {}, .purged = 4700};
  state.counts.all = {12, 345};
  state.counts.collections = {{"default", {2, 5}}, {"hand-books_2", {10, 340}}};
  state.counts.segments = 4;
  state.counts.disk_bytes = 987'654'321;
  state.counts.memory_bytes = 12'345'678;
  state.counts.merges = 17;
  return state;
}

void add_documents(Samples& samples) {
  samples.add(Collection{"hand-books_2", "What the mill needs", 3, at(0)}, collection_from);
  samples.add(reindexed(), collection_from);
  samples.add(index_state(), index_state_from);
  samples.add(RestoreEvent{"20261122T173000Z", RestoreEvent::State::running, at(11)},
              restore_event_from);
  samples.add(DocumentEvent{unstored(full_ref()), DocumentEvent::Operation::put,
                            std::string{"%PDF-1.7\n\0\r\n\xff", 13}},
              document_event_from);
  samples.add(DocumentEvent{plain_ref(), DocumentEvent::Operation::remove, ""},
              document_event_from);

  TextEvent text;
  text.document = full_ref();
  text.pages = 12;
  text.text = "Größe\n\nThe wheel turns.\n";
  text.blocks = {{Block::Kind::heading, 0, 5, 1, {}},
                 {Block::Kind::paragraph, 7, 12, 1, {"Größe"}},
                 {Block::Kind::list_item, 12, 13, 2, {"Größe", "b"}},
                 {Block::Kind::table_row, 14, 14, 0, {}},
                 {Block::Kind::code, 20, 24, 12, {}}};
  samples.add(text, text_event_from);
  TextEvent removal;
  removal.document = plain_ref();
  removal.removed = true;
  samples.add(removal, text_event_from);

  samples.add(chunk_batch(), to_record(chunk_batch(), kGeneration), chunk_event_from);
  samples.add(chunk_removal(), to_record(chunk_removal(), kGeneration), chunk_event_from);
  EmbeddingEvent embedding;
  embedding.chunk_batch = chunk_batch();
  embedding.model = "all-MiniLM-L6-v2";
  embedding.dimensions = 3;
  embedding.vectors = {0.5F, -0.25F, 0.0F, 1.0F, -0.0F, 0.000030517578125F};
  samples.add(embedding, to_record(embedding, kGeneration), embedding_event_from);
  EmbeddingEvent removed;
  removed.chunk_batch = chunk_removal();
  samples.add(removed, to_record(removed, kGeneration), embedding_event_from);

  samples.add(
      DocumentProgress{full_ref(), DocumentProgress::State::indexed, false, at(5), 12, 66, "", ""},
      document_progress_from);
  samples.add(DocumentProgress{plain_ref(), DocumentProgress::State::failed, true, at(6), 0, 0,
                               "the file is encrypted", "extractor"},
              document_progress_from);
  samples.add(DocumentProgress{full_ref(), DocumentProgress::State::indexed, false, at(7), 12, 132,
                               "", "", 12},
              document_progress_from);
}

void add_queries(Samples& samples) {
  samples.add(query(), query_from);
  samples.add(search(), query_from);
  const SearchRequest request{query(), 1, 4, 3'500, {0.1F, -0.2F, 1e-8F}, Provenance{"a", 256, 32}};
  samples.add(request, to_record(request, kGeneration), search_request_from);
  Query lexical = search();
  lexical.mode = SearchMode::lexical;
  const SearchRequest by_words{lexical, 0, 1, 0, {}};
  samples.add(by_words, to_record(by_words, kGeneration), search_request_from);
  const LexicalEvidence evidence{66, 280, {{"slowly", 3}, {"rädern", 0}}};
  samples.add(
      PassagesEvent{
          query(), 1, 4, 3'500, 750, "", evidence, {found(true), found(false)}, provenance()},
      passages_event_from);
  samples.add(PassagesEvent{search(), 0, 1, 0, 0, "no index yet", {}, {}}, passages_event_from);
  for (const AnswerEvent& event : answer_events()) samples.add(event, answer_event_from);
  samples.add(Transcript{query(), "completed", "", {passage(true)}, answer(), at(7), provenance()},
              transcript_from);
  samples.add(Transcript{search(), "failed", "timeout", {}, {}, at(8)}, transcript_from);
  samples.add(Cancellation{query().query_id, at(9)}, cancellation_from);
  samples.add(dead_letter(), dead_letter_from);
  DeadLetter binary = dead_letter();
  binary.source_key = "\x80key";
  binary.value.clear();
  binary.value_bytes = 0;
  samples.add(binary, dead_letter_from);
  DeadLetter again = binary;
  again.value_bytes = 20;
  again.redriven = {at(5), "ops", "01KAB3M5J8Q2W4E6R7T9Y0Z1XE", {{"documents", 1}, 77}, 20};
  samples.add(again, dead_letter_from);
}

}  // namespace

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all = [] {
    Samples samples;
    add_documents(samples);
    add_queries(samples);
    return samples.take();
  }();
  return all;
}

}  // namespace millrace
