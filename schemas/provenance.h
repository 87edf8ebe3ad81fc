#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/json.h"

namespace millrace {

// What made the passages of a query, and the answer from them, beside the query itself and the
// documents: the query asked again finds something else where one of these has changed.
struct Provenance {
  // How far an index partition had read its topic embeddings.gN: what stands before `offset` was in
  // it; a little more may have been.
  struct IndexPosition {
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    bool operator==(const IndexPosition&) const = default;
  };
  std::string embedding_model;  // of the question's vector; empty: there is none
  std::int64_t chunk_tokens = 0;
  std::int64_t chunk_overlap_tokens = 0;
  std::string reranker = {};              // empty: none
  std::string prompt = {};                // digest of what the language model is told beside this
  std::vector<IndexPosition> index = {};  // by partition; one that did not answer is not here
  bool operator==(const Provenance&) const = default;
};
void write_members(json::Writer& out, const Provenance& provenance);
void read_members(json::ObjectReader& in, Provenance& provenance);

}  // namespace millrace
