#include "workers/extractor/text_builder.h"

#include <algorithm>
#include <utility>

#include "workers/text/utf8.h"

namespace millrace {
namespace {

constexpr int kHeadingLevelMax = 9;
constexpr std::int64_t kHeadingCodePointsMax = 200;  // in a path: it is repeated in every block
constexpr std::int64_t kTitleCodePointsMax = 300;
// A block is a dozen JSON values in its event, which may have 4 million of them. From the first
// number on, neighbouring rows and items share a block; at the second it is enough.
constexpr std::size_t kBlocksJoinedFrom = 100'000;
constexpr std::size_t kBlocksMax = 250'000;
constexpr std::int64_t kJoinedCodePointsMax = 2'000;

constexpr char32_t kReplacement = 0xFFFD;

bool is_newline(char32_t c) {
  return c == '\n' || c == '\r' || c == 0x0B || c == 0x0C || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

bool is_blank(char32_t c) {
  return c <= 0x20 || (c >= 0x7F && c <= 0xA0) || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

// Nothing that anyone sees: soft hyphen, zero-width space and no-break space, word joiner, controls
// of direction, and the tag characters that can carry a whole hidden prompt.
bool is_invisible(char32_t c) {
  return c == 0xAD || c == 0x200B || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xE0000 && c <= 0xE007F);
}

enum class Space { one_line, lines, verbatim };

// Writes text cleanly and counts what it wrote.
class Cleaner {
 public:
  Cleaner(std::string& out, Space space) : out_{out}, space_{space} {}

  void put(char32_t c) {
    if (is_newline(c)) {
      ++newlines_;
      blanks_.clear();
    } else if (is_blank(c)) {
      if (space_ != Space::verbatim) {
        blanks_ = " ";
      } else {
        blanks_ += c == '\t' ? '\t' : ' ';
      }
    } else if (!is_invisible(c)) {
      flush_space();
      append_utf8(out_, c);
      ++count_;
    }
  }
  std::int64_t count() const { return count_; }

 private:
  void flush_space() {
    const bool first = count_ == 0;
    if (newlines_ > 0 && !first) {
      const std::size_t newlines = space_ == Space::verbatim ? newlines_ : 1;
      out_.append(newlines, space_ == Space::one_line ? ' ' : '\n');
      count_ += static_cast<std::int64_t>(newlines);
      if (space_ != Space::verbatim) blanks_.clear();
    }
    if (!first || space_ == Space::verbatim) {
      out_ += blanks_;
      count_ += static_cast<std::int64_t>(blanks_.size());
    }
    newlines_ = 0;
    blanks_.clear();
  }

  std::string& out_;
  Space space_;
  std::string blanks_;        // not written yet: nothing may follow
  std::size_t newlines_ = 0;  // likewise
  std::int64_t count_ = 0;
};

std::int64_t append_clean(std::string& out, std::string_view text, Space space,
                          std::int64_t code_points_max = INT64_MAX) {
  Cleaner cleaner{out, space};
  for (std::size_t at = 0; at < text.size() && cleaner.count() < code_points_max;) {
    const char32_t c = next_code_point(text, at);
    cleaner.put(c == kInvalidCodePoint ? kReplacement : c);
  }
  return cleaner.count();
}

bool runs_on(Block::Kind kind) {
  return kind == Block::Kind::list_item || kind == Block::Kind::table_row;
}

}  // namespace

std::string one_line(std::string_view text, std::int64_t code_points_max) {
  std::string line;
  append_clean(line, text, Space::one_line, code_points_max);
  return line;
}

void TextBuilder::heading(int level, std::string_view text) {
  level = std::clamp(level, 0, kHeadingLevelMax);
  std::string shown = one_line(text, kHeadingCodePointsMax);
  if (shown.empty()) return;
  while (!path_.empty() && path_.back().level >= level) path_.pop_back();
  append(Block::Kind::heading, text);
  path_.push_back({level, std::move(shown)});
}

void TextBuilder::add(Block::Kind kind, std::string_view text) { append(kind, text); }

void TextBuilder::append(Block::Kind kind, std::string_view text) {
  if (full()) return;
  clean_.clear();
  const Space space = kind == Block::Kind::code      ? Space::verbatim
                      : kind == Block::Kind::heading ? Space::one_line
                                                     : Space::lines;
  const std::int64_t length = append_clean(clean_, text, space);
  if (length == 0) return;

  auto& blocks = result_.blocks;
  std::string_view separator;
  if (!blocks.empty()) {
    separator = runs_on(kind) && blocks.back().kind == kind ? "\n" : "\n\n";
  }
  const bool joins = joins_last(kind);
  result_.text += separator;
  result_.text += clean_;
  code_points_ += static_cast<std::int64_t>(separator.size()) + length;
  if (joins) {
    blocks.back().end = code_points_;
  } else {
    append_block({.kind = kind,
                  .start = code_points_ - length,
                  .end = code_points_,
                  .page = page_,
                  .headings = {}});
  }
  if (result_.text.size() + heading_bytes_ > limits_.output_bytes_max) {
    error_ = "holds more text than " + std::to_string(limits_.output_bytes_max) +
             " bytes; split it into several documents";
  }
}

void TextBuilder::append_block(Block block) {
  if (result_.blocks.size() >= kBlocksMax) {
    error_ = "has more than " + std::to_string(kBlocksMax) +
             " paragraphs and rows; split it into several documents";
    return;
  }
  block.headings.reserve(path_.size());
  for (const Heading& heading : path_) {
    block.headings.push_back(heading.text);
    heading_bytes_ += heading.text.size();
  }
  result_.blocks.push_back(std::move(block));
}

bool TextBuilder::joins_last(Block::Kind kind) const {
  const auto& blocks = result_.blocks;
  if (blocks.size() < kBlocksJoinedFrom || !runs_on(kind)) return false;
  const Block& last = blocks.back();
  return last.kind == kind && last.page == page_ && last.end - last.start < kJoinedCodePointsMax &&
         std::equal(last.headings.begin(), last.headings.end(), path_.begin(), path_.end(),
                    [](const std::string& a, const Heading& b) { return a == b.text; });
}

Result<ExtractedText> TextBuilder::finish(std::string_view title, std::int32_t pages) {
  if (full()) return rejected(error_);
  result_.title = one_line(title, kTitleCodePointsMax);
  result_.pages = pages;
  return std::move(result_);
}

}  // namespace millrace
