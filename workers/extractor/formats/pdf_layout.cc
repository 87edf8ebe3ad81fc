#include "workers/extractor/formats/pdf_layout.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <utility>

namespace millrace {
namespace {

// Proportions of a line's height, found by trying real documents.
constexpr double kSameLineOverlap = 0.5;  // of two words' heights
constexpr double kSizeChange = 0.25;      // a heading beside its text
constexpr double kWiderGap = 0.35;        // beyond the usual distance between lines
constexpr double kIndent = 0.8;
constexpr double kUsualPitchMax = 2.0;  // what can be a distance within a paragraph at all
constexpr double kShortLine = 0.75;     // of the paragraph's width: nothing followed on this line

constexpr std::size_t kCompoundsMax = 100'000;
constexpr std::size_t kLoneMarksBytesMax = 4;  // one bullet and a blank

struct Line {
  std::string text;
  double left = 0;
  double right = 0;
  double top = 0;
  double bottom = 0;
  int rotation = 0;
  double height() const { return bottom - top; }
};

bool same_line(const Line& line, const PdfWord& previous, const PdfWord& word) {
  if (word.rotation != previous.rotation) return false;
  if (word.rotation != 0) return previous.space_after;  // on its side: places mean something else
  const double overlap = std::min(line.bottom, word.bottom) - std::max(line.top, word.top);
  const double height = std::min(line.height(), word.bottom - word.top);
  return overlap > kSameLineOverlap * height && word.left > previous.left;
}

std::vector<Line> find_lines(const std::vector<PdfWord>& words) {
  std::vector<Line> lines;
  const PdfWord* previous = nullptr;
  for (const PdfWord& word : words) {
    if (previous == nullptr || !same_line(lines.back(), *previous, word)) {
      lines.push_back({{}, word.left, word.right, word.top, word.bottom, word.rotation});
    } else {
      Line& line = lines.back();
      // What is apart is apart, whether or not the PDF has a blank there.
      if (previous->space_after || word.left - previous->right > 0.2 * line.height()) {
        line.text += ' ';
      }
      line.left = std::min(line.left, word.left);
      line.right = std::max(line.right, word.right);
      line.top = std::min(line.top, word.top);
      line.bottom = std::max(line.bottom, word.bottom);
    }
    lines.back().text += word.text;
    previous = &word;
  }
  return lines;
}

bool overlap_sideways(const Line& a, const Line& b) {
  return std::min(a.right, b.right) > std::max(a.left, b.left);
}

// The most common distance from line to line of the page, in line heights.
double usual_pitch(const std::vector<Line>& lines) {
  std::vector<double> pitches;
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const double height = std::max(lines[i].height(), 1.0);
    const double pitch = (lines[i].bottom - lines[i - 1].bottom) / height;
    if (pitch > 0.5 && pitch < kUsualPitchMax && overlap_sideways(lines[i - 1], lines[i])) {
      pitches.push_back(pitch);
    }
  }
  if (pitches.empty()) return 1.2;
  const auto middle = pitches.begin() + static_cast<std::ptrdiff_t>(pitches.size() / 2);
  std::ranges::nth_element(pitches, middle);
  return *middle;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool starts_item(std::string_view line) {
  static constexpr std::array<std::string_view, 10> kMarks{
      "\u2022", "\u2023", "\u25E6", "\u25AA", "\u25CF", "\u25CB", "\u2043", "\uF0B7", "- ", "* "};
  if (std::ranges::any_of(kMarks, [&](std::string_view m) { return line.starts_with(m); })) {
    return true;
  }
  // "1." "12)" "(a)" "b)"; not the number of a section ("2.1") nor a year.
  std::size_t at = line.starts_with('(') ? 1 : 0;
  const std::size_t begin = at;
  while (at < line.size() && at - begin < 2 && is_digit(line[at])) ++at;
  if (at == begin && at < line.size() && std::islower(static_cast<unsigned char>(line[at])) != 0) {
    ++at;
  }
  return at > begin && at + 1 < line.size() &&
         (line[at] == ')' || (line[at] == '.' && begin == 0)) && line[at + 1] == ' ';
}

bool ends_sentence(std::string_view line) {
  static constexpr std::array<std::string_view, 7> kEnds{".", "!", "?", ":", ".\"", ".)", "\u3002"};
  return std::ranges::any_of(kEnds, [&](std::string_view e) { return line.ends_with(e); });
}

bool starts_lower(std::string_view line) {
  return !line.empty() && std::islower(static_cast<unsigned char>(line.front())) != 0;
}

// Letters only; bytes of other scripts count as letters.
bool is_letter(char c) { return c < 0 || std::isalpha(static_cast<unsigned char>(c)) != 0; }

std::string_view last_word(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0 && is_letter(text[begin - 1])) --begin;
  return text.substr(begin);
}

std::string_view first_word(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size() && is_letter(text[end])) ++end;
  return text.substr(0, end);
}

