#pragma once

#include <cstddef>
#include <vector>

#include "schemas/chunk.h"
#include "schemas/document.h"
#include "workers/model/tokenizer.h"

namespace millrace {

struct ChunkerOptions {
  std::size_t chunk_tokens = 256;   // of a chunk's text
  std::size_t overlap_tokens = 32;  // whole sentences repeated from the chunk before
  std::size_t max_tokens = 256;     // of the model: heading prefix and special tokens included
};

// Cuts a text into chunks, in time linear in its length. Sentences, table rows and headings stay
// whole where they fit; a longer one is cut between words. A heading begins a new chunk unless the
// section before it is small, and never ends one. No chunk crosses a page, so that a citation's
// page is that of its quote. Overlap does not cross a heading or a page. Each chunk is exactly the
// code points [start, end), without white space at either end; every other character that is no
// white space is in at least one chunk.
std::vector<Chunk> split(const TextEvent& event, const Tokenizer& tokenizer,
                         const ChunkerOptions& options);

}  // namespace millrace
