#include "schemas/provenance.h"

#include "schemas/codec.h"

namespace millrace {

void write_members(json::Writer& out, const Provenance& provenance) {
  if (!provenance.embedding_model.empty()) out.field("embedding_model", provenance.embedding_model);
  out.field("chunk_tokens", provenance.chunk_tokens)
      .field("chunk_overlap_tokens", provenance.chunk_overlap_tokens);
  if (!provenance.reranker.empty()) out.field("reranker", provenance.reranker);
  if (!provenance.prompt.empty()) out.field("prompt", provenance.prompt);
  out.key("index").begin_array();
  for (const Provenance::IndexPosition& each : provenance.index) {
    out.begin_object().field("partition", each.partition).field("offset", each.offset).end_object();
  }
  out.end_array();
}

void read_members(json::ObjectReader& in, Provenance& provenance) {
  in.optional("embedding_model", provenance.embedding_model);
  read_integer(in, "chunk_tokens", provenance.chunk_tokens, 0);
  read_integer(in, "chunk_overlap_tokens", provenance.chunk_overlap_tokens, 0);
  in.optional("reranker", provenance.reranker);
  in.optional("prompt", provenance.prompt);
  read_objects(in, "index", provenance.index,
               [](json::ObjectReader& inner, Provenance::IndexPosition& position) {
                 read_integer(inner, "partition", position.partition, 0);
                 read_integer(inner, "offset", position.offset, 0);
               });
}

}  // namespace millrace
