#include "gateway/gateway_settings.h"

namespace millrace {
namespace {

using std::chrono::milliseconds;

milliseconds duration(const Config& config, std::string_view name) {
  return milliseconds{config.integer(name)};
}
std::size_t count(const Config& config, std::string_view name) {
  return static_cast<std::size_t>(config.integer(name));
}

// HOST:PORT, checked when the settings were loaded.
void set_address(GatewayOptions& options, const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  options.host = listen.substr(0, colon);
  if (options.host.starts_with('[')) options.host = options.host.substr(1, options.host.size() - 2);
  options.port = static_cast<std::uint16_t>(std::stoi(listen.substr(colon + 1)));
}

}  // namespace

GatewayOptions gateway_options(const Config& config, int generation) {
  GatewayOptions options;
  set_address(options, config.text("listen"));
  options.threads = static_cast<int>(config.integer("gateway_threads"));
  options.data_dir = config.text("data_dir");
  options.generation = generation;
  options.generation_keep = duration(config, "generation_keep_ms");
  options.generation_disk_reserve = count(config, "generation_disk_reserve_bytes");
  options.models_dir = config.text("models_dir");
  options.api_keys = config.api_keys();
  options.body_bytes_max = count(config, "body_bytes_max");
  options.header_bytes_max = count(config, "header_bytes_max");
  options.header_timeout = duration(config, "header_timeout_ms");
  options.body_timeout = duration(config, "body_timeout_ms");
  options.idle_timeout = duration(config, "idle_timeout_ms");
  options.answer_timeout = duration(config, "answer_timeout_ms");
  options.search_timeout = duration(config, "search_timeout_ms");
  options.connections_max = count(config, "connections_max");
  options.upload_bytes_in_flight_max = count(config, "uploads_in_flight_bytes_max");
  options.stream_backlog_max = count(config, "stream_backlog_max");
  options.top_k_default = config.integer("top_k");
  options.top_k_max = config.integer("top_k_max");
  options.question_bytes_max = count(config, "question_bytes_max");
  options.documents_per_request_max = count(config, "documents_per_request_max");
  options.erase_within = duration(config, "erase_within_ms");
  options.backups.to = config.text("backup_to");
  options.backups.s3 = s3_options(config);
  options.backups.every = std::chrono::hours{config.integer("backup_every_hours")};
  options.backups.keep = std::chrono::days{config.integer("backup_retention_days")};
  options.backups.bytes_per_second =
      static_cast<std::uint64_t>(config.integer("backup_bytes_per_second_max"));
  options.backups.log = config.text("brokers").empty() ? "embedded" : "kafka";
  return options;
}

S3Options s3_options(const Config& config) {
  S3Options options;
  options.endpoint = config.text("s3_endpoint");
  options.region = config.text("s3_region");
  options.access_key_id = config.text("s3_access_key_id");
  options.secret_access_key = config.text("s3_secret_access_key");
  options.session_token = config.text("s3_session_token");
  return options;
}

}  // namespace millrace
