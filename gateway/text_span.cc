#include "gateway/text_span.h"

#include <algorithm>

namespace millrace {
namespace {

bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }

// The byte at which code point `index` begins.
std::size_t byte_at(std::string_view text, std::int64_t index) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (starts_code_point(text[at]) && index-- == 0) return at;
    ++at;
  }
  return text.size();
}

std::int32_t page_at(const TextEvent& event, std::int64_t start) {
  std::int32_t page = 0;
  for (const Block& block : event.blocks) {
    if (block.start > start) break;
    page = block.page;
  }
  return page;
}

}  // namespace

std::int64_t count_code_points(std::string_view text) {
  return std::count_if(text.begin(), text.end(), starts_code_point);
}

std::string_view code_points(std::string_view text, std::int64_t start, std::int64_t end) {
  const std::size_t first = byte_at(text, start);
  return text.substr(first, byte_at(text.substr(first), end - start));
}

Problem no_text(const TextRequest& wanted) {
  return not_found("there is no text of document \"" + wanted.document_id + "\" in collection \"" +
                   wanted.collection + "\"");
}

Reply<TextSpan> read_text_span(const Log& log, const Position& at, const TextRequest& wanted,
                               const Principal& principal) {
  const auto record = log.read_at(at);
  if (!record) return problem_from(record.error());
  if (!*record) return no_text(wanted);
  auto event = text_event_from(**record);
  if (!event) return problem_from(fatal(event.error().message));
  if (!principal.may_read(event->document.allow)) return no_text(wanted);
  const std::string& revision = event->document.revision;
  if (!wanted.revision.empty() && wanted.revision != revision) {
    return not_found("revision " + wanted.revision + " of the document has been superseded by " +
                     revision);
  }
  TextSpan span;
  span.characters = count_code_points(event->text);
  if (wanted.start > span.characters) {
    return bad_field("start", "is past the end of the text, which has " +
                                  std::to_string(span.characters) + " characters");
  }
  span.start = wanted.start;
  span.end = wanted.end < 0 ? span.characters : std::min(wanted.end, span.characters);
  span.end = std::min(span.end, span.start + kTextSpanMax);
  span.text = code_points(event->text, span.start, span.end);
  span.before =
      code_points(event->text, std::max<std::int64_t>(0, span.start - wanted.context), span.start);
  span.after = code_points(event->text, span.end, span.end + wanted.context);
  span.page = page_at(*event, span.start);
  span.pages = event->pages;
  span.document = std::move(event->document);
  return span;
}

}  // namespace millrace
