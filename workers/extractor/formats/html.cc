#include "workers/extractor/formats/html.h"

#include <gumbo.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "workers/extractor/formats/html_tree.h"
#include "workers/extractor/formats/txt.h"
#include "workers/extractor/text_builder.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

using Node = GumboInternalNode;

constexpr std::size_t kSniffBytes = 2048;
constexpr std::size_t kShortCellBytes = 200;  // with line breaks for looks, not paragraphs
constexpr std::size_t kCellBytesMax = 1'000;  // of a table of figures; longer is page layout

bool is_element(const Node& node) {
  return node.type == GUMBO_NODE_ELEMENT || node.type == GUMBO_NODE_TEMPLATE;
}

GumboTag tag_of(const Node& node) {
  return is_element(node) ? node.v.element.tag : GUMBO_TAG_UNKNOWN;
}

bool is_text(const Node& node) {
  return node.type == GUMBO_NODE_TEXT || node.type == GUMBO_NODE_WHITESPACE ||
         node.type == GUMBO_NODE_CDATA;
}

int heading_level(GumboTag tag) {
  return tag >= GUMBO_TAG_H1 && tag <= GUMBO_TAG_H6
             ? 1 + static_cast<int>(tag) - static_cast<int>(GUMBO_TAG_H1)
             : 0;
}

bool is_block(GumboTag tag) {
  switch (tag) {
    case GUMBO_TAG_ADDRESS:
    case GUMBO_TAG_ARTICLE:
    case GUMBO_TAG_ASIDE:
    case GUMBO_TAG_BLOCKQUOTE:
    case GUMBO_TAG_BODY:
    case GUMBO_TAG_CAPTION:
    case GUMBO_TAG_CENTER:
    case GUMBO_TAG_DD:
    case GUMBO_TAG_DETAILS:
    case GUMBO_TAG_DIR:
    case GUMBO_TAG_DIV:
    case GUMBO_TAG_DL:
    case GUMBO_TAG_DT:
    case GUMBO_TAG_FIELDSET:
    case GUMBO_TAG_FIGCAPTION:
    case GUMBO_TAG_FIGURE:
    case GUMBO_TAG_FOOTER:
    case GUMBO_TAG_FORM:
    case GUMBO_TAG_HEADER:
    case GUMBO_TAG_HR:
    case GUMBO_TAG_LEGEND:
    case GUMBO_TAG_LI:
    case GUMBO_TAG_MAIN:
    case GUMBO_TAG_MENU:
    case GUMBO_TAG_NAV:
    case GUMBO_TAG_OL:
    case GUMBO_TAG_OPTION:
    case GUMBO_TAG_P:
    case GUMBO_TAG_PRE:
    case GUMBO_TAG_SECTION:
    case GUMBO_TAG_SELECT:
    case GUMBO_TAG_SUMMARY:
    case GUMBO_TAG_TABLE:
    case GUMBO_TAG_TBODY:
    case GUMBO_TAG_TD:
    case GUMBO_TAG_TEXTAREA:
    case GUMBO_TAG_TFOOT:
    case GUMBO_TAG_TH:
    case GUMBO_TAG_THEAD:
    case GUMBO_TAG_TR:
    case GUMBO_TAG_UL:
    case GUMBO_TAG_XMP:
    case GUMBO_TAG_LISTING:
      return true;
    default:
      return heading_level(tag) > 0;
  }
}

bool is_code(GumboTag tag) {
  return tag == GUMBO_TAG_PRE || tag == GUMBO_TAG_XMP || tag == GUMBO_TAG_LISTING ||
         tag == GUMBO_TAG_TEXTAREA;
}

bool is_item(GumboTag tag) {
  return tag == GUMBO_TAG_LI || tag == GUMBO_TAG_DT || tag == GUMBO_TAG_DD;
}

const GumboVector* children_of(const Node& node) {
  if (node.type == GUMBO_NODE_DOCUMENT) return &node.v.document.children;
  return is_element(node) ? &node.v.element.children : nullptr;
}

