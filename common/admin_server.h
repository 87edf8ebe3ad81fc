#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/error.h"
#include "common/metrics.h"
#include "common/readiness.h"

namespace millrace {

// What a request for anything else is told: that it is not served here (404), or not yet (503).
enum class Elsewhere { nothing, starting };

// GET /metrics, /livez and /readyz for a process without the gateway, on one thread of its own.
// /readyz is 503 until every condition of `readiness` is met, and tells which are not. One request
// per connection. Borrows both arguments, which must outlive it. Destroying it closes everything.
class AdminServer {
 public:
  // `listen` is HOST:PORT; port 0 takes a free one. `fatal` when it cannot listen there.
  static Result<std::unique_ptr<AdminServer>> start(std::string_view listen,
                                                    const MetricsRegistry& metrics,
                                                    const Readiness& readiness,
                                                    Elsewhere elsewhere = Elsewhere::nothing);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  std::uint16_t port() const;

 private:
  struct Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace
