#include "gateway/generation_events.h"

#include <algorithm>
#include <utility>

#include "gateway/generation_json.h"

namespace millrace {
namespace {

using State = Generation::State;

constexpr std::chrono::milliseconds kPause{1'000};

std::string_view name_of(const GenerationView& view) {
  const bool is_ready = view.generation.state == State::building && view.behind == 0;
  return is_ready ? "ready" : to_string(view.generation.state);
}

}  // namespace

GenerationEvents::GenerationEvents(GenerationService& generations, Caller caller,
                                   std::string collection, GenerationView first,
                                   const net::any_io_executor& executor)
    : generations_{generations},
      caller_{std::move(caller)},
      collection_{std::move(collection)},
      number_{first.generation.number},
      first_{std::move(first)},
      pause_{std::make_shared<Mailbox<bool>>(executor, 1)} {}

net::awaitable<EventSource::Batch> GenerationEvents::next(std::chrono::milliseconds wait) {
  Batch batch;
  if (const auto first = std::exchange(first_, std::nullopt)) {
    tell(*first, batch);
    co_return batch;
  }
  const auto paused = co_await pause_->receive(std::min(wait, kPause));
  batch.ended = paused.closed;
  if (paused.closed) co_return batch;
  const auto view = co_await generations_.get(caller_, collection_, number_);
  if (view) {
    tell(*view, batch);
  } else if (view.error().status == 404) {
    batch.events.push_back({"", "removed", R"({"generation":)" + std::to_string(number_) + "}"});
    batch.ended = true;
  }
  co_return batch;
}

void GenerationEvents::tell(const GenerationView& view, Batch& batch) {
  json::Writer out;
  write_json(out, view);
  std::string text = out.take();
  if (text != told_) batch.events.push_back({"", std::string{name_of(view)}, text});
  told_ = std::move(text);
  const State state = view.generation.state;
  batch.ended = state == State::serving || state == State::kept;
}

}  // namespace millrace
