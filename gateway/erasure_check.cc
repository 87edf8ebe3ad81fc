#include "gateway/erasure_check.h"

#include <algorithm>
#include <fstream>

#include "gateway/mailbox.h"
#include "gateway/stored_event.h"
#include "schemas/chunk.h"
#include "schemas/dead_letter.h"
#include "schemas/erasure.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kPollRecords = 1'000;
constexpr std::size_t kPollBytes = 8U << 20U;
constexpr std::chrono::milliseconds kPollWait{200};
constexpr std::size_t kReadBytes = 4U << 20U;  // of a file, in one piece

// Of the topics on the document's way, whose keys begin with the document's.
bool is_on_the_way(std::string_view topic) {
  return topic == topics::kDocuments || topic == topics::kTexts ||
         topic == topics::kDocumentEvents || topic.starts_with("chunks.g") ||
         topic.starts_with("embeddings.g");
}

bool stands_before(const Offsets& positions, const Offsets& ends) {
  return std::ranges::any_of(ends, [&](const auto& end) {
    const auto found = positions.find(end.first);
    return found == positions.end() || found->second < end.second;
  });
}

}  // namespace

ErasureCheck::ErasureCheck(const Backend& backend, ErasureQuestion question)
    : backend_{backend}, question_{std::move(question)}, hits_(question_.texts.size()) {
  for (const std::string& id : question_.document_ids) {
    keys_.insert(document_key(question_.collection, id));
  }
}

Result<bool> ErasureCheck::look() {
  if (!begun_) {
    auto topics = backend_.log.topics();
    if (!topics) return topics.error();
    topics_ = std::move(*topics);
    begun_ = true;
    return false;
  }
  if (reader_ == nullptr && !topics_.empty()) {
    if (Status opened = begin_topic(); !opened) return opened.error();
    return false;
  }
  return reader_ != nullptr ? look_at_records() : look_at_file();
}

Status ErasureCheck::begin_topic() {
  const std::string topic = std::move(topics_.back());
  topics_.pop_back();
  const auto begins = begin_offsets(backend_.log, std::span{&topic, 1});
  const auto ends = end_offsets(backend_.log, topic);
  if (!begins) return begins.error();
  if (!ends) return ends.error();
  auto reader = backend_.log.open_reader(*begins);
  if (!reader) return reader.error();
  reader_ = std::move(*reader);
  ends_ = *ends;
  if (!topics_.empty()) return {};
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator each{backend_.options.data_dir, error}, end;
       !error && each != end; each.increment(error)) {
    if (each->is_regular_file(error)) files_.push_back(each->path());
  }
  return {};
}

Result<bool> ErasureCheck::look_at_records() {
  if (!stands_before(reader_->positions(), ends_)) {
    reader_.reset();
    return false;
  }
  const auto records = reader_->poll(kPollRecords, kPollBytes, kPollWait);
  if (!records) return records.error();
  for (const Record& each : *records) look_at(each);
  return false;
}

void ErasureCheck::look_at(const Record& record) {
  ++seen_.records;
  seen_.record_bytes += static_cast<std::int64_t>(record.bytes());
  const std::string place = "topic " + record.topic;
  const std::string at = std::to_string(record.partition) + ":" + std::to_string(record.offset);
  if (is_of_document(record)) add(place, at, "a document", std::nullopt);
  if (question_.texts.empty() || record.tombstone) return;
  const std::string owner = owner_of(record);
  for (std::size_t i = 0; i < question_.texts.size(); ++i) {
    if (record.value.find(question_.texts[i]) == std::string::npos) continue;
    if (!owner.empty() && !is_asked(owner)) {
      shared_.insert(i);
    } else {
      add(place, at, "text " + std::to_string(i), i);
    }
  }
}

// The document that the record is of; empty where that is none, or several.
std::string ErasureCheck::owner_of(const Record& record) const {
  if (is_on_the_way(record.topic)) return std::string{partition_key(record.key)};
  if (record.topic != topics::kDeadLetters) return {};
  const auto letter = dead_letter_from(record);
  if (!letter || !is_on_the_way(letter->source.source.topic)) return {};
  return std::string{partition_key(letter->source_key)};
}

bool ErasureCheck::is_of_document(const Record& record) const {
  if (record.tombstone) return false;
  if (!is_on_the_way(record.topic)) {
    const std::string owner = owner_of(record);
    return owner.empty() ? cites_document(record) : is_asked(owner);
  }
  if (!is_asked(partition_key(record.key))) return false;
  const auto document = document_ref_from(record);
  return !document || *document != without_content(*document);
}

