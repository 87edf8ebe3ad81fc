#include "log_backends.h"
#include "tests/support/kafka_place.h"

namespace millrace {

namespace {

class KafkaBackend final : public LogBackend {
 public:
  std::unique_ptr<Log> open() override { return place_.open(); }

 private:
  KafkaPlace place_;
};

}  // namespace

// Always behind the segmenting view: a broker takes a record of 1 MB at most.
std::vector<LogFactory> log_factories() {
  return {{"kafka_segmented", true, false, false, [] { return std::make_unique<KafkaBackend>(); }}};
}

}  // namespace millrace
