#include "common/log/kafka_admin.h"

namespace millrace {

Result<Kafka<rd_kafka_event_t>> kafka_admin(
    rd_kafka_t* handle, std::string_view doing, rd_kafka_admin_op_t operation, int timeout_ms,
    const std::function<void(rd_kafka_AdminOptions_t*, rd_kafka_queue_t*)>& request,
    rd_kafka_resp_err_t* code) {
  const Kafka<rd_kafka_AdminOptions_t> options{rd_kafka_AdminOptions_new(handle, operation)};
  const Kafka<rd_kafka_queue_t> queue{rd_kafka_queue_new(handle)};
  char reason[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), timeout_ms, reason, sizeof reason);
  request(options.get(), queue.get());
  // The request ends by itself at its timeout; the slack is for its answer to get here.
  constexpr int kSlackMs = 5'000;
  Kafka<rd_kafka_event_t> event{rd_kafka_queue_poll(queue.get(), timeout_ms + kSlackMs)};
  const auto failed = event ? rd_kafka_event_error(event.get()) : RD_KAFKA_RESP_ERR__TIMED_OUT;
  if (code != nullptr) *code = failed;
  if (failed == RD_KAFKA_RESP_ERR_NO_ERROR) return event;
  return kafka_error(doing, failed, event ? rd_kafka_event_error_string(event.get()) : "");
}

}  // namespace millrace
