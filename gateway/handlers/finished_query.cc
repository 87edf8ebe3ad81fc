#include "gateway/handlers/finished_query.h"

namespace millrace {

Problem failed_query(const FinishedQuery& finished) {
  Problem problem = bad_request("query " + finished.query_id + " failed (" + finished.reason +
                                "): " + finished.message);
  if (finished.reason == "cancelled") {
    problem.status = 409;
  } else if (finished.reason == "timeout") {
    problem.status = 504;
  } else {
    problem = busy(problem.detail);
  }
  return problem;
}

}  // namespace millrace