// Visits a tree in order with a stack of its own: pages are nested as deep as their makers like.
// enter() says whether to go in; leave() follows for every node that was gone into.
template <class Visitor>
void walk(const Node& root, Visitor& visitor) {
  struct Step {
    const Node* node;
    unsigned next = 0;
  };
  std::vector<Step> stack;
  if (visitor.enter(root)) stack.push_back({&root});
  while (!stack.empty()) {
    Step& top = stack.back();
    const GumboVector* children = children_of(*top.node);
    if (children != nullptr && top.next < children->length) {
      const Node& child = *static_cast<const Node*>(children->data[top.next++]);
      if (visitor.enter(child)) stack.push_back({&child});
    } else {
      visitor.leave(*top.node);
      stack.pop_back();
    }
  }
}

// White space of the source is a blank; a <br> is the only line break.
void append_source_text(std::string& out, std::string_view text) {
  for (const char c : text) out += c == '\n' || c == '\r' || c == '\t' || c == '\f' ? ' ' : c;
}

// The cells of a table row, as long as they hold figures and phrases, not a page's layout.
class CellReader {
 public:
  bool enter(const Node& node) {
    if (!simple_) return false;
    if (is_text(node)) {
      const std::string_view text = node.v.text.text;
      append_source_text(cell_, text);
      if (text.find_first_not_of(" \t\r\n\f") != std::string_view::npos) breaks_ = 0;
      simple_ = cell_.size() <= kCellBytesMax;
      return false;
    }
    if (!is_element(node) || is_hidden(node)) return false;
    const GumboTag tag = tag_of(node);
    if (tag == GUMBO_TAG_TABLE || is_code(tag) || heading_level(tag) > 0) simple_ = false;
    if (tag == GUMBO_TAG_BR && ++breaks_ >= 2 && cell_.size() > kShortCellBytes) simple_ = false;
    if (is_block(tag) || tag == GUMBO_TAG_BR) cell_ += ' ';
    return simple_;
  }
  void leave(const Node& node) {
    const GumboTag tag = tag_of(node);
    if (tag == GUMBO_TAG_TD || tag == GUMBO_TAG_TH) {
      const std::string shown = one_line(cell_, INT64_MAX);
      cell_.clear();
      if (shown.empty()) return;
      row_ += row_.empty() ? "" : " | ";
      row_ += shown;
    } else if (is_block(tag)) {
      cell_ += ' ';
    }
  }
  bool simple() const { return simple_; }
  const std::string& row() const { return row_; }

 private:
  std::string cell_;
  std::string row_;
  int breaks_ = 0;  // in a row
  bool simple_ = true;
};

// Turns a page into blocks: text gathers until a block element begins or ends.
class PageReader {
 public:
  explicit PageReader(TextBuilder& out) : out_{out} {}

  bool enter(const Node& node) {
    if (node.type == GUMBO_NODE_DOCUMENT) return true;
    if (is_text(node)) {
      add_text(node.v.text.text);
      return false;
    }
    if (!is_element(node) || out_.full()) return false;
    const GumboTag tag = tag_of(node);
    if (tag == GUMBO_TAG_HEAD) find_title(node);
    if (is_hidden(node)) return false;
    if (tag == GUMBO_TAG_BR) line_break();
    if (!is_block(tag)) return true;
    flush();
    if (tag == GUMBO_TAG_TR && add_row(node)) return false;
    if (is_code(tag)) ++code_depth_;
    if (is_item(tag)) ++item_depth_;
    if (heading_level(tag) > 0 && heading_ == 0) heading_ = heading_level(tag);
    return true;
  }

  void leave(const Node& node) {
    const GumboTag tag = tag_of(node);
    if (!is_block(tag)) return;
    flush();
    if (is_code(tag)) --code_depth_;
    if (is_item(tag)) --item_depth_;
    if (heading_level(tag) == heading_) heading_ = 0;
  }

