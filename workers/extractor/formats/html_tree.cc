#include "workers/extractor/formats/html_tree.h"

#include <gumbo.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <memory_resource>
#include <string>

namespace millrace {
namespace {

constexpr std::size_t kCharsetWithinBytes = 1024;  // where HTML says the declaration must stand
constexpr std::size_t kArenaStartBytes = 64U * 1024;

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }

std::string lower_without_space(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (!is_space(c)) out += lower(c);
  }
  return out;
}

// Elements that have no end tag, or may leave it out: they do not nest.
bool may_stay_open(std::string_view tag) {
  static constexpr std::array<std::string_view, 40> kTags{
      "area",  "base",  "basefont", "bgsound", "br",     "col",      "embed",   "frame",
      "hr",    "img",   "input",    "keygen",  "link",   "meta",     "param",   "source",
      "track", "wbr",   "p",        "li",      "dt",     "dd",       "tr",      "td",
      "th",    "thead", "tbody",    "tfoot",   "option", "optgroup", "rt",      "rp",
      "rb",    "rtc",   "html",     "head",    "body",   "colgroup", "caption", "image"};
  return std::ranges::find(kTags, tag) != kTags.end();
}

// Counts open elements tag by tag without parsing; cheap and never too low for what nests.
bool nested_too_deep(std::string_view html) {
  int depth = 0;
  for (std::size_t at = html.find('<'); at != std::string_view::npos; at = html.find('<', at)) {
    ++at;
    const bool end_tag = at < html.size() && html[at] == '/';
    if (end_tag) ++at;
    std::string tag;
    while (at < html.size() && std::isalnum(static_cast<unsigned char>(html[at])) != 0 &&
           tag.size() < 16) {
      tag += lower(html[at++]);
    }
    if (tag.empty() || may_stay_open(tag)) continue;
    depth = end_tag ? std::max(0, depth - 1) : depth + 1;
    if (depth > kHtmlDepthMax) return true;
  }
  return false;
}

bool hides(std::string_view property, std::string_view value) {
  value = value.substr(0, value.find('!'));  // !important
  if (property == "display") return value == "none";
  if (property == "visibility") return value == "hidden" || value == "collapse";
  if (property == "opacity" || property == "font-size") {
    return value.starts_with('0') && value.find_first_of("123456789") == std::string_view::npos;
  }
  return false;
}

bool style_hides(std::string_view style) {
  const std::string bare = lower_without_space(style);
  for (std::size_t at = 0; at < bare.size();) {
    const std::size_t end = std::min(bare.find(';', at), bare.size());
    const std::string_view declaration = std::string_view{bare}.substr(at, end - at);
    const std::size_t colon = declaration.find(':');
    if (colon != std::string_view::npos &&
        hides(declaration.substr(0, colon), declaration.substr(colon + 1))) {
      return true;
    }
    at = end + 1;
  }
  return false;
}

bool attribute_hides(const GumboAttribute& attribute) {
  const std::string_view name = attribute.name;
  if (name == "hidden") return lower_without_space(attribute.value) != "until-found";
  if (name == "aria-hidden") return lower_without_space(attribute.value) == "true";
  return name == "style" && style_hides(attribute.value);
}

}  // namespace

struct HtmlTree::Impl {
  std::pmr::monotonic_buffer_resource arena{kArenaStartBytes};
  GumboOutput* output = nullptr;
};

HtmlTree::HtmlTree(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
HtmlTree::HtmlTree(HtmlTree&&) noexcept = default;
HtmlTree& HtmlTree::operator=(HtmlTree&&) noexcept = default;
HtmlTree::~HtmlTree() = default;

Result<HtmlTree> HtmlTree::parse(std::string_view utf8) {
  if (nested_too_deep(utf8)) {
    return rejected("the page nests elements deeper than " + std::to_string(kHtmlDepthMax) +
                    " levels");
  }
  auto impl = std::make_unique<Impl>();
  GumboOptions options = kGumboDefaultOptions;
  options.userdata = &impl->arena;
  // Throws through gumbo, which keeps nothing that needs cleaning up: all it has is in the arena.
  options.allocator = [](void* arena, std::size_t bytes) {
    return static_cast<std::pmr::monotonic_buffer_resource*>(arena)->allocate(
        bytes, alignof(std::max_align_t));
  };
  options.deallocator = [](void*, void*) {};
  options.max_errors = 0;
  impl->output = gumbo_parse_with_options(&options, utf8.data(), utf8.size());
  return HtmlTree{std::move(impl)};
}

const GumboInternalNode& HtmlTree::root() const { return *impl_->output->document; }

bool is_hidden(const GumboInternalNode& element) {
  switch (element.v.element.tag) {
    case GUMBO_TAG_SCRIPT:
    case GUMBO_TAG_STYLE:
    case GUMBO_TAG_TEMPLATE:
    case GUMBO_TAG_NOSCRIPT:
    case GUMBO_TAG_NOFRAMES:
    case GUMBO_TAG_HEAD:
    case GUMBO_TAG_TITLE:  // of a drawing
    case GUMBO_TAG_IFRAME:
    case GUMBO_TAG_OBJECT:
      return true;
    default:
      break;
  }
  const GumboVector& attributes = element.v.element.attributes;
  for (unsigned i = 0; i < attributes.length; ++i) {
    if (attribute_hides(*static_cast<const GumboAttribute*>(attributes.data[i]))) return true;
  }
  return false;
}

std::string_view declared_html_charset(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, kCharsetWithinBytes);
  constexpr std::string_view kName = "charset";
  const auto found = std::search(head.begin(), head.end(), kName.begin(), kName.end(),
                                 [](char a, char b) { return lower(a) == b; });
  std::string_view rest = head.substr(static_cast<std::size_t>(found - head.begin()));
  if (rest.empty()) return {};
  rest.remove_prefix(kName.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(" \t\r\n=\"'"), rest.size()));
  return rest.substr(0, rest.find_first_of(" \t\r\n\"';/>"));
}

}  // namespace millrace
