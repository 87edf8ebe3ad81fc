#include <algorithm>
#include <span>

#include "common/log/kafka_admin.h"
#include "common/log/kafka_topics.h"

// `millrace topics`: the topics of the table and those of the cluster, made the same.
namespace millrace {

namespace {

// A handle for requests about the cluster only.
class AdminHandle {
 public:
  explicit AdminHandle(const KafkaLogOptions& options)
      : client_(options, system_clock(), metrics_) {}

  Status open() {
    auto made = client_.make(RD_KAFKA_PRODUCER, {}, callbacks_);
    if (!made) return made.error();
    handle_ = std::move(*made);
    return {};
  }
  const KafkaClient& client() const { return client_; }
  rd_kafka_t* get() const { return handle_.get(); }

 private:
  MetricsRegistry metrics_;
  KafkaClient client_;
  KafkaCallbacks callbacks_;
  KafkaHandle handle_;
};

using Metadata = Kafka<const rd_kafka_metadata_t>;

Result<Metadata> ask_all(const AdminHandle& admin) {
  const rd_kafka_metadata_t* answer = nullptr;
  constexpr int kAllTopics = 1;
  const auto code =
      rd_kafka_metadata(admin.get(), kAllTopics, nullptr, &answer, admin.client().timeout_ms());
  if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_error("Kafka at " + admin.client().options().brokers, code);
  }
  return Metadata{answer};
}

const rd_kafka_metadata_topic_t* find(const rd_kafka_metadata_t& all, const std::string& name) {
  const std::span topics{all.topics, static_cast<std::size_t>(all.topic_cnt)};
  const auto found = std::ranges::find(topics, name, &rd_kafka_metadata_topic_t::topic);
  return found == topics.end() ? nullptr : &*found;
}

using Settings = std::map<std::string, std::string>;

Settings settings_of(const AdminHandle& admin, const TopicSpec& spec) {
  return kafka_topic_settings(spec, admin.client().options().erase_within);
}

enum class Which { all, set_for_topic };

Result<Settings> ask_settings(const AdminHandle& admin, const std::string& topic, Which which) {
  const Kafka<rd_kafka_ConfigResource_t> resource{
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str())};
  const auto event = kafka_admin(admin.get(), "settings of the topic " + topic,
                                 RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, admin.client().timeout_ms(),
                                 [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
                                   rd_kafka_ConfigResource_t* one[] = {resource.get()};
                                   rd_kafka_DescribeConfigs(admin.get(), one, 1, options, queue);
                                 });
  if (!event) return event.error();
  Settings all;
  std::size_t count = 0;
  const auto** found = rd_kafka_DescribeConfigs_result_resources(
      rd_kafka_event_DescribeConfigs_result(event->get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto code = rd_kafka_ConfigResource_error(found[i])) {
      return kafka_error("settings of the topic " + topic, code);
    }
    std::size_t entries = 0;
    const auto** entry = rd_kafka_ConfigResource_configs(found[i], &entries);
    for (std::size_t j = 0; j < entries; ++j) {
      const bool set =
          rd_kafka_ConfigEntry_source(entry[j]) == RD_KAFKA_CONFIG_SOURCE_DYNAMIC_TOPIC_CONFIG;
      if (which == Which::set_for_topic && !set) continue;
      const char* value = rd_kafka_ConfigEntry_value(entry[j]);
      all[rd_kafka_ConfigEntry_name(entry[j])] = value == nullptr ? "" : value;
    }
  }
  return all;
}

void compare_counts(const TopicSpec& spec, std::int32_t replication, KafkaTopicReport& report) {
  if (report.partitions != spec.partitions) {
    report.differences.push_back("partitions is " + std::to_string(report.partitions) +
                                 ", the table says " + std::to_string(spec.partitions));
  }
  if (replication > 0 && report.replication != replication) {
    report.differences.push_back("replication is " + std::to_string(report.replication) +
                                 ", the settings say " + std::to_string(replication));
  }
}

