#pragma once

#include <librdkafka/rdkafka.h>

#include <memory>

namespace millrace {

// librdkafka's objects, owned.
struct KafkaDelete {
  void operator()(rd_kafka_t* each) const { rd_kafka_destroy(each); }
  void operator()(rd_kafka_conf_t* each) const { rd_kafka_conf_destroy(each); }
  void operator()(rd_kafka_topic_t* each) const { rd_kafka_topic_destroy(each); }
  void operator()(rd_kafka_topic_partition_list_t* each) const {
    rd_kafka_topic_partition_list_destroy(each);
  }
  void operator()(rd_kafka_message_t* each) const { rd_kafka_message_destroy(each); }
  void operator()(rd_kafka_queue_t* each) const { rd_kafka_queue_destroy(each); }
  void operator()(rd_kafka_event_t* each) const { rd_kafka_event_destroy(each); }
  void operator()(rd_kafka_error_t* each) const { rd_kafka_error_destroy(each); }
  void operator()(rd_kafka_headers_t* each) const { rd_kafka_headers_destroy(each); }
  void operator()(const rd_kafka_metadata_t* each) const { rd_kafka_metadata_destroy(each); }
  void operator()(rd_kafka_consumer_group_metadata_t* each) const {
    rd_kafka_consumer_group_metadata_destroy(each);
  }
  void operator()(rd_kafka_AdminOptions_t* each) const { rd_kafka_AdminOptions_destroy(each); }
  void operator()(rd_kafka_NewTopic_t* each) const { rd_kafka_NewTopic_destroy(each); }
  void operator()(rd_kafka_NewPartitions_t* each) const { rd_kafka_NewPartitions_destroy(each); }
  void operator()(rd_kafka_ConfigResource_t* each) const { rd_kafka_ConfigResource_destroy(each); }
  void operator()(rd_kafka_DeleteTopic_t* each) const { rd_kafka_DeleteTopic_destroy(each); }
  void operator()(rd_kafka_DeleteRecords_t* each) const { rd_kafka_DeleteRecords_destroy(each); }
  void operator()(rd_kafka_ListConsumerGroupOffsets_t* each) const {
    rd_kafka_ListConsumerGroupOffsets_destroy(each);
  }
};

template <class T>
using Kafka = std::unique_ptr<T, KafkaDelete>;

using KafkaHandle = Kafka<rd_kafka_t>;
using KafkaPartitions = Kafka<rd_kafka_topic_partition_list_t>;
using KafkaMessage = Kafka<rd_kafka_message_t>;
using KafkaError = Kafka<rd_kafka_error_t>;

}  // namespace millrace