bool ErasureCheck::cites_document(const Record& record) const {
  const auto is_erased = [this](std::string_view key) { return is_asked(key); };
  if (record.topic == topics::kTranscripts) {
    auto transcript = transcript_from(record);
    return transcript && erase_documents(*transcript, is_erased);
  }
  Transcript seen;  // what the record tells, as if it were one
  if (record.topic == topics::kPassages) {
    auto passages = passages_event_from(record);
    if (!passages) return false;
    seen.query = std::move(passages->query);
    seen.passages = std::move(passages->passages);
  } else if (record.topic == topics::kAnswers) {
    auto event = answer_event_from(record);
    if (!event) return false;
    seen.passages = std::move(event->passages);
    seen.answer = std::move(event->answer);
    const auto row = backend_.transcripts.get(event->query_id);
    const auto transcript = row ? transcript_from_row(event->query_id, *row) : std::nullopt;
    seen.query.collection = transcript ? transcript->query.collection : question_.collection;
  }
  return erase_documents(seen, is_erased);
}

void ErasureCheck::add(std::string place, std::string at, std::string what,
                       std::optional<std::size_t> text) {
  ++(text ? hits_[*text] : document_hits_);
  if (traces_.size() == 4 * ErasureAnswer::kTracesMax) return;
  traces_.push_back({{std::move(place), std::move(at), std::move(what)}, text});
}

// A file that goes while it is looked at is gone.
Result<bool> ErasureCheck::look_at_file() {
  if (files_.empty()) return true;
  const std::filesystem::path path = std::move(files_.back());
  files_.pop_back();
  std::ifstream file{path, std::ios::binary};
  if (!file) return false;
  ++seen_.files;
  const std::string place =
      "file " + path.lexically_relative(backend_.options.data_dir).generic_string();
  std::string piece;  // begins with the end of the one before
  std::int64_t before = 0;
  while (file) {
    const std::size_t kept = std::min(piece.size(), ErasureQuestion::kTextBytesMax - 1);
    before += static_cast<std::int64_t>(piece.size() - kept);
    piece.erase(0, piece.size() - kept);
    piece.resize(kept + kReadBytes);
    file.read(piece.data() + kept, static_cast<std::streamsize>(kReadBytes));
    const auto read = static_cast<std::size_t>(file.gcount());
    piece.resize(kept + read);
    seen_.file_bytes += static_cast<std::int64_t>(read);
    for (std::size_t i = 0; i < question_.texts.size(); ++i) {
      if (shared_.contains(i)) continue;
      const std::size_t at = piece.find(question_.texts[i]);
      if (at == std::string::npos || at + question_.texts[i].size() <= kept) continue;
      add(place, std::to_string(before + static_cast<std::int64_t>(at)),
          "text " + std::to_string(i), i);
    }
  }
  return false;
}

ErasureAnswer ErasureCheck::answer() const {
  ErasureAnswer answer = seen_;
  answer.said_by_others.assign(shared_.begin(), shared_.end());
  answer.traces_total = document_hits_;
  for (std::size_t i = 0; i < hits_.size(); ++i) {
    if (!shared_.contains(i)) answer.traces_total += hits_[i];
  }
  for (const Trace& each : traces_) {
    if (each.text && shared_.contains(*each.text)) continue;
    if (answer.traces.size() == ErasureAnswer::kTracesMax) break;
    answer.traces.push_back(each.trace);
  }
  return answer;
}

net::awaitable<Reply<ErasureAnswer>> LogErasureService::check(ErasureQuestion question) {
  using Checked = Reply<ErasureAnswer>;
  if (busy_.exchange(true)) {
    co_return Checked{busy("another erasure is being checked; try again when that is done", 10)};
  }
  struct Free {
    std::atomic<bool>& flag;
    ~Free() { flag = false; }
  };
  const Free free{busy_};
  ErasureCheck check{backend_, std::move(question)};
  for (;;) {
    const Result<bool> done =
        co_await run_blocking(backend_.pool, [&check]() -> Result<bool> { return check.look(); });
    if (!done) co_return Checked{problem_from(done.error())};
    if (*done) co_return Checked{check.answer()};
  }
}

}  // namespace millrace
