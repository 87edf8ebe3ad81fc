#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common/clock.h"
#include "common/config.h"
#include "common/log/log.h"
#include "common/metrics.h"
#include "common/readiness.h"
#include "gateway/backups.h"

namespace millrace {

class Tracer;

// Everything the gateway is told; limits are named as in the settings table.
struct GatewayOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 8000;  // 0: any free one
  int threads = 2;
  std::filesystem::path data_dir;  // its tables live in data_dir/gateway
  int generation = 1;
  std::chrono::milliseconds generation_keep{std::chrono::hours{24 * 7}};  // 0: for good
  std::uint64_t generation_disk_reserve = 1U << 30U;                      // bytes
  std::filesystem::path models_dir;                                       // empty: there is none
  std::vector<ApiKeySetting> api_keys;  // none: everybody is admin, loopback only

  std::size_t body_bytes_max = 64U << 20U;
  std::size_t header_bytes_max = 16U << 10U;
  std::chrono::milliseconds header_timeout{10'000};  // whole request head
  std::chrono::milliseconds body_timeout{30'000};    // between two pieces of a body
  std::chrono::milliseconds idle_timeout{60'000};    // between requests
  std::chrono::milliseconds answer_timeout{120'000};
  std::chrono::milliseconds search_timeout{2'000};
  std::size_t connections_max = 4'096;
  std::size_t upload_bytes_in_flight_max = 512U << 20U;  // bodies in memory, all connections
  std::size_t stream_backlog_max = 1'024;                // events one slow client may fall behind
  std::size_t replay_bytes_max = 64U << 20U;             // recent answer events kept in memory
  std::int64_t top_k_default = 6;
  std::int64_t top_k_max = 100;
  std::size_t question_bytes_max = 8U << 10U;
  std::size_t documents_per_request_max = 1'000;
  BackupSettings backups;
  std::chrono::milliseconds erase_within{std::chrono::hours{48}};
};

// The HTTP side: routes, sessions, tables and hubs, on threads of its own. Knows the log only;
// never a stage. `log`, `clock`, `metrics`, `readiness` and `tracer`, which may be null, outlive
// it.
class Gateway {
 public:
  // `rejected` where start() would refuse these options whatever the log says: no address to listen
  // on, one that is not loopback while no key is configured, a bad key, no place for backups.
  static Status check(const GatewayOptions& options);
  // Opens the tables and binds the socket. `rejected` as check(), when the address is taken, and
  // where the log is half restored.
  static Result<std::unique_ptr<Gateway>> start(GatewayOptions options, Log& log,
                                                const Clock& clock, MetricsRegistry& metrics,
                                                Readiness& readiness,
                                                const Tracer* tracer = nullptr);
  virtual ~Gateway() = default;
  virtual std::uint16_t port() const = 0;
  // Stops accepting, ends streams with a reason, waits up to `grace` for requests in flight.
  virtual void stop(std::chrono::milliseconds grace) = 0;
};

}  // namespace millrace
