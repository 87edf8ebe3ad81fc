#include "log_backends.h"

#include <stdexcept>

#include "log_test_support.h"

namespace millrace {

namespace {

class EmbeddedBackend final : public LogBackend {
 public:
  std::unique_ptr<Log> open() override {
    EmbeddedLogOptions options;
    options.directory = folder_.path();
    auto log = open_embedded_log(options, system_clock(), metrics_);
    if (!log) throw std::runtime_error(log.error().message);
    return std::move(*log);
  }

 private:
  TemporaryFolder folder_;
  MetricsRegistry metrics_;
};

std::unique_ptr<LogBackend> make_embedded() { return std::make_unique<EmbeddedBackend>(); }

}  // namespace

std::vector<LogFactory> log_factories() {
  return {
      {"embedded", false, true, true, make_embedded},
      {"embedded_segmented", true, true, true, make_embedded},
  };
}

}  // namespace millrace
