#pragma once

#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "schemas/answer.h"
#include "schemas/document.h"

namespace millrace {

// What is written when a document is removed and erased. Pure.

// Who it is and who may know of it, without anything that was said of it or in it.
DocumentRef without_content(const DocumentRef& document);

// Its status from then on.
DocumentProgress erased_progress(const DocumentProgress& removed, Clock::Wall at);

// Tombstones for what the stages have told of its former revisions, in these generations. Its
// removal has superseded the others.
std::vector<Record> progress_tombstones(const DocumentRef& document,
                                        std::span<const int> generations);

// In place of an answer that was made from what is erased.
inline constexpr std::string_view kErasedAnswer =
    "[erased: a document that this answer was made from was deleted]";
// Takes out passages and citations of the documents of its collection that `is_erased`, and then
// the answer's text too: nobody knows what it quotes. False: it has none of them.
bool erase_documents(Transcript& transcript,
                     const std::function<bool(std::string_view document_key)>& is_erased);

}  // namespace millrace
