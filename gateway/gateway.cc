#include "gateway/gateway.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/thread_pool.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "common/logging.h"
#include "gateway/backup_service.h"
#include "gateway/collection_service.h"
#include "gateway/dead_letter_keeper.h"
#include "gateway/dead_letter_service.h"
#include "gateway/document_service.h"
#include "gateway/eraser.h"
#include "gateway/erasure_check.h"
#include "gateway/generation_keeper.h"
#include "gateway/generation_service.h"
#include "gateway/lag_watch.h"
#include "gateway/query_service.h"
#include "gateway/replay_service.h"
#include "gateway/server.h"
#include "gateway/stored_event.h"
#include "gateway/stored_letter.h"
#include "schemas/restore.h"
#include "schemas/topics.h"

namespace millrace {
namespace {

constexpr std::size_t kPoolThreads = 2;  // scans, reads of the log, parsing of large bodies
constexpr std::size_t kProgressReplayBytesMax = 16U << 20U;
constexpr std::string_view kCondition = "tables";

Result<net::ip::tcp::endpoint> resolve(const GatewayOptions& options) {
  const std::string host = options.host == "localhost" ? "127.0.0.1" : options.host;
  boost::system::error_code error;
  const auto address = net::ip::make_address(host, error);
  if (error) return rejected("\"" + options.host + "\" is no IP address to listen on");
  if (options.api_keys.empty() && !address.is_loopback()) {
    return rejected("without an API key the gateway listens on loopback only, not on " +
                    options.host + "; configure api_keys first");
  }
  return net::ip::tcp::endpoint{address, options.port};
}

struct Tables {
  std::unique_ptr<Table> documents;
  std::unique_ptr<Table> collections;
  std::unique_ptr<Table> transcripts;
  std::unique_ptr<Table> texts;
  std::unique_ptr<Table> indexes;
  std::unique_ptr<Table> letters;
};

Result<Tables> open_tables(Log& log, const GatewayOptions& options, MetricsRegistry& metrics) {
  struct Row {
    std::string_view name;
    std::string_view topic;
    TableApplier apply;
    std::unique_ptr<Table> Tables::*table;
  };
  const Row rows[] = {
      {"documents", topics::kDocumentEvents, documents_applier(), &Tables::documents},
      {"collections", topics::kCollections, collections_applier(), &Tables::collections},
      {"transcripts", topics::kTranscripts, transcripts_applier(), &Tables::transcripts},
      {"texts", topics::kTexts, texts_applier(), &Tables::texts},
      {"indexes", topics::kIndexStates, indexes_applier(), &Tables::indexes},
      {"dead-letters", topics::kDeadLetters, letters_applier(), &Tables::letters},
  };
  Tables tables;
  const std::filesystem::path folder = options.data_dir / "gateway";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) return rejected("make " + folder.string() + ": " + error.message());
  for (const Row& row : rows) {
    const std::string name{row.name};
    auto table = open_table(log, {name, std::string{row.topic}, folder / name, row.apply}, metrics);
    if (!table) return with_context("open table " + name, table.error());
    tables.*row.table = std::move(*table);
  }
  return tables;
}

class LogGateway final : public Gateway {
 public:
  LogGateway(GatewayOptions options, Log& log, const Clock& clock, MetricsRegistry& metrics,
             Readiness& readiness, const Tracer* tracer)
      : options_{std::move(options)},
        log_{log},
        clock_{clock},
        metrics_{metrics},
        readiness_{readiness},
        tracer_{tracer},
        idempotency_{clock},
        probe_{metrics},
        budget_{options_.upload_bytes_in_flight_max, probe_.upload_bytes} {}
  ~LogGateway() override { stop(std::chrono::milliseconds{0}); }

  Status begin();
  std::uint16_t port() const override { return port_; }
  void stop(std::chrono::milliseconds grace) override;

 private:
  Status open_parts();
  Status make_services();
  void watch_tables();
  void run_threads();

