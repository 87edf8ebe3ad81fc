#include <algorithm>

#include "common/json.h"

namespace millrace::json {
namespace {

// Walks over the text once, without looking at what it passes over more closely than it must.
class Walk {
 public:
  explicit Walk(std::string_view text) : text_{text} {}

  std::optional<Span> find(std::span<const std::string_view> path) {
    if (path.empty() || !take('{')) return std::nullopt;
    while (peek() == '"') {
      const std::string_view name = take_string();
      if (!take(':')) return std::nullopt;
      skip_blanks();
      const std::size_t begin = at_;
      if (name == path.front()) {
        if (path.size() > 1) return find(path.subspan(1));
        skip_value();
        return at_ > begin && at_ <= text_.size() ? std::optional{Span{begin, at_}} : std::nullopt;
      }
      skip_value();
      if (!take(',')) return std::nullopt;
    }
    return std::nullopt;
  }

 private:
  void skip_blanks() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  char peek() {
    skip_blanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(char wanted) {
    if (peek() != wanted) return false;
    ++at_;
    return true;
  }
  // Between its quotes, as it stands there; to the end of the text where there is no closing one.
  std::string_view take_string() {
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2U : 1U;
    at_ = std::min(at_, text_.size());
    const std::string_view inner = text_.substr(begin, at_ - begin);
    at_ = std::min(at_ + 1, text_.size());
    return inner;
  }
  void skip_value() {
    std::size_t depth = 0;
    for (char next = peek(); next != '\0'; next = peek()) {
      if (next == '"') {
        take_string();
      } else if (next == '{' || next == '[') {
        ++depth;
        ++at_;
        continue;
      } else if (next == '}' || next == ']') {
        if (depth == 0) return;
        --depth;
        ++at_;
      } else if (next == ',' || next == ':') {
        if (depth == 0) return;
        ++at_;
        continue;
      } else {
        at_ = std::min(text_.find_first_of(" \t\r\n,:]}", at_), text_.size());
      }
      if (depth == 0) return;
    }
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<Span> find_member(std::string_view text, std::span<const std::string_view> path) {
  return Walk{text}.find(path);
}

}  // namespace millrace::json
