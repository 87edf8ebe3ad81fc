#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace millrace {

// Why something failed, as a return value. The kind decides what the runner and the gateway do:
//   retryable    this record may succeed later: back off, spend one of its attempts, then dead
//   letter; 503 unavailable  a dependency is down: pause and try again, spend no attempt; 503 with
//   Retry-After rejected     this input never will succeed: dead letter at once; 4xx fatal the
//   process cannot go on: stop, exit non-zero; 500
struct Error {
  enum class Kind { retryable, unavailable, rejected, fatal };
  Kind kind = Kind::fatal;
  std::string message;  // what failed, on what, and what would be right; shown to users
};

inline Error retryable(std::string message) { return {Error::Kind::retryable, std::move(message)}; }
inline Error unavailable(std::string message) {
  return {Error::Kind::unavailable, std::move(message)};
}
inline Error rejected(std::string message) { return {Error::Kind::rejected, std::move(message)}; }
inline Error fatal(std::string message) { return {Error::Kind::fatal, std::move(message)}; }

// The same failure seen one level up: `prefix` says what was being done.
inline Error with_context(std::string_view prefix, Error error) {
  error.message.insert(0, std::string{prefix} + ": ");
  return error;
}

// "retryable", "unavailable", "rejected" or "fatal".
constexpr std::string_view to_string(Error::Kind kind) {
  switch (kind) {
    case Error::Kind::retryable:
      return "retryable";
    case Error::Kind::unavailable:
      return "unavailable";
    case Error::Kind::rejected:
      return "rejected";
    case Error::Kind::fatal:
      break;
  }
  return "fatal";
}

// Called by Result::value() on an error: a bug in the caller, who must look first.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw std::logic_error(error.message);
}

// A value or an Error. Construct from either; test with `if (!result)`; read with `*result`,
// `result->` and `result.error()`.
template <class T>
class [[nodiscard]] Result : public boost::system::result<T, Error> {
 public:
  using boost::system::result<T, Error>::result;
};

using Status = Result<void>;

}  // namespace millrace
