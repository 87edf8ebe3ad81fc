#include "workers/extractor/formats/txt.h"

#include <algorithm>
#include <array>
#include <string>

#include "workers/extractor/text_builder.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

constexpr std::size_t kProbeBytes = 4096;
// A line at least this long that another follows was most likely wrapped by a program, not ended by
// the author: the two are joined, since a newline ends a sentence for the chunker.
constexpr std::size_t kWrappedBytesMin = 45;

bool starts_item(std::string_view line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  if (line.starts_with("- ") || line.starts_with("* ") || line.starts_with("+ ") ||
      line.starts_with("\xE2\x80\xA2")) {  // a bullet
    return true;
  }
  const std::size_t digits = line.find_first_not_of("0123456789");
  return digits > 0 && digits != std::string_view::npos && digits <= 3 &&
         (line[digits] == '.' || line[digits] == ')');
}

bool is_blank(std::string_view line) {
  return line.find_first_not_of(" \t\f") == std::string_view::npos;
}

// Lines of one paragraph, those joined that were wrapped.
class Paragraph {
 public:
  void add(std::string_view line) {
    if (!text_.empty()) {
      text_ += last_bytes_ >= kWrappedBytesMin && !starts_item(line) ? ' ' : '\n';
    }
    text_ += line;
    last_bytes_ = line.size();
  }
  void flush(TextBuilder& out) {
    out.add(Block::Kind::paragraph, text_);
    text_.clear();
  }

 private:
  std::string text_;
  std::size_t last_bytes_ = 0;
};

}  // namespace

int matches_txt(std::string_view bytes) {
  if (bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF") ||
      bytes.starts_with("\xEF\xBB\xBF") || bytes.starts_with(std::string_view{"\0\0\xFE\xFF", 4})) {
    return 1;
  }
  if (bytes.starts_with("PK\x03\x04") || bytes.starts_with("\xD0\xCF\x11\xE0")) return 0;
  const std::string_view probe = bytes.substr(0, kProbeBytes);
  std::array<std::size_t, 2> zeros{};  // at even and at odd places
  for (std::size_t i = 0; i < probe.size(); ++i) zeros[i % 2] += probe[i] == 0 ? 1U : 0U;
  if (zeros[0] + zeros[1] > 0) {
    // UTF-16 of mostly Latin text has them in every other place; to_utf8() finds out whether it is.
    const auto [few, many] = std::minmax(zeros[0], zeros[1]);
    return many * 4 >= probe.size() && few * 16 < many ? 1 : 0;
  }
  const auto controls = std::ranges::count_if(probe, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t' &&
           c != '\f' && c != '\x1b';
  });
  return static_cast<std::size_t>(controls) * 20 <= probe.size() ? 1 : 0;
}

Result<ExtractedText> parse_txt(std::string_view bytes, std::string_view declared_charset,
                                const FormatLimits& limits) {
  const Result<std::string> text = to_utf8(bytes, declared_charset);
  if (!text) return text.error();
  TextBuilder out{limits};
  Paragraph paragraph;
  for (std::size_t at = 0; at < text->size() && !out.full();) {
    const std::size_t end = std::min(text->find('\n', at), text->size());
    const std::string_view line = std::string_view{*text}.substr(at, end - at);
    if (is_blank(line)) {
      paragraph.flush(out);
    } else {
      paragraph.add(line);
    }
    at = end + 1;
  }
  paragraph.flush(out);
  return out.finish({}, 0);
}

}  // namespace millrace
