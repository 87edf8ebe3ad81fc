#include "workers/chunker/units.h"

#include <algorithm>
#include <span>

#include "workers/text/utf8.h"

namespace millrace {
namespace {

bool is_white_space(char32_t point) {
  return point == ' ' || (point >= '\t' && point <= '\r') || point == 0x85 || point == 0xA0 ||
         point == 0x1680 || (point >= 0x2000 && point <= 0x200A) || point == 0x2028 ||
         point == 0x2029 || point == 0x202F || point == 0x205F || point == 0x3000;
}

// Cuts a range that is too long where words end, at the budget where no word ends in its second
// half.
class LongRange {
 public:
  LongRange(std::string_view text, std::size_t budget) : text_{text}, budget_{budget} {}

  // The end of the first part of `tokens` (of this range) that fits; `used` is set to its tokens.
  std::size_t cut(TextRange range, std::span<const Token> tokens, std::size_t& used) const {
    const std::size_t bytes_max = budget_ * kBytesPerToken;
    std::size_t fits = 0;  // tokens that fit
    while (fits < tokens.size() && fits < budget_ && tokens[fits].end - range.begin <= bytes_max) {
      ++fits;
    }
    if (fits == tokens.size()) {
      used = fits;
      return std::min(range.end, boundary_before(range.begin + bytes_max, range.begin));
    }
    if (fits == 0) return cut_inside_token(range, bytes_max, used);
    for (std::size_t at = fits; at > fits / 2; --at) {
      if (word_ends_between(tokens[at - 1].end, tokens[at].begin)) {
        used = at;
        return tokens[at].begin;
      }
    }
    used = fits;
    return std::max(boundary_before(tokens[fits].begin, range.begin), next_boundary(range.begin));
  }

 private:
  std::size_t cut_inside_token(TextRange range, std::size_t bytes_max, std::size_t& used) const {
    used = 0;
    const std::size_t at = boundary_before(range.begin + bytes_max, range.begin);
    return std::min(range.end, std::max(at, next_boundary(range.begin)));
  }
  // White space and nothing else: a normalized accent leaves a gap between two tokens as well.
  bool word_ends_between(std::size_t end, std::size_t begin) const {
    if (begin <= end) return false;
    const TextRange rest = trimmed(text_, {end, begin});
    return rest.begin == rest.end;
  }
  std::size_t boundary_before(std::size_t at, std::size_t floor) const {
    if (at >= text_.size()) return text_.size();
    while (at > floor && !starts_code_point(text_[at])) --at;
    return at;
  }
  std::size_t next_boundary(std::size_t at) const {
    ++at;
    while (at < text_.size() && !starts_code_point(text_[at])) ++at;
    return at;
  }

  std::string_view text_;
  std::size_t budget_;
};

// The tokens of one block, given out from front to back.
class TokenCursor {
 public:
  explicit TokenCursor(std::span<const Token> tokens) : tokens_{tokens} {}
  // Those that begin before `end`, from where the cursor stands.
  std::span<const Token> until(std::size_t end) const {
    const auto last = std::ranges::lower_bound(tokens_, end, {}, &Token::begin);
    return tokens_.first(static_cast<std::size_t>(last - tokens_.begin()));
  }
  void move_to(std::size_t begin) { tokens_ = tokens_.subspan(until(begin).size()); }

 private:
  std::span<const Token> tokens_;
};

class UnitBuilder {
 public:
  UnitBuilder(std::string_view text, std::size_t budget)
      : text_{text}, budget_{budget}, long_range_{text, budget} {}

  // Appends the range as one unit, or as several where it is too long.
  void add(TextRange range, TokenCursor& cursor, const Block& block) {
    range = trimmed(text_, range);
    while (range.begin < range.end) {
      cursor.move_to(range.begin);
      const std::span<const Token> tokens = cursor.until(range.end);
      TextRange part = range;
      std::size_t used = tokens.size();
      if (used > budget_ || range.end - range.begin > budget_ * kBytesPerToken) {
        part.end = long_range_.cut(range, tokens, used);
      }
      const TextRange kept = trimmed(text_, part);
      if (kept.begin < kept.end) {
        units_.push_back({kept.begin, kept.end, std::max<std::size_t>(1, used), &block});
      }
      range = trimmed(text_, {part.end, range.end});
    }
  }
  std::vector<Unit> take() { return std::move(units_); }

 private:
  std::string_view text_;
  std::size_t budget_;
  LongRange long_range_;
  std::vector<Unit> units_;
};

bool stays_whole(const Block& block) {
  return block.kind == Block::Kind::table_row || block.kind == Block::Kind::heading;
}

}  // namespace

TextRange trimmed(std::string_view text, TextRange range) {
  while (range.begin < range.end) {
    std::size_t next = range.begin;
    if (!is_white_space(next_code_point(text, next))) break;
    range.begin = next;
  }
  while (range.begin < range.end) {
    std::size_t last = range.end - 1;
    while (last > range.begin && !starts_code_point(text[last])) --last;
    std::size_t next = last;
    if (!is_white_space(next_code_point(text, next))) break;
    range.end = last;
  }
  return range;
}

std::vector<Unit> units_of(const TextEvent& event, const CodePointIndex& index,
                           const Tokenizer& tokenizer, std::size_t budget) {
  const std::string_view text = event.text;
  UnitBuilder builder{text, budget};
  for (const Block& block : event.blocks) {
    const std::size_t begin = index.byte_offset(block.start);
    const std::size_t end = index.byte_offset(block.end);
    const std::string_view inside = text.substr(begin, end - begin);
    std::vector<Token> tokens = tokenizer.tokenize(inside);
    for (Token& each : tokens) {
      each.begin += static_cast<std::uint32_t>(begin);
      each.end += static_cast<std::uint32_t>(begin);
    }
    TokenCursor cursor{tokens};
    if (stays_whole(block)) {
      builder.add({begin, end}, cursor, block);
      continue;
    }
    for (const TextRange& each : sentences(inside)) {
      builder.add({begin + each.begin, begin + each.end}, cursor, block);
    }
  }
  return builder.take();
}

}  // namespace millrace
