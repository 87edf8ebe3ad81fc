#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace millrace {

// Appends to `embeddings.gN` of the installation with this prefix what the embedder would have
// made of `chunks` chunks, of documents without a past: text, and vectors of length 1 drawn from a
// fixed seed. {"chunks": …, "seconds": …}
std::string write_embeddings(const std::string& brokers, const std::string& prefix,
                             std::int32_t partitions, std::size_t chunks);

}  // namespace millrace
