#pragma once

#include <chrono>

#include "common/error.h"

namespace millrace {

// Takes from this process, for good, what a parser has no use for: new processes and programs,
// sockets, signals to others, writing to files, and (where the kernel has Landlock) reading files
// other than the character maps of the PDF reader. The error says what the kernel refused.
Status confine_process();

// From now on this process may compute for that long, and is then ended by SIGXCPU. The kernel
// counts whole seconds: up to one more is given. May be called again, with more or less.
void limit_cpu_time(std::chrono::seconds time);

// False under AddressSanitizer and ThreadSanitizer: their shadow memory takes terabytes of address
// space, and their reports go to standard error.
inline constexpr bool kMemoryCanBeLimited =
#ifdef MILLRACE_SANITIZED
    false;
#else
    true;
#endif

}  // namespace millrace
