#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gateway/http_types.h"
#include "gateway/replay.h"
#include "gateway/shadow.h"

namespace millrace {

struct ShadowRequest {
  std::string collection;
  int generation = 0;  // beside the one that answers
  // Empty: the newest `limit` different ones that people asked of the collection.
  std::vector<std::string> questions = {};
  std::int64_t limit = 100;
  std::int64_t top_k = 0;  // of `questions`; 0: the default
  bool answers = false;    // compare answers too
  ShadowGate gate = {};
};

// Questions asked again.
class ReplayService {
 public:
  static constexpr std::int64_t kShadowQuestionsMax = 1'000;

  virtual ~ReplayService() = default;
  // A finished query of the caller's, on the index as it is now. An admin asks with the rights of
  // who asked, everybody else with his own. `answer`: answer it again too.
  virtual net::awaitable<Reply<Replay>> replay(const Caller& caller, std::string query_id,
                                               bool answer) = 0;
  // The same questions to the generation that answers and to another one.
  virtual net::awaitable<Reply<ShadowReport>> shadow(const Caller& caller,
                                                     ShadowRequest wanted) = 0;
};

}  // namespace millrace
