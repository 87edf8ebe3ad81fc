#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gateway/http_types.h"
#include "schemas/collection.h"

namespace millrace {

// A generation of a collection, and how far it is.
struct GenerationView {
  Generation generation;
  std::int64_t documents = 0;  // indexed in it
  std::int64_t chunks = 0;
  std::int64_t failed = 0;
  std::int64_t behind = 0;  // final in the one that answers, and not yet in this one
};

// Re-indexing: generations beside the one that answers.
class GenerationService {
 public:
  virtual ~GenerationService() = default;
  virtual net::awaitable<Reply<std::vector<GenerationView>>> list(const Caller& caller,
                                                                  std::string collection) = 0;
  virtual net::awaitable<Reply<GenerationView>> get(const Caller& caller, std::string collection,
                                                    int number) = 0;
  // Begins to build another one, of all texts.
  virtual net::awaitable<Reply<Generation>> build(const Caller& caller, std::string collection,
                                                  GenerationSettings settings) = 0;
  // From then on it answers; the one before is kept. `force`: even where it is behind.
  virtual net::awaitable<Reply<Generation>> serve(const Caller& caller, std::string collection,
                                                  int number, bool force) = 0;
  virtual net::awaitable<Reply<Generation>> pause(const Caller& caller, std::string collection,
                                                  int number) = 0;
  virtual net::awaitable<Reply<Generation>> resume(const Caller& caller, std::string collection,
                                                   int number) = 0;
  // One that does not answer.
  virtual net::awaitable<Reply<Generation>> remove(const Caller& caller, std::string collection,
                                                   int number) = 0;
};

}  // namespace millrace
