#include "common/log/kafka_records.h"

#include <array>

namespace millrace {

namespace {

Kafka<rd_kafka_headers_t> to_kafka(const std::vector<Header>& headers) {
  Kafka<rd_kafka_headers_t> list{rd_kafka_headers_new(headers.size())};
  for (const Header& each : headers) {
    rd_kafka_header_add(list.get(), each.name.data(), static_cast<ssize_t>(each.name.size()),
                        each.value.data(), static_cast<ssize_t>(each.value.size()));
  }
  return list;
}

std::string bytes_of(const void* data, std::size_t size) {
  return data == nullptr ? std::string{} : std::string{static_cast<const char*>(data), size};
}

std::vector<Header> headers_of(const rd_kafka_message_t& message) {
  std::vector<Header> all;
  rd_kafka_headers_t* list = nullptr;
  if (rd_kafka_message_headers(&message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR) return all;
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (rd_kafka_header_get_all(list, all.size(), &name, &value, &size) ==
         RD_KAFKA_RESP_ERR_NO_ERROR) {
    all.push_back({name, bytes_of(value, size)});
  }
  return all;
}

}  // namespace

Error stored_or_not(std::string_view doing) {
  return unavailable(std::string{doing} +
                     ": a broker calls it a duplicate of what it does not show");
}

rd_kafka_resp_err_t produce(const KafkaClient& client, rd_kafka_t* producer, const Record& record,
                            std::int32_t partition, void* opaque) {
  const std::string topic = client.outside(record.topic);
  std::array<rd_kafka_vu_t, 7> fields{};
  std::size_t count = 0;
  const auto add = [&](rd_kafka_vtype_t type) -> rd_kafka_vu_t& {
    fields[count].vtype = type;
    return fields[count++];
  };
  add(RD_KAFKA_VTYPE_TOPIC).u.cstr = topic.c_str();
  add(RD_KAFKA_VTYPE_PARTITION).u.i32 = partition;
  add(RD_KAFKA_VTYPE_MSGFLAGS).u.i = RD_KAFKA_MSG_F_COPY;
  add(RD_KAFKA_VTYPE_OPAQUE).u.ptr = opaque;
  // An empty key is no key; an empty value is a value, and none a tombstone.
  auto& key = add(RD_KAFKA_VTYPE_KEY).u.mem;
  key.ptr = record.key.empty() ? nullptr : const_cast<char*>(record.key.data());
  key.size = record.key.size();
  auto& value = add(RD_KAFKA_VTYPE_VALUE).u.mem;
  value.ptr = record.tombstone ? nullptr : const_cast<char*>(record.value.data());
  value.size = record.tombstone ? 0 : record.value.size();
  Kafka<rd_kafka_headers_t> headers = to_kafka(record.headers);
  add(RD_KAFKA_VTYPE_HEADERS).u.headers = headers.get();
  const KafkaError error{rd_kafka_produceva(producer, fields.data(), count)};
  if (error) return rd_kafka_error_code(error.get());
  (void)headers.release();  // the message's now
  return RD_KAFKA_RESP_ERR_NO_ERROR;
}

Record to_record(const KafkaClient& client, rd_kafka_message_t& message) {
  Record record;
  record.topic = client.inside(rd_kafka_topic_name(message.rkt));
  record.partition = message.partition;
  record.offset = message.offset;
  record.key = bytes_of(message.key, message.key_len);
  record.tombstone = message.payload == nullptr;
  record.value = bytes_of(message.payload, message.len);
  record.headers = headers_of(message);
  record.timestamp = std::chrono::sys_time<std::chrono::milliseconds>{
      std::chrono::milliseconds{rd_kafka_message_timestamp(&message, nullptr)}};
  return record;
}

}  // namespace millrace
