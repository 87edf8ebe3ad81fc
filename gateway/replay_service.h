#pragma once

#include <map>
#include <string>
#include <vector>

#include "gateway/backend.h"
#include "gateway/replays.h"
#include "gateway/services.h"

namespace millrace {

// Asks through the services that people's questions go through; marked, so that nobody counts them
// as theirs. The services outlive it.
class LogReplayService final : public ReplayService {
 public:
  LogReplayService(const Backend& backend, QueryService& queries, DocumentService& documents)
      : backend_{backend}, queries_{queries}, documents_{documents} {}

  net::awaitable<Reply<Replay>> replay(const Caller& caller, std::string query_id,
                                       bool answer) override;
  net::awaitable<Reply<ShadowReport>> shadow(const Caller& caller, ShadowRequest wanted) override;

 private:
  using PassageLists = std::vector<const std::vector<Passage>*>;
  // A question for both generations, with what its answer cited.
  struct Asked {
    NewQuery query;
    std::string query_id;
    std::vector<Passage> cited;
  };

  net::awaitable<Reply<QueryRun>> run(const Caller& caller, NewQuery query, bool answer);
  net::awaitable<std::map<std::string, CurrentDocument>> documents_of(const Caller& caller,
                                                                      const std::string& collection,
                                                                      const PassageLists& passages);
  net::awaitable<std::vector<Asked>> recent_questions(const Caller& caller,
                                                      const ShadowRequest& wanted);
  net::awaitable<Reply<ShadowQuestion>> compare(const Caller& caller, const Asked& asked,
                                                const ShadowRequest& wanted, int serving);

  const Backend backend_;
  QueryService& queries_;
  DocumentService& documents_;
};

}  // namespace millrace
