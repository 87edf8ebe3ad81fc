#pragma once

#include <memory>
#include <string>

#include "gateway/generations.h"
#include "gateway/mailbox.h"

namespace millrace {

// How a generation gets on: an event each time something has changed, looked at once a second.
// Named as the generation's state, or `ready` where one that is being built has nothing left to do;
// ends with `serving`, `kept` or `removed`.
class GenerationEvents final : public EventSource {
 public:
  // `first` is told first. Made on the strand of the coroutine that uses it; `generations` outlives
  // it.
  GenerationEvents(GenerationService& generations, Caller caller, std::string collection,
                   GenerationView first, const net::any_io_executor& executor);

  net::awaitable<Batch> next(std::chrono::milliseconds wait) override;
  void cancel() override { pause_->close("client_gone"); }

 private:
  void tell(const GenerationView& view, Batch& batch);

  GenerationService& generations_;
  const Caller caller_;
  const std::string collection_;
  const int number_;
  std::optional<GenerationView> first_;
  std::string told_;  // last
  const std::shared_ptr<Mailbox<bool>> pause_;
};

}  // namespace millrace
