#include "workers/extractor/formats/markdown.h"

#include <cmark-gfm-core-extensions.h>
#include <cmark-gfm-extension_api.h>
#include <cmark-gfm.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>

#include "workers/extractor/formats/html.h"
#include "workers/extractor/text_builder.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

constexpr std::size_t kFrontMatterBytesMax = 16U * 1024;

// cmark's own allocator aborts when memory runs out; ours throws through it. What it held is lost,
// so the sandbox ends the process after a std::bad_alloc.
void* allocate_zeroed(std::size_t count, std::size_t bytes) {
  void* memory = std::calloc(count, bytes);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}
void* reallocate(void* old, std::size_t bytes) {
  void* memory = std::realloc(old, bytes);
  if (memory == nullptr) throw std::bad_alloc{};
  return memory;
}

struct FrontMatter {
  std::string_view title;
  std::size_t bytes = 0;  // of the whole block with its lines of dashes
};

std::string_view trim(std::string_view text, std::string_view blanks) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

// YAML between "---" lines at the very start. Only a plain `title: …` is read from it.
FrontMatter front_matter(std::string_view text) {
  FrontMatter found;
  if (!text.starts_with("---\n")) return found;
  const std::string_view within = text.substr(0, kFrontMatterBytesMax);
  const std::size_t end = within.find("\n---\n", 3);
  if (end == std::string_view::npos) return found;
  found.bytes = end + 5;
  for (std::size_t at = 4; at < end;) {
    const std::size_t line_end = within.find('\n', at);
    const std::string_view line = within.substr(at, line_end - at);
    if (line.starts_with("title:")) found.title = trim(trim(line.substr(6), " \t"), "\"'");
    at = line_end + 1;
  }
  return found;
}

Result<std::string> to_html(std::string_view markdown) {
  cmark_gfm_core_extensions_ensure_registered();
  cmark_mem memory{&allocate_zeroed, &reallocate, &std::free};
  // Raw HTML is let through, so that the HTML reader decides what of it is visible.
  constexpr int kOptions = CMARK_OPT_UNSAFE | CMARK_OPT_FOOTNOTES;
  const std::unique_ptr<cmark_parser, decltype(&cmark_parser_free)> parser{
      cmark_parser_new_with_mem(kOptions, &memory), &cmark_parser_free};
  for (const char* name : {"table", "strikethrough", "tasklist"}) {
    cmark_syntax_extension* extension = cmark_find_syntax_extension(name);
    if (extension == nullptr) return fatal(std::string{"cmark-gfm lacks its extension "} + name);
    cmark_parser_attach_syntax_extension(parser.get(), extension);
  }
  cmark_parser_feed(parser.get(), markdown.data(), markdown.size());
  const std::unique_ptr<cmark_node, decltype(&cmark_node_free)> root{
      cmark_parser_finish(parser.get()), &cmark_node_free};
  if (root == nullptr) return rejected("the Markdown cannot be read");
  const std::unique_ptr<char, decltype(&std::free)> html{
      cmark_render_html_with_mem(root.get(), kOptions,
                                 cmark_parser_get_syntax_extensions(parser.get()), &memory),
      &std::free};
  return std::string{html.get()};
}

}  // namespace

Result<ExtractedText> parse_markdown(std::string_view bytes, std::string_view declared_charset,
                                     const FormatLimits& limits) {
  const Result<std::string> text = to_utf8(bytes, declared_charset);
  if (!text) return text.error();
  const FrontMatter front = front_matter(*text);
  const Result<std::string> html = to_html(std::string_view{*text}.substr(front.bytes));
  if (!html) return html.error();
  TextBuilder out{limits};
  const Result<std::string> title = extract_html(*html, out);
  if (!title) return title.error();
  return out.finish(front.title.empty() ? *title : front.title, 0);
}

}  // namespace millrace