  const GatewayOptions options_;
  Log& log_;
  const Clock& clock_;
  MetricsRegistry& metrics_;
  Readiness& readiness_;
  const Tracer* const tracer_;
  std::optional<Authenticator> authenticator_;
  IdempotencyCache idempotency_;
  SessionProbe probe_;
  UploadBudget budget_;
  RecentWrites<std::optional<Collection>> recent_collections_;
  // In the order in which they are made; stop() takes them down the other way round, because
  // coroutines that never finished end with io_ and let go of the hubs then.
  std::unique_ptr<AnswerHub> answers_;
  std::unique_ptr<ProgressHub> progress_;
  std::unique_ptr<LogDocumentService> documents_;
  std::unique_ptr<LogCollectionService> collections_;
  std::unique_ptr<LogGenerationService> generations_;
  std::unique_ptr<LogQueryService> queries_;
  std::unique_ptr<LogReplayService> replays_;
  std::unique_ptr<LogDeadLetterService> dead_letters_;
  std::unique_ptr<DeadLetterKeeper> keeper_;
  std::unique_ptr<GenerationKeeper> generation_keeper_;
  std::unique_ptr<LagWatch> lag_;
  std::unique_ptr<Eraser> eraser_;
  std::unique_ptr<LogErasureService> erasures_;
  std::unique_ptr<LogBackupService> backups_;
  std::optional<Services> services_;
  std::unique_ptr<net::io_context> io_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Appender> appender_;
  Tables tables_;
  std::unique_ptr<net::thread_pool> pool_;
  std::optional<net::executor_work_guard<net::io_context::executor_type>> work_;
  std::vector<std::jthread> threads_;
  std::uint16_t port_ = 0;
};

Status LogGateway::open_parts() {
  auto tables = open_tables(log_, options_, metrics_);
  if (!tables) return tables.error();
  tables_ = std::move(*tables);
  auto answers = AnswerHub::start(
      log_, clock_, {options_.stream_backlog_max, options_.replay_bytes_max}, metrics_);
  if (!answers) return answers.error();
  answers_ = std::move(*answers);
  auto progress = ProgressHub::start(
      log_, clock_, {options_.stream_backlog_max, kProgressReplayBytesMax}, metrics_);
  if (!progress) return progress.error();
  progress_ = std::move(*progress);
  appender_ = std::make_unique<Appender>(log_.open_writer());
  pool_ = std::make_unique<net::thread_pool>(kPoolThreads);
  return {};
}

Status LogGateway::make_services() {
  const Backend backend{options_,
                        log_,
                        clock_,
                        *appender_,
                        *pool_,
                        *tables_.documents,
                        *tables_.collections,
                        *tables_.transcripts,
                        *tables_.texts,
                        *tables_.indexes,
                        *tables_.letters,
                        *answers_,
                        *progress_,
                        recent_collections_};
  documents_ = std::make_unique<LogDocumentService>(backend);
  collections_ = std::make_unique<LogCollectionService>(backend, *documents_);
  generations_ = std::make_unique<LogGenerationService>(backend);
  queries_ = std::make_unique<LogQueryService>(backend);
  replays_ = std::make_unique<LogReplayService>(backend, *queries_, *documents_);
  dead_letters_ = std::make_unique<LogDeadLetterService>(backend, *documents_, metrics_);
  keeper_ = std::make_unique<DeadLetterKeeper>(backend, metrics_);
  generation_keeper_ = std::make_unique<GenerationKeeper>(backend, *generations_, metrics_);
  lag_ = std::make_unique<LagWatch>(log_, *tables_.collections, clock_, metrics_);
  eraser_ = std::make_unique<Eraser>(backend, *documents_, metrics_);
  erasures_ = std::make_unique<LogErasureService>(backend);
  auto backups = LogBackupService::make(options_.backups, backend, metrics_);
  if (!backups) return backups.error();
  backups_ = std::move(*backups);
  services_.emplace(Services{options_, *documents_, *collections_, *generations_, *queries_,
                             *replays_, *dead_letters_, *backups_, *erasures_, idempotency_,
                             metrics_, readiness_, clock_, *pool_});
  return {};
}

Status LogGateway::begin() {
  auto authenticator = Authenticator::make(options_.api_keys);
  if (!authenticator) return authenticator.error();
  authenticator_ = std::move(*authenticator);
  const auto address = resolve(options_);
  if (!address) return address.error();
  readiness_.set(kCondition, false, "being read from the log");
  if (Status whole = check_whole(log_); !whole) return whole;
  if (Status opened = open_parts(); !opened) return opened;
  if (Status made = make_services(); !made) return made;
  io_ = std::make_unique<net::io_context>(options_.threads);
  auto server = Server::start(*io_, *address,
                              SessionShared{*services_, *authenticator_, probe_, budget_, tracer_});
  if (!server) return server.error();
  server_ = std::move(*server);
  port_ = server_->port();
  watch_tables();
  keeper_->start(*io_);
  generation_keeper_->start(*io_);
  eraser_->start(*io_);
  backups_->start();
  lag_->start();
  run_threads();
  return {};
}

// Ready once every table has what stood in the log when we began.
void LogGateway::watch_tables() {
  const std::pair<Table*, std::string_view> rows[] = {
      {tables_.documents.get(), topics::kDocumentEvents},
      {tables_.collections.get(), topics::kCollections},
      {tables_.transcripts.get(), topics::kTranscripts},
      {tables_.texts.get(), topics::kTexts},
      {tables_.indexes.get(), topics::kIndexStates},
      {tables_.letters.get(), topics::kDeadLetters}};
  const auto left = std::make_shared<std::atomic<std::size_t>>(std::size(rows));
  for (const auto& [table, topic] : rows) {
    const auto ends = end_offsets(log_, topic);
    if (!ends) {
      readiness_.set(kCondition, false, ends.error().message);
      continue;
    }
    table->when_applied(*ends, [left, &readiness = readiness_](bool applied_all) {
      if (applied_all && --*left == 0) readiness.set(kCondition, true);
    });
  }
}

void LogGateway::run_threads() {
  work_.emplace(io_->get_executor());
  for (int i = 0; i < options_.threads; ++i) {
    threads_.emplace_back([io = io_.get()] {
      for (;;) {
        try {
          io->run();
          return;
        } catch (const std::exception& error) {
          log_event(LogLevel::error, "gateway_thread_failed", {{"error", error.what()}});
        }
      }
    });
  }
}

void LogGateway::stop(std::chrono::milliseconds grace) {
  if (answers_) answers_->close_all("shutting_down");
  if (progress_) progress_->close_all("shutting_down");
  if (backups_) backups_->stop();
  if (lag_) lag_->stop();
  if (server_) server_->stop(grace);
  work_.reset();
  if (io_) io_->stop();
  threads_.clear();  // joins
  if (pool_) pool_->join();
  if (eraser_) eraser_->stop();
  tables_ = {};
  if (appender_) appender_->wait_idle();
  server_.reset();  // its acceptor belongs to io_
  io_.reset();      // ends what coroutines are left
  pool_.reset();
}

}  // namespace

Status Gateway::check(const GatewayOptions& options) {
  if (const auto keys = Authenticator::make(options.api_keys); !keys) return keys.error();
  if (const auto address = resolve(options); !address) return address.error();
  if (options.backups.to.empty()) return {};
  const auto store = open_object_store(options.backups.to, options.backups.s3, system_clock());
  return store ? Status{} : Status{with_context("backup_to", store.error())};
}

Result<std::unique_ptr<Gateway>> Gateway::start(GatewayOptions options, Log& log,
                                                const Clock& clock, MetricsRegistry& metrics,
                                                Readiness& readiness, const Tracer* tracer) {
  auto gateway =
      std::make_unique<LogGateway>(std::move(options), log, clock, metrics, readiness, tracer);
  if (const Status begun = gateway->begin(); !begun) return begun.error();
  return std::unique_ptr<Gateway>{std::move(gateway)};
}

}  // namespace millrace
