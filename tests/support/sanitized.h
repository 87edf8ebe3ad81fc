#pragma once

namespace millrace {

// A random test takes its steps divided by this: under a sanitizer each costs 5 to 20 times as
// much, and what sanitizers look for shows in a few.
#ifdef MILLRACE_SANITIZED
inline constexpr int kSanitizerShare = 10;
#else
inline constexpr int kSanitizerShare = 1;
#endif

}  // namespace millrace
