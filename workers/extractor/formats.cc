#include "workers/extractor/formats.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "workers/extractor/formats/csv.h"
#include "workers/extractor/formats/docx.h"
#include "workers/extractor/formats/html.h"
#include "workers/extractor/formats/json.h"
#include "workers/extractor/formats/jsonl.h"
#include "workers/extractor/formats/markdown.h"
#include "workers/extractor/formats/pdf.h"
#include "workers/extractor/formats/txt.h"

namespace millrace {
namespace {

constexpr std::string_view kPdfTypes[] = {"application/x-pdf"};
constexpr std::string_view kPdfExtensions[] = {".pdf"};
constexpr std::string_view kDocxTypes[] = {"application/vnd.ms-word.document.macroenabled.12"};
constexpr std::string_view kDocxExtensions[] = {".docx", ".docm"};
constexpr std::string_view kHtmlTypes[] = {"application/xhtml+xml"};
constexpr std::string_view kHtmlExtensions[] = {".html", ".htm", ".xhtml"};
constexpr std::string_view kMarkdownTypes[] = {"text/x-markdown"};
constexpr std::string_view kMarkdownExtensions[] = {".md", ".markdown", ".mdown"};
constexpr std::string_view kCsvTypes[] = {"text/tab-separated-values", "application/csv",
                                          "text/x-csv"};
constexpr std::string_view kCsvExtensions[] = {".csv", ".tsv"};
constexpr std::string_view kJsonTypes[] = {"text/json"};
constexpr std::string_view kJsonExtensions[] = {".json"};
constexpr std::string_view kJsonlTypes[] = {"application/jsonl", "application/ndjson",
                                            "application/jsonlines", "application/x-jsonlines"};
constexpr std::string_view kJsonlExtensions[] = {".jsonl", ".ndjson"};
constexpr std::string_view kTxtExtensions[] = {".txt", ".text", ".log"};

constexpr Format kFormats[] = {
    {"pdf", "application/pdf", kPdfTypes, kPdfExtensions, &matches_pdf, &parse_pdf},
    {"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", kDocxTypes,
     kDocxExtensions, &matches_docx, &parse_docx},
    {"html", "text/html", kHtmlTypes, kHtmlExtensions, &matches_html, &parse_html},
    {"markdown", "text/markdown", kMarkdownTypes, kMarkdownExtensions, &matches_txt,
     &parse_markdown},
    {"csv", "text/csv", kCsvTypes, kCsvExtensions, &matches_txt, &parse_csv},
    {"json", "application/json", kJsonTypes, kJsonExtensions, &matches_txt, &parse_json},
    {"jsonl", "application/x-ndjson", kJsonlTypes, kJsonlExtensions, &matches_txt, &parse_jsonl},
    {"txt", "text/plain", {}, kTxtExtensions, &matches_txt, &parse_txt},
};
constexpr const Format& kPlainText = kFormats[std::size(kFormats) - 1];

std::string lower_case(std::string_view text) {
  std::string lower{text};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return lower;
}

// Without parameters, blanks and capitals.
std::string bare_media_type(std::string_view media_type) {
  std::string bare = lower_case(media_type.substr(0, media_type.find(';')));
  std::erase_if(bare, [](char c) { return c == ' ' || c == '\t'; });
  return bare;
}

bool has_media_type(const Format& format, std::string_view bare) {
  return format.media_type == bare || std::ranges::find(format.also, bare) != format.also.end();
}

std::string known_formats() {
  std::string known;
  for (const Format& format : kFormats) {
    known += known.empty() ? "" : ", ";
    known += format.name;
  }
  return known;
}

Error unknown_format(std::string_view bytes) {
  std::string what = "the file is of no known type";
  if (bytes.starts_with("\xD0\xCF\x11\xE0")) {
    what =
        "the file is an Office file in the old binary form, or one locked with a password; save "
        "it as .docx without a password";
  } else if (bytes.starts_with("PK")) {
    what = "the file is an archive, but no Word document";
  }
  return rejected(what + " (known are: " + known_formats() + ")");
}

}  // namespace

std::span<const Format> format_table() { return kFormats; }

Result<const Format*> detect_format(std::string_view bytes, std::string_view media_type,
                                    std::string_view name) {
  if (bytes.empty()) return rejected("the file is empty");
  std::array<int, std::size(kFormats)> sure{};
  for (std::size_t i = 0; i < sure.size(); ++i) {
    sure[i] = kFormats[i].matches(bytes);
    if (sure[i] == 2) return &kFormats[i];
  }
  const std::string bare = bare_media_type(media_type);
  for (std::size_t i = 0; i < sure.size(); ++i) {
    if (sure[i] > 0 && has_media_type(kFormats[i], bare)) return &kFormats[i];
  }
  const std::string file_name = lower_case(name);
  for (std::size_t i = 0; i < sure.size(); ++i) {
    const auto is_ending = [&](std::string_view e) { return file_name.ends_with(e); };
    if (sure[i] > 0 && std::ranges::any_of(kFormats[i].extensions, is_ending)) return &kFormats[i];
  }
  if (kPlainText.matches(bytes) > 0) return &kPlainText;
  for (std::size_t i = 0; i < sure.size(); ++i) {
    if (sure[i] > 0) return &kFormats[i];  // a PDF behind leading rubbish
  }
  return unknown_format(bytes);
}

bool media_type_known(std::string_view media_type) {
  const std::string bare = bare_media_type(media_type);
  // The first two say nothing, the third is read as plain text at worst: the bytes decide.
  if (bare.empty() || bare == "application/octet-stream" || bare.starts_with("text/")) return true;
  return std::ranges::any_of(kFormats, [&](const Format& f) { return has_media_type(f, bare); });
}

}  // namespace millrace
