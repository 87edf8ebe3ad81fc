#include "schemas/restore.h"

#include <array>
#include <chrono>
#include <optional>

#include "schemas/codec.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

using State = RestoreEvent::State;

constexpr std::string_view kKey = "restore";
constexpr std::array<Named<State>, 2> kStates{{{"running", State::running}, {"done", State::done}}};

constexpr std::size_t kRecordsPerPoll = 100;
constexpr std::size_t kBytesPerPoll = 1U << 20U;
constexpr std::chrono::milliseconds kPollWait{200};
constexpr std::chrono::seconds kReadTimeout{30};

}  // namespace

Record to_record(const RestoreEvent& event) {
  json::Writer out;
  out.begin_object().field("backup", event.backup).field("state", name_of(kStates, event.state));
  write_time(out, "at_ms", event.at);
  out.end_object();
  return make_event(topics::kRestores, std::string{kKey}, RestoreEvent::kType, out.take());
}

Result<RestoreEvent> restore_event_from(const Record& record) {
  return decode_event<RestoreEvent>(
      record, [](json::ObjectReader& in, std::string_view, RestoreEvent& event) {
        in.required("backup", event.backup);
        read_enum(in, "state", event.state, kStates);
        read_time(in, "at_ms", event.at);
      });
}

Status check_whole(Log& log) {
  const TopicPartition source{std::string{topics::kRestores}, 0};
  const auto begin = log.begin_offset(source);
  if (!begin) return begin.error();
  const auto end = log.end_offset(source);
  if (!end) return end.error();
  if (*begin >= *end) return {};
  const auto reader = log.open_reader({{source, *begin}});
  if (!reader) return reader.error();
  std::optional<Record> last;
  const auto deadline = system_clock().now() + kReadTimeout;
  while ((*reader)->positions().at(source) < *end) {
    if (system_clock().now() > deadline) return unavailable("read the topic restores: no answer");
    auto records = (*reader)->poll(kRecordsPerPoll, kBytesPerPoll, kPollWait);
    if (!records) return records.error();
    if (!records->empty()) last = std::move(records->back());
  }
  if (!last) return {};
  const auto event = restore_event_from(*last);
  if (!event) return event.error();
  if (event->state == State::done) return {};
  return rejected(
      "this log holds a part of the backup " + event->backup +
      " only: restoring it is under way or was cut off. Wait for its end, or remove the "
      "topics (or choose another kafka_prefix) and restore again");
}

}  // namespace millrace