  void finish() { flush(); }
  std::string_view title() const { return title_.empty() ? first_heading_ : title_; }

 private:
  void add_text(std::string_view text) {
    if (code_depth_ > 0) {
      text_ += text;
    } else {
      append_source_text(text_, text);
      if (text.find_first_not_of(" \t\r\n\f") != std::string_view::npos) breaks_ = 0;
    }
  }

  // Two line breaks in a row are how old pages end a paragraph.
  void line_break() {
    text_ += '\n';
    if (++breaks_ >= 2 && heading_ == 0 && code_depth_ == 0) flush();
  }

  void flush() {
    breaks_ = 0;
    if (text_.empty()) return;
    if (heading_ > 0) {
      if (first_heading_.empty()) first_heading_ = text_;
      out_.heading(heading_, text_);
    } else {
      out_.add(code_depth_ > 0   ? Block::Kind::code
               : item_depth_ > 0 ? Block::Kind::list_item
                                 : Block::Kind::paragraph,
               text_);
    }
    text_.clear();
  }

  bool add_row(const Node& row) {
    CellReader cells;
    walk(row, cells);
    if (cells.simple()) out_.add(Block::Kind::table_row, cells.row());
    return cells.simple();
  }

  void find_title(const Node& head) {
    const GumboVector& children = head.v.element.children;
    for (unsigned i = 0; i < children.length && title_.empty(); ++i) {
      const Node& child = *static_cast<const Node*>(children.data[i]);
      if (tag_of(child) != GUMBO_TAG_TITLE || child.v.element.children.length == 0) continue;
      const Node& text = *static_cast<const Node*>(child.v.element.children.data[0]);
      if (is_text(text)) title_ = text.v.text.text;
    }
  }

  TextBuilder& out_;
  std::string text_;
  std::string title_;
  std::string first_heading_;
  int heading_ = 0;  // level of the heading that we are in
  int code_depth_ = 0;
  int item_depth_ = 0;
  int breaks_ = 0;
};

// The first bytes of a page in lower case, without marks and zeros (UTF-16), comments and prologue.
std::string page_start(std::string_view bytes) {
  std::string start;
  for (const char c : bytes.substr(0, kSniffBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte != 0 && byte < 0x80) start += static_cast<char>(std::tolower(byte));
  }
  while (true) {
    start.erase(0, std::min(start.find_first_not_of(" \t\r\n\f"), start.size()));
    const std::string_view end = start.starts_with("<!--")    ? "-->"
                                 : start.starts_with("<?xml") ? "?>"
                                                              : "";
    if (end.empty()) return start;
    const std::size_t at = start.find(end);
    start.erase(0, at == std::string::npos ? start.size() : at + end.size());
  }
}

}  // namespace

int matches_html(std::string_view bytes) {
  const std::string start = page_start(bytes);
  if (start.starts_with("<!doctype html") || start.starts_with("<html>") ||
      start.starts_with("<html ") || start.starts_with("<html\n") || start.starts_with("<html\r")) {
    return 2;
  }
  return matches_txt(bytes);
}

Result<std::string> extract_html(std::string_view utf8, TextBuilder& out) {
  Result<HtmlTree> tree = HtmlTree::parse(utf8);
  if (!tree) return tree.error();
  PageReader page{out};
  walk(tree->root(), page);
  page.finish();
  return std::string{page.title()};
}

Result<ExtractedText> parse_html(std::string_view bytes, std::string_view declared_charset,
                                 const FormatLimits& limits) {
  const std::string_view charset =
      declared_charset.empty() ? declared_html_charset(bytes) : declared_charset;
  const Result<std::string> text = to_utf8(bytes, charset);
  if (!text) return text.error();
  TextBuilder out{limits};
  const Result<std::string> title = extract_html(*text, out);
  if (!title) return title.error();
  return out.finish(*title, 0);
}

}  // namespace millrace
