#pragma once

#include <string_view>

#include "common/config.h"
#include "common/error.h"

namespace millrace {

// `millrace serve`: the gateway, every stage and the embedded log in this process, until SIGTERM or
// SIGINT. The only file that sees both the workers and the gateway. Prints the address and what to
// try to standard output once ready. Blocks the calling thread.
Status run_standalone(const Config& config);

// What main() looks for in argv[1] before anything else, and what it then runs: the child process
// in which documents are parsed.
std::string_view extraction_child_flag();
int run_extraction_child();

}  // namespace millrace
