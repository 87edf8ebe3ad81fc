#include <algorithm>
#include <iterator>

#include "common/config.h"

namespace millrace {
namespace {

using Type = Setting::Type;

constexpr std::int64_t kKiB = 1024;
constexpr std::int64_t kMiB = 1024 * kKiB;
constexpr std::int64_t kGiB = 1024 * kMiB;
constexpr std::int64_t kSecond = 1000;  // durations are in milliseconds
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

constexpr Setting kSettings[] = {
    // The process.
    {"config_file", Type::path, "", 0, 0, "settings file (YAML); empty: none", ""},
    {"data_dir", Type::path, "millrace-data", 0, 0,
     "folder of everything kept on this machine: log, index, tables", ""},
    {"log_level", Type::text, "info", 0, 0, "lowest level logged: debug, info, warning, error", ""},
    {"shutdown_grace_ms", Type::duration_ms, "10s", 0, 10 * kMinute,
     "time to finish work and drain clients after SIGTERM", ""},
    {"partitions", Type::integer, "2", 1, 1024,
     "partitions per topic and index, each with its own thread; fixed when data_dir is made", ""},

    // The gateway.
    {"listen", Type::text, "127.0.0.1:8000", 0, 0,
     "HOST:PORT served by HTTP; without an API key only loopback is allowed; port 0 takes a free "
     "one",
     ""},
    {"gateway_threads", Type::integer, "2", 1, 256, "threads that serve connections", ""},
    {"connections_max", Type::integer, "4096", 1, 1'000'000,
     "open client connections; more are refused", ""},
    {"uploads_in_flight_bytes_max", Type::bytes, "256MiB", kMiB, 64 * kGiB,
     "bytes of request bodies held in memory at once; more get 503", ""},
    {"header_bytes_max", Type::bytes, "16KiB", kKiB, kMiB, "bytes of a request's header", ""},
    {"body_bytes_max", Type::bytes, "64MiB", kKiB, kGiB,
     "bytes of a request's body, and of one document", ""},
    {"header_timeout_ms", Type::duration_ms, "10s", 10, 10 * kMinute,
     "time in which a request's header must arrive", ""},
    {"body_timeout_ms", Type::duration_ms, "2m", 10, kHour,
     "time in which a request's body must arrive", ""},
    {"idle_timeout_ms", Type::duration_ms, "1m", 10, kHour,
     "time after which a connection without a request, or one that takes no bytes, is closed", ""},
    {"stream_backlog_max", Type::integer, "1024", 1, 1'000'000,
     "events a slow client may fall behind before its stream is closed", ""},
    {"documents_per_request_max", Type::integer, "1000", 1, 100'000,
     "documents in one POST, as parts or as JSON", ""},
    {"question_bytes_max", Type::bytes, "8KiB", 16, kMiB, "bytes of a question", ""},
    {"top_k", Type::integer, "6", 1, 1000,
     "passages of a search or an answer when the request does not say", ""},
    {"top_k_max", Type::integer, "100", 1, 1000, "passages a search may ask for", ""},

    // The extractor: limits of the child process that parses one document.
    {"extract_timeout_ms", Type::duration_ms, "30s", 10, kHour,
     "time and CPU time to parse one document; then it fails", ""},
    {"extract_memory_bytes_max", Type::bytes, "1GiB", 64 * kMiB, 64 * kGiB,
     "memory to parse one document; then it fails", ""},
    {"extract_output_bytes_max", Type::bytes, "64MiB", kKiB, kGiB,
     "bytes of text taken from one document; then it fails", ""},
    {"pages_max", Type::integer, "5000", 1, 1'000'000, "pages of one document; then it fails", ""},

    // The chunker.
    {"chunk_tokens", Type::integer, "256", 16, 512,
     "tokens of a chunk at most, counted by the embedding model's tokenizer", ""},
    {"chunk_overlap_tokens", Type::integer, "32", 0, 256,
     "tokens a chunk repeats of the one before it; less than chunk_tokens", ""},

    // The embedder.
    {"model_dir", Type::path, "", 0, 0,
     "folder of a sentence-transformers model in ONNX; empty: the model that make fetched", ""},
    {"models_dir", Type::path, "", 0, 0,
     "folder of further such models, one folder each, that a re-index may name; empty: none", ""},
    {"generation_disk_reserve_bytes", Type::bytes, "1GiB", 0, kMiB* kGiB,
     "free disk below which no generation is built; what answers goes on", ""},
    {"generation_keep_ms", Type::duration_ms, "7d", 0, 3650 * kDay,
     "time that a collection's former generation is kept for the way back; 0: until it is removed",
     ""},
    {"embedding_threads", Type::integer, "0", 0, 1024,
     "threads that embed documents; 0: one per core", ""},
    {"embedding_cache_bytes_max", Type::bytes, "16MiB", 0, 64 * kGiB,
     "memory for the vectors of recent questions, which are not embedded again; 0: none", ""},
    {"embed_batch_tokens", Type::integer, "4096", 128, 1'000'000,
     "tokens embedded in one call of the model; more is faster and takes more memory", ""},

    // The index.
    {"search_timeout_ms", Type::duration_ms, "2s", 10, 10 * kMinute,
     "time to wait for all index partitions; then the result is partial", ""},

    // The re-ranker, which reads the best passages together with the question; none by default.
    {"rerank_model", Type::path, "", 0, 0,
     "folder of a cross-encoder of the BERT family (ONNX or OpenVINO, with tokenizer.json) that "
     "puts the best passages in order; empty: none",
     ""},
    {"rerank_url", Type::text, "", 0, 0,
     "URL of a server that does so instead, as those of Cohere, Jina and vLLM do, such as "
     "http://HOST/v1/rerank; empty: none",
     ""},
    {"rerank_model_name", Type::text, "", 0, 0,
     "model that the server at rerank_url is asked for; empty: its own choice", ""},
    {"rerank_api_key", Type::secret, "", 0, 0, "key of the server at rerank_url", ""},
    {"rerank_top", Type::integer, "30", 2, 200,
     "passages that the re-ranker reads of each question; the rest follow as they are", ""},
    {"rerank_timeout_ms", Type::duration_ms, "2s", 10, kMinute,
     "time to re-rank; then the passages stay as they are", ""},

    // The answerer.
    {"openai_api_key", Type::secret, "", 0, 0, "key of the OpenAI-compatible chat server",
     "OPENAI_API_KEY"},
    {"openai_base_url", Type::text, "", 0, 0,
     "OpenAI-compatible chat server, up to and with /v1; empty: api.openai.com when there is a "
     "key, "
     "else answers are quoted sentences without a language model",
     "OPENAI_BASE_URL"},
    {"answer_model", Type::text, "gpt-4o-mini", 0, 0,
     "language model to ask for; only used with an OpenAI-compatible server", ""},
    {"answer_tokens_max", Type::integer, "1024", 1, 1'000'000, "tokens of an answer at most", ""},
    {"answer_temperature", Type::real, "0.1", 0, 2, "randomness of the language model", ""},
    {"answer_timeout_ms", Type::duration_ms, "2m", 10, kHour, "time for one answer; then it fails",
     ""},
    {"answers_in_flight_max", Type::integer, "256", 1, 100'000,
     "answers written at once by one process; more wait in the log", ""},
    {"model_connect_timeout_ms", Type::duration_ms, "5s", 10, 10 * kMinute,
     "time to connect to a model server", ""},
    {"model_idle_timeout_ms", Type::duration_ms, "60s", 10, kHour,
     "time a model server may be silent within an answer", ""},
    {"refusal_threshold", Type::real, "0.4", 0, 1,
     "similarity of the best sentence below which the quoted-sentences answer refuses", ""},

    // Drift of what people ask.
    {"drift_window", Type::integer, "500", 200, 10'000,
     "questions of the reference and of the newest that are compared with it; fewer than 200 "
     "differ "
     "by chance alone",
     ""},

    // The runner.
    {"attempts_max", Type::integer, "5", 1, 100, "attempts at one record; then it is a dead letter",
     ""},
    {"retry_backoff_ms", Type::duration_ms, "200ms", 1, kHour,
     "wait before the second attempt; doubles with each, with jitter", ""},
    {"retry_backoff_max_ms", Type::duration_ms, "30s", 1, kHour,
     "longest wait between attempts, and between looks at a dependency that is down", ""},
    {"poll_records_max", Type::integer, "256", 1, 100'000, "records of one batch of a stage", ""},
    {"poll_bytes_max", Type::bytes, "16MiB", kKiB, kGiB, "bytes of one batch of a stage", ""},

    // The log.
    {"log_queue_bytes_max", Type::bytes, "256MiB", kMiB, 64 * kGiB,
     "bytes waiting to be written to the log; more are refused for the moment", ""},
    {"log_trim_interval_ms", Type::duration_ms, "1m", 100, kDay,
     "time between two looks for records past their retention", ""},

    {"erase_within_ms", Type::duration_ms, "2d", kSecond, 3650 * kDay,
     "time within which the bytes of deleted documents and of replaced revisions are gone from "
     "every topic, index and table",
     ""},

    // Backups, which the gateway makes of the whole log.
    {"backup_to", Type::text, "", 0, 0,
     "where backups go: a folder, or s3://BUCKET/PREFIX; empty: there are none", ""},
    {"backup_every_hours", Type::integer, "0", 0, 8760,
     "hours between two backups; 0: only when somebody asks", ""},
    {"backup_retention_days", Type::integer, "30", 0, 36'500,
     "days that backups are kept, the newest one in any case; 0: all of them", ""},
    {"backup_bytes_per_second_max", Type::bytes, "50MiB", 0, 64 * kGiB,
     "bytes of the log that a backup reads in a second; 0: as many as it can", ""},
    {"s3_endpoint", Type::text, "", 0, 0,
     "address of the S3-compatible store, such as http://127.0.0.1:9000; empty: AWS's of the "
     "region",
     "AWS_ENDPOINT_URL"},
    {"s3_region", Type::text, "us-east-1", 0, 0, "region that requests to the store are signed for",
     "AWS_REGION"},
    {"s3_access_key_id", Type::secret, "", 0, 0, "name of the key for the store",
     "AWS_ACCESS_KEY_ID"},
    {"s3_secret_access_key", Type::secret, "", 0, 0, "the key for the store",
     "AWS_SECRET_ACCESS_KEY"},
    {"s3_session_token", Type::secret, "", 0, 0, "token that goes with a temporary key",
     "AWS_SESSION_TOKEN"},

    // Apache Kafka, for millrace-gateway, millrace-worker and millrace topics.
    {"brokers", Type::text, "", 0, 0, "HOST:PORT[,HOST:PORT] of the Kafka cluster", ""},
    {"kafka_prefix", Type::text, "", 0, 0,
     "before every topic, group and transactional id: several installations share a cluster", ""},
    {"kafka_instance", Type::text, "", 0, 0,
     "name of this process that outlives a restart, unique in its group (a pod's name); empty: "
     "none",
     ""},
    {"kafka_security_protocol", Type::text, "plaintext", 0, 0,
     "plaintext, ssl, sasl_plaintext or sasl_ssl", ""},
    {"kafka_sasl_mechanism", Type::text, "", 0, 0,
     "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512 (with Kafka 4 only from librdkafka 2.6.1 on)", ""},
    {"kafka_sasl_username", Type::text, "", 0, 0, "name for SASL", ""},
    {"kafka_sasl_password", Type::secret, "", 0, 0, "password for SASL", ""},
    {"kafka_tls_ca_file", Type::path, "", 0, 0,
     "certificates (PEM) that brokers are checked against; empty: the system's", ""},
    {"kafka_tls_certificate_file", Type::path, "", 0, 0,
     "certificate (PEM) that this process shows to brokers; empty: none", ""},
    {"kafka_tls_key_file", Type::path, "", 0, 0, "key (PEM) of that certificate", ""},
    {"kafka_replication", Type::integer, "0", 0, 100,
     "copies of each topic that `millrace topics create` makes; 0: what the brokers say", ""},
    {"kafka_session_timeout_ms", Type::duration_ms, "10s", kSecond, 10 * kMinute,
     "a process silent for so long is dead, and its partitions go to others", ""},
    {"kafka_transaction_timeout_ms", Type::duration_ms, "20s", kSecond, 15 * kMinute,
     "longest time that a process killed while committing holds back readers", ""},
    {"kafka_request_timeout_ms", Type::duration_ms, "30s", kSecond, 10 * kMinute,
     "time for one request to the cluster, retries included", ""},
    {"admin_listen", Type::text, "127.0.0.1:9100", 0, 0,
     "HOST:PORT of a worker's /metrics, /livez and /readyz; port 0 takes a free one", ""},

    // Traces, for an OpenTelemetry collector or what speaks its protocol.
    {"otlp_endpoint", Type::text, "", 0, 0,
     "address that takes traces by OTLP/HTTP (JSON), such as http://127.0.0.1:4318; /v1/traces is "
     "added; empty: there are none",
     "OTEL_EXPORTER_OTLP_ENDPOINT"},
    {"otlp_headers", Type::secret, "", 0, 0,
     "NAME=VALUE[,NAME=VALUE] sent with traces, values percent-encoded; for keys",
     "OTEL_EXPORTER_OTLP_HEADERS"},
    {"otlp_service_name", Type::text, "", 0, 0,
     "name of this process in traces; empty: the program's", "OTEL_SERVICE_NAME"},
    {"trace_sample_ratio", Type::real, "1", 0, 1,
     "share of the traces beginning here that are sent; one that began elsewhere says it itself",
     ""},

    // The client commands.
    {"server", Type::text, "http://127.0.0.1:8000", 0, 0,
     "address of the gateway that the client commands talk to", ""},
    {"api_key", Type::secret, "", 0, 0, "API key that the client commands show", ""},
};

}  // namespace

std::span<const Setting> settings_table() { return kSettings; }

const Setting* find_setting(std::string_view name) {
  const auto found = std::ranges::find(kSettings, name, &Setting::name);
  return found == std::end(kSettings) ? nullptr : found;
}

}  // namespace millrace
