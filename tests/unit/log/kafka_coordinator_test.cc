#include <gtest/gtest.h>

#include "common/log/kafka_offsets.h"
// After rdkafka.h.
#include <librdkafka/rdkafka_mock.h>

namespace millrace {
namespace {

constexpr std::int16_t kOffsetFetch = 9;  // of Kafka's requests
constexpr int kBrokers = 2;

class KafkaCoordinatorTest : public testing::Test {
 protected:
  KafkaCoordinatorTest()
      : host_(rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), nullptr, 0)),
        cluster_(rd_kafka_mock_cluster_new(host_.get(), kBrokers)) {
    rd_kafka_mock_topic_create(cluster_.get(), "events", 1, 1);
  }
  KafkaLogOptions options() const {
    KafkaLogOptions options;
    options.brokers = rd_kafka_mock_cluster_bootstraps(cluster_.get());
    return options;
  }
  rd_kafka_mock_cluster_t* cluster() { return cluster_.get(); }

 private:
  struct Delete {
    void operator()(rd_kafka_mock_cluster_t* each) const { rd_kafka_mock_cluster_destroy(each); }
  };
  KafkaHandle host_;
  std::unique_ptr<rd_kafka_mock_cluster_t, Delete> cluster_;
};

TEST_F(KafkaCoordinatorTest, that_has_moved_is_looked_for_again) {
  MetricsRegistry metrics;
  const KafkaClient client{options(), system_clock(), metrics};
  for (int move = 0; move < 3; ++move) {
    rd_kafka_mock_push_request_errors(cluster(), kOffsetFetch, 2, RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
                                      RD_KAFKA_RESP_ERR_NOT_COORDINATOR);
    const auto offset = kafka_committed(client, "readers", {"events", 0}, Pending::ignore);
    ASSERT_TRUE(offset) << offset.error().message;
    EXPECT_FALSE(offset->has_value());
  }
}

}  // namespace
}  // namespace millrace
