#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"

namespace millrace {

// One wrong thing in a request, and where: a member, a query parameter, a header, a part.
struct FieldProblem {
  std::string where;
  std::string detail;
};

// An RFC 9457 problem document in the making.
struct Problem {
  unsigned status = 500;
  std::string detail;  // what is wrong and what would be right
  std::vector<FieldProblem> errors;
  std::vector<std::pair<std::string, std::string>> fields;  // response headers: Retry-After, Allow
  bool close = false;  // the connection cannot go on after this

  Problem() = default;  // no aggregate: Reply<bool> must not take a bool for a problem

  std::string json(std::string_view instance) const;
};

std::string_view reason_phrase(unsigned status);

Problem bad_request(std::string detail);
// 400 about one named place.
Problem bad_field(std::string where, std::string detail);
Problem not_found(std::string detail);
Problem conflict(std::string detail);
Problem no_room(std::string detail);                      // 507
Problem busy(std::string detail, int retry_after_s = 1);  // 503 + Retry-After
// 400 for `rejected`, naming the member where the message does; 503 for the two that pass; 500.
Problem problem_from(const Error& error);

[[noreturn]] inline void throw_exception_from_error(const Problem& problem,
                                                    const boost::source_location&) {
  throw std::logic_error(problem.detail);
}

// A value or the problem to answer with.
template <class T>
class [[nodiscard]] Reply : public boost::system::result<T, Problem> {
 public:
  using boost::system::result<T, Problem>::result;
};

}  // namespace millrace
