#pragma once

#include <mutex>
#include <set>

#include "gateway/backend.h"
#include "gateway/generations.h"

namespace millrace {

// Each change is one record of `collections`, which all gateways and workers follow. Two changes of
// a collection at once: one of them is refused in this process; of two processes the later one
// wins.
class LogGenerationService final : public GenerationService {
 public:
  explicit LogGenerationService(const Backend& backend) : backend_{backend} {}

  net::awaitable<Reply<std::vector<GenerationView>>> list(const Caller& caller,
                                                          std::string collection) override;
  net::awaitable<Reply<GenerationView>> get(const Caller& caller, std::string collection,
                                            int number) override;
  net::awaitable<Reply<Generation>> build(const Caller& caller, std::string collection,
                                          GenerationSettings settings) override;
  net::awaitable<Reply<Generation>> serve(const Caller& caller, std::string collection, int number,
                                          bool force) override;
  net::awaitable<Reply<Generation>> pause(const Caller& caller, std::string collection,
                                          int number) override;
  net::awaitable<Reply<Generation>> resume(const Caller& caller, std::string collection,
                                           int number) override;
  net::awaitable<Reply<Generation>> remove(const Caller& caller, std::string collection,
                                           int number) override;

 private:
  class Change;

  std::optional<Problem> check_model(const GenerationSettings& settings) const;
  std::optional<Problem> check_room() const;
  net::awaitable<Status> make_topics(int number);
  net::awaitable<Reply<int>> next_number();
  net::awaitable<GenerationView> view(const Collection& collection, Generation generation);
  net::awaitable<Reply<Generation>> put(const Caller& caller, Collection collection, int number);
  net::awaitable<Reply<Generation>> turn(const Caller& caller, std::string collection, int number,
                                         Generation::State from, Generation::State to);

  const Backend backend_;
  std::mutex mutex_;
  std::set<std::string, std::less<>> changing_;
};

}  // namespace millrace
