#pragma once

#include <functional>
#include <string_view>

#include "common/log/kafka_client.h"

namespace millrace {

// One request of librdkafka's admin interface, waited for. `request` starts it on the queue given.
// Why it failed as a whole goes to `code` too. Thread-safe: any handle will do.
Result<Kafka<rd_kafka_event_t>> kafka_admin(
    rd_kafka_t* handle, std::string_view doing, rd_kafka_admin_op_t operation, int timeout_ms,
    const std::function<void(rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& request,
    rd_kafka_resp_err_t* code = nullptr);

}  // namespace millrace
