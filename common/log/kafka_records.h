#pragma once

#include "common/log/kafka_client.h"

namespace millrace {

// Key, value and headers of one record: what brokers take by default (message.max.bytes). Larger
// ones are split before they get here: see segmented.h.
inline constexpr std::size_t kKafkaRecordBytesMax = 1'000'000;

// With several requests in flight, one for a topic that a broker has just heard of may be refused
// and the next one taken. The broker, which knows nothing of the producer yet, then calls the first
// one's repetition a duplicate, and librdkafka reports as delivered what is stored nowhere.
inline const KafkaClient::Setting kOneInFlight{"max.in.flight", "1"};
Error stored_or_not(std::string_view doing);

// Puts a record on the producer's queue; copies it. `opaque` comes back with its delivery report.
rd_kafka_resp_err_t produce(const KafkaClient& client, rd_kafka_t* producer, const Record& record,
                            std::int32_t partition, void* opaque);

// A record as it was appended, with its position. An absent value is a tombstone.
Record to_record(const KafkaClient& client, rd_kafka_message_t& message);

}  // namespace millrace
