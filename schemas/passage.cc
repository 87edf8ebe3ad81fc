#include "schemas/codec.h"
#include "schemas/query.h"
#include "schemas/topics.h"

namespace millrace {

Record to_record(const PassagesEvent& event) {
  json::Writer out;
  out.begin_object();
  write_object(out, "query", event.query);
  out.field("partition", event.partition)
      .field("partitions", event.partitions)
      .field("embedding_us", event.embedding_us)
      .field("search_us", event.search_us);
  if (!event.error.empty()) out.field("error", event.error);
  out.key("passages").begin_array();
  for (const Passage& passage : event.passages) write_json(out, passage);
  out.end_array().end_object();
  return make_event(topics::kPassages, event.query.query_id, PassagesEvent::kType, out.take());
}

Result<PassagesEvent> passages_event_from(const Record& record) {
  return decode_event<PassagesEvent>(
      record, [](json::ObjectReader& in, std::string_view, PassagesEvent& event) {
        read_object(in, "query", event.query);
        read_integer(in, "partitions", event.partitions, 1);
        read_integer(in, "partition", event.partition, 0, std::int64_t{event.partitions} - 1);
        read_integer(in, "embedding_us", event.embedding_us, 0);
        read_integer(in, "search_us", event.search_us, 0);
        in.optional("error", event.error);
        read_objects(in, "passages", event.passages);
      });
}

Record to_record(const Cancellation& cancellation) {
  json::Writer out;
  out.begin_object().field("query_id", cancellation.query_id);
  write_time(out, "at_ms", cancellation.at);
  out.end_object();
  return make_event(topics::kCancellations, cancellation.query_id, Cancellation::kType, out.take());
}

Result<Cancellation> cancellation_from(const Record& record) {
  return decode_event<Cancellation>(
      record, [](json::ObjectReader& in, std::string_view, Cancellation& cancellation) {
        in.required("query_id", cancellation.query_id);
        read_time(in, "at_ms", cancellation.at);
      });
}

}  // namespace millrace