Result<KafkaTopicReport> describe(const AdminHandle& admin, const rd_kafka_metadata_t& all,
                                  const TopicSpec& spec) {
  KafkaTopicReport report;
  report.name = admin.client().outside(spec.name);
  const rd_kafka_metadata_topic_t* found = find(all, report.name);
  if (found == nullptr || found->partition_cnt == 0) {
    report.differences.emplace_back("missing");
    return report;
  }
  report.exists = true;
  report.partitions = found->partition_cnt;
  report.replication = found->partitions[0].replica_cnt;
  compare_counts(spec, admin.client().options().replication, report);
  const auto settings = ask_settings(admin, report.name, Which::all);
  if (!settings) return settings.error();
  for (const auto& [name, wanted] : settings_of(admin, spec)) {
    const auto has = settings->find(name);
    if (has != settings->end() && has->second == wanted) continue;
    report.differences.push_back(name + " is " + (has == settings->end() ? "unset" : has->second) +
                                 ", the table says " + wanted);
  }
  return report;
}

// Replaces all settings of the topic: those that somebody else set are kept.
Status set_settings(const AdminHandle& admin, const std::string& topic, const Settings& wanted) {
  const Kafka<rd_kafka_ConfigResource_t> resource{
      rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str())};
  for (const auto& [name, value] : wanted) {
    rd_kafka_ConfigResource_set_config(resource.get(), name.c_str(), value.c_str());
  }
  const std::string doing = "change the settings of the topic " + topic;
  const auto event =
      kafka_admin(admin.get(), doing, RD_KAFKA_ADMIN_OP_ALTERCONFIGS, admin.client().timeout_ms(),
                  [&](rd_kafka_AdminOptions_t* options, rd_kafka_queue_t* queue) {
                    rd_kafka_ConfigResource_t* one[] = {resource.get()};
                    rd_kafka_AlterConfigs(admin.get(), one, 1, options, queue);
                  });
  if (!event) return event.error();
  std::size_t count = 0;
  const auto** results = rd_kafka_AlterConfigs_result_resources(
      rd_kafka_event_AlterConfigs_result(event->get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    if (const auto code = rd_kafka_ConfigResource_error(results[i])) {
      return kafka_error(doing, code);
    }
  }
  return {};
}

Status set_right(const AdminHandle& admin, const std::string& topic, const TopicSpec& spec) {
  const auto settings = ask_settings(admin, topic, Which::set_for_topic);
  if (!settings) return settings.error();
  Settings all = *settings;
  for (const auto& [name, value] : settings_of(admin, spec)) all[name] = value;
  if (all == *settings) return {};
  return set_settings(admin, topic, all);
}

}  // namespace

Result<std::vector<KafkaTopicReport>> describe_kafka_topics(const KafkaLogOptions& options,
                                                            const std::vector<TopicSpec>& topics) {
  AdminHandle admin{options};
  if (Status opened = admin.open(); !opened) return opened.error();
  const auto all = ask_all(admin);
  if (!all) return all.error();
  std::vector<KafkaTopicReport> reports;
  for (const TopicSpec& each : topics) {
    auto report = describe(admin, **all, each);
    if (!report) return report.error();
    reports.push_back(std::move(*report));
  }
  return reports;
}

Status apply_kafka_topics(const KafkaLogOptions& options, const std::vector<TopicSpec>& topics) {
  AdminHandle admin{options};
  if (Status opened = admin.open(); !opened) return opened.error();
  const auto all = ask_all(admin);
  if (!all) return all.error();
  for (const TopicSpec& each : topics) {
    const auto* found = find(**all, admin.client().outside(each.name));
    if (found == nullptr || found->partition_cnt == each.partitions) continue;
    return rejected("the topic " + each.name + " has " + std::to_string(found->partition_cnt) +
                    " partitions, not " + std::to_string(each.partitions) +
                    ": keys would fall into other partitions than their earlier records; set "
                    "partitions to " +
                    std::to_string(found->partition_cnt) + " or take another kafka_prefix");
  }
  KafkaTopics made{admin.client()};
  if (Status created = made.create(admin.get(), topics); !created) return created;
  for (const TopicSpec& each : topics) {
    const std::string name = admin.client().outside(each.name);
    if (Status right = set_right(admin, name, each); !right) return right;
  }
  return {};
}

}  // namespace millrace