// Bullets are often drawn apart from their texts: alone they say nothing.
bool only_marks(std::string_view text) {
  return std::ranges::all_of(text,
                             [](char c) { return c == ' ' || c == '-' || c == '*' || c < 0; }) &&
         starts_item(text) && text.size() <= kLoneMarksBytesMax;
}

// Lines of a paragraph in the making.
struct Open {
  double left = 0;
  double right = 0;
  bool item = false;
};

bool begins_paragraph(const Open& open, const Line& last, const Line& line, double pitch_usual) {
  if (starts_item(line.text) || line.rotation != last.rotation) return true;
  if (line.rotation != 0) return false;
  const double height = std::max({last.height(), line.height(), 1.0});
  if (std::abs(line.height() - last.height()) > kSizeChange * height) return true;
  const double pitch = (line.bottom - last.bottom) / height;
  if (pitch < 0.5 || !overlap_sideways(last, line)) {
    // Up to a new column, or sideways: a sentence may go on there.
    return ends_sentence(last.text) || !starts_lower(line.text);
  }
  if (pitch > pitch_usual + kWiderGap) return true;
  if (!ends_sentence(last.text)) return false;
  const bool indented = line.left > open.left + kIndent * height && !open.item;
  const bool cut_short =
      last.right - open.left < kShortLine * (open.right - open.left) && line.right > last.right;
  return indented || cut_short;
}

}  // namespace

std::vector<PdfParagraph> layout_page(const std::vector<PdfWord>& words) {
  std::vector<Line> lines = find_lines(words);
  std::erase_if(lines, [](const Line& line) { return only_marks(line.text); });
  const double pitch = usual_pitch(lines);
  std::vector<PdfParagraph> paragraphs;
  Open open;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Line& line = lines[i];
    if (i == 0 || begins_paragraph(open, lines[i - 1], line, pitch)) {
      open = {line.left, line.right, starts_item(line.text)};
      paragraphs.push_back({open.item ? Block::Kind::list_item : Block::Kind::paragraph, {}});
    }
    open.left = std::min(open.left, line.left);
    open.right = std::max(open.right, line.right);
    paragraphs.back().lines.push_back(line.text);
  }
  return paragraphs;
}

std::vector<PdfParagraph> layout_text(std::string_view text) {
  std::vector<PdfParagraph> paragraphs(1);
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.find_first_not_of(" \t\r\f") != std::string_view::npos) {
      paragraphs.back().lines.emplace_back(line);
    } else if (!paragraphs.back().lines.empty()) {
      paragraphs.emplace_back();
    }
  }
  if (paragraphs.back().lines.empty()) paragraphs.pop_back();
  return paragraphs;
}

void LineJoiner::learn(std::string_view line) {
  for (std::size_t at = line.find('-'); at != std::string_view::npos; at = line.find('-', at + 1)) {
    const std::string_view before = last_word(line.substr(0, at));
    const std::string_view after = first_word(line.substr(at + 1));
    if (before.empty() || after.empty() || compounds_.size() >= kCompoundsMax) continue;
    compounds_.insert(std::string{before} + '-' + std::string{after});
  }
}

bool LineJoiner::is_compound(std::string_view before, std::string_view line) const {
  const std::string_view first = last_word(before);
  // "d-dimensional": no word is divided after one letter.
  if (first.size() <= 1) return true;
  return compounds_.contains(std::string{first} + '-' + std::string{first_word(line)});
}

std::string LineJoiner::join(const std::vector<std::string>& lines) const {
  std::string text;
  for (const std::string& line : lines) {
    const std::string_view before = std::string_view{text}.substr(0, text.size() - !text.empty());
    if (text.ends_with('-') && !last_word(before).empty() && starts_lower(line)) {
      if (!is_compound(before, line)) text.pop_back();
    } else if (text.ends_with("\u00AD")) {
      text.resize(text.size() - 2);
    } else if (!text.empty() && !text.ends_with('-')) {
      text += ' ';
    }
    text += line;
  }
  return text;
}

std::string expand_ligatures(std::string text) {
  static constexpr std::array<std::string_view, 7> kLetters{"ff",  "fi", "fl", "ffi",
                                                            "ffl", "st", "st"};
  constexpr std::string_view kStart = "\xEF\xAC";  // U+FB00 to U+FB06 are EF AC 80 to EF AC 86
  for (std::size_t at = text.find(kStart); at != std::string::npos;
       at = text.find(kStart, at + 1)) {
    if (at + 2 >= text.size()) break;
    const std::size_t which = static_cast<unsigned char>(text[at + 2]) - 0x80U;
    if (which < kLetters.size()) text.replace(at, 3, kLetters[which]);
  }
  return text;
}

}  // namespace millrace
