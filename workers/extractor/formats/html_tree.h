#pragma once

#include <memory>
#include <string_view>

#include "common/error.h"

struct GumboInternalNode;

namespace millrace {

// A parsed HTML page. Its nodes live in an arena that goes as a whole: freeing them one by one
// would recurse as deep as the page is nested.
class HtmlTree {
 public:
  // `rejected` when elements are nested deeper than kHtmlDepthMax. Throws std::bad_alloc.
  static Result<HtmlTree> parse(std::string_view utf8);
  HtmlTree(HtmlTree&&) noexcept;
  HtmlTree& operator=(HtmlTree&&) noexcept;
  ~HtmlTree();
  const GumboInternalNode& root() const;

 private:
  struct Impl;
  explicit HtmlTree(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Deeper nesting costs the parser time that grows with its square; browsers stop at 512.
inline constexpr int kHtmlDepthMax = 2'000;

// True for elements that a reader never sees: scripts, styles, templates, and whatever is hidden by
// an attribute or its own style. Text hidden from people is how a page smuggles orders to a model.
bool is_hidden(const GumboInternalNode& element);

// The charset that a page declares for itself in its first bytes, or nothing.
std::string_view declared_html_charset(std::string_view bytes);

}  // namespace millrace
