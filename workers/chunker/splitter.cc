#include "workers/chunker/splitter.h"

#include <algorithm>
#include <cassert>
#include <span>
#include <string>

#include "workers/chunker/units.h"

namespace millrace {
namespace {

// Where the heading prefix leaves less room than this, the model cuts the end of the prefix's
// chunk.
constexpr std::size_t kBudgetFloor = 16;
// A section of less than this part of the budget shares a chunk with the one after it.
constexpr std::size_t kSmallSection = 3;

// Tokens that text_to_embed() and the model put around a chunk's text, at most: the longest prefix
// of any section of the document.
std::size_t tokens_around(const TextEvent& event, const Tokenizer& tokenizer) {
  std::size_t most = 0;
  const std::vector<std::string>* last = nullptr;
  for (const Block& block : event.blocks) {
    if (last != nullptr && *last == block.headings) continue;
    last = &block.headings;
    Chunk section;
    section.headings = block.headings;
    most = std::max(most, tokenizer.tokenize(text_to_embed(event.document, section)).size());
  }
  return most + tokenizer.special_tokens();
}

class Packer {
 public:
  Packer(const TextEvent& event, const CodePointIndex& index, std::span<const Unit> units,
         std::size_t budget, std::size_t overlap)
      : event_{event}, index_{index}, units_{units}, budget_{budget}, overlap_{overlap} {}

  std::vector<Chunk> pack() {
    for (std::size_t next = 0; next < units_.size(); ++next) {
      if (next > first_ && must_close_before(next)) close_before(next);
      tokens_ += units_[next].tokens;
    }
    if (first_ < units_.size()) emit(units_.size());
    return std::move(chunks_);
  }

 private:
  bool begins_section(std::size_t at) const {
    return at > 0 && units_[at].block != units_[at - 1].block &&
           (units_[at].block->kind == Block::Kind::heading ||
            units_[at].block->headings != units_[at - 1].block->headings);
  }

  bool begins_page(std::size_t at) const {
    return at > 0 && units_[at].block->page != units_[at - 1].block->page;
  }

  bool must_close_before(std::size_t next) const {
    if (begins_page(next)) return true;
    if (tokens_ + units_[next].tokens > budget_) return true;
    if (units_[next].end - units_[first_].begin > budget_ * kBytesPerToken) return true;
    return begins_section(next) && !is_heading(next - 1) && tokens_ > budget_ / kSmallSection;
  }

  bool is_heading(std::size_t at) const { return units_[at].block->kind == Block::Kind::heading; }

  void close_before(std::size_t next) {
    const std::size_t opened = first_;
    const bool page = begins_page(next);
    const std::size_t end = page ? next : end_without_headings(next);
    emit(end);
    first_ = page || begins_section(end) ? end : overlap_begin(opened, end, next);
    tokens_ = tokens_of(first_, next);
  }

  std::size_t tokens_of(std::size_t begin, std::size_t end) const {
    std::size_t tokens = 0;
    for (std::size_t at = begin; at < end; ++at) tokens += units_[at].tokens;
    return tokens;
  }

  // Where the open chunk ends: headings go with what follows them, unless there is no room or
  // nothing else in the chunk.
  std::size_t end_without_headings(std::size_t next) const {
    std::size_t end = next;
    while (end > first_ && is_heading(end - 1)) --end;
    const bool fits = tokens_of(end, next) + units_[next].tokens <= budget_;
    return end > first_ && fits ? end : next;
  }

  // The first of the whole units before `end` that the next chunk repeats: what fits the overlap,
  // in the same section, not the whole chunk, and leaving room up to and with the unit `next`.
  std::size_t overlap_begin(std::size_t opened, std::size_t end, std::size_t next) const {
    const std::size_t pending = tokens_of(end, next) + units_[next].tokens;
    std::size_t room = std::min(overlap_, budget_ > pending ? budget_ - pending : 0);
    std::size_t begin = end;
    while (begin > opened + 1 && units_[begin - 1].tokens <= room && !is_heading(begin - 1) &&
           (begin == end || !begins_section(begin))) {
      room -= units_[--begin].tokens;
    }
    return begin;
  }

  void emit(std::size_t end) {
    const Unit& front = units_[first_];
    const Unit& back = units_[end - 1];
    Chunk chunk;
    chunk.ordinal = static_cast<std::int64_t>(chunks_.size());
    chunk.chunk_id = chunk_id_for(event_.document, chunk.ordinal);
    chunk.text = event_.text.substr(front.begin, back.end - front.begin);
    chunk.start = index_.code_point(front.begin);
    chunk.end = index_.code_point(back.end);
    chunk.page = front.block->page;
    chunk.headings = common_headings(end);
    chunk.tokens = static_cast<std::int32_t>(tokens_of(first_, end));
    chunks_.push_back(std::move(chunk));
    first_ = end;
  }

  // What is true of the whole chunk: the part of the path that all its sections share.
  std::vector<std::string> common_headings(std::size_t end) const {
    std::vector<std::string> path = units_[first_].block->headings;
    for (std::size_t at = first_ + 1; at < end && !path.empty(); ++at) {
      if (units_[at].block == units_[at - 1].block) continue;
      const std::vector<std::string>& other = units_[at].block->headings;
      const auto differs = std::ranges::mismatch(path, other);
      path.erase(differs.in1, path.end());
    }
    return path;
  }

  const TextEvent& event_;
  const CodePointIndex& index_;
  std::span<const Unit> units_;
  const std::size_t budget_;
  const std::size_t overlap_;
  std::vector<Chunk> chunks_;
  std::size_t first_ = 0;   // of the open chunk
  std::size_t tokens_ = 0;  // of the open chunk
};

}  // namespace

std::vector<Chunk> split(const TextEvent& event, const Tokenizer& tokenizer,
                         const ChunkerOptions& options) {
  const std::size_t around = tokens_around(event, tokenizer);
  const std::size_t room = options.max_tokens > around ? options.max_tokens - around : 0;
  const std::size_t budget = std::max(kBudgetFloor, std::min(options.chunk_tokens, room));
  const CodePointIndex index{event.text};
  const std::vector<Unit> units = units_of(event, index, tokenizer, budget);
  return Packer{event, index, units, budget, std::min(options.overlap_tokens, budget / 2)}.pack();
}

}  // namespace millrace
