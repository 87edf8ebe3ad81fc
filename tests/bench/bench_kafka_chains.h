#pragma once

#include <string>

namespace millrace {

// {"1kib_1": [{"bare": RECORDS_PER_SECOND, "ours": …}, …], "1kib_3": …, "32kib_1": …, …}: records
// of that size through one stage or three that copy, `rounds` times each, the bare loop and ours in
// turn.
std::string bench_chains(const std::string& brokers, std::size_t rounds);

// {"p50_ms": …, "p99_ms": …} of a record through as many topics as a question, with nothing but
// librdkafka: consume, produce.
std::string bench_hops(const std::string& brokers);

}  // namespace millrace
