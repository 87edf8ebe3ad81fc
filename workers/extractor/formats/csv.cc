#include "workers/extractor/formats/csv.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "workers/extractor/text_builder.h"
#include "workers/text/unicode.h"

namespace millrace {
namespace {

using Row = std::vector<std::string>;

constexpr std::array<char, 4> kDelimiters{',', ';', '\t', '|'};
constexpr std::size_t kSampleRows = 20;           // looked at to find delimiter and header
constexpr std::size_t kColumnsMax = 4'096;        // of one row; more is no table that anyone reads
constexpr std::int64_t kNameCodePointsMax = 100;  // a column's name is repeated in every row

// RFC 4180, with any delimiter: quoted cells may hold delimiters, newlines and doubled quotes.
// Quotes inside an unquoted cell stand for themselves; a quote never closed runs to the end.
class RowReader {
 public:
  RowReader(std::string_view text, char delimiter) : text_{text}, delimiter_{delimiter} {}

  // False at the end. A row without anything in it is passed over.
  bool next(Row& row) {
    while (at_ < text_.size()) {
      read_row(row);
      if (std::ranges::any_of(row, [](const std::string& cell) { return !cell.empty(); })) {
        return true;
      }
    }
    return false;
  }

 private:
  void read_row(Row& row) {
    row.clear();
    while (true) {
      std::string cell = at_ < text_.size() && text_[at_] == '"' ? quoted() : std::string{};
      const std::size_t end = std::min(text_.find_first_of(ends_, at_), text_.size());
      cell += text_.substr(at_, end - at_);
      at_ = end;
      if (row.size() < kColumnsMax) row.push_back(one_line(cell, INT64_MAX));
      if (at_ >= text_.size() || text_[at_++] == '\n') return;
    }
  }

  std::string quoted() {
    std::string cell;
    ++at_;
    while (at_ < text_.size()) {
      const std::size_t quote = std::min(text_.find('"', at_), text_.size());
      cell += text_.substr(at_, quote - at_);
      at_ = std::min(quote + 1, text_.size());
      if (at_ >= text_.size() || text_[at_] != '"') break;
      cell += '"';
      ++at_;
    }
    return cell;
  }

  std::string_view text_;
  char delimiter_;
  std::array<char, 3> ends_storage_{delimiter_, '\n', '\0'};
  std::string_view ends_{ends_storage_.data(), 2};
  std::size_t at_ = 0;
};

std::vector<Row> sample_rows(std::string_view text, char delimiter) {
  std::vector<Row> rows;
  RowReader reader{text, delimiter};
  Row row;
  while (rows.size() < kSampleRows && reader.next(row)) rows.push_back(row);
  return rows;
}

// The delimiter that gives the most rows the same number of columns, more than one.
char find_delimiter(std::string_view text) {
  char best = ',';
  std::size_t best_score = 0;
  for (const char delimiter : kDelimiters) {
    const std::vector<Row> rows = sample_rows(text, delimiter);
    std::size_t score = 0;
    for (const Row& row : rows) {
      const auto same = static_cast<std::size_t>(
          std::ranges::count_if(rows, [&](const Row& r) { return r.size() == row.size(); }));
      if (row.size() > 1)
        score = std::max(score, same * 100 + std::min<std::size_t>(row.size(), 99));
    }
    if (score > best_score) {
      best = delimiter;
      best_score = score;
    }
  }
  return best;
}

std::size_t filled_cells(const Row& row) {
  return static_cast<std::size_t>(
      std::ranges::count_if(row, [](const std::string& cell) { return !cell.empty(); }));
}

bool is_number(std::string_view cell) {
  return cell.find_first_of("0123456789") != std::string_view::npos &&
         cell.find_first_not_of("0123456789.,+-%$ ") == std::string_view::npos;
}

// Names are filled, differ from each other and are no numbers.
bool is_header(const Row& row, std::size_t columns) {
  const std::set<std::string_view> distinct{row.begin(), row.end()};
  return row.size() == columns && columns > 1 && filled_cells(row) + 1 >= columns &&
         distinct.size() == columns && std::ranges::none_of(row, is_number);
}

// The place of the header among the first rows: at the top, or below titles that fill one cell.
std::optional<std::size_t> find_header(const std::vector<Row>& rows) {
  std::size_t columns = 0;
  for (const Row& row : rows) columns = std::max(columns, row.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (is_header(rows[i], columns)) return i;
    if (filled_cells(rows[i]) > 1) break;
  }
  return std::nullopt;
}

std::string join_cells(const Row& row) {
  std::string text;
  for (const std::string& cell : row) {
    if (cell.empty()) continue;
    text += text.empty() ? "" : " | ";
    text += cell;
  }
  return text;
}

std::string named_cells(const Row& names, const Row& row) {
  std::string text;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i].empty()) continue;
    text += text.empty() ? "" : "; ";
    if (i < names.size() && !names[i].empty()) text += names[i] + ": ";
    text += row[i];
  }
  return text;
}

}  // namespace

Result<ExtractedText> parse_csv(std::string_view bytes, std::string_view declared_charset,
                                const FormatLimits& limits) {
  const Result<std::string> text = to_utf8(bytes, declared_charset);
  if (!text) return text.error();
  const char delimiter = find_delimiter(*text);
  const auto header = find_header(sample_rows(*text, delimiter));

  TextBuilder out{limits};
  RowReader reader{*text, delimiter};
  Row names;
  Row row;
  for (std::size_t i = 0; !out.full() && reader.next(row); ++i) {
    if (header && i < *header) {
      out.add(Block::Kind::paragraph, join_cells(row));
    } else if (header && i == *header) {
      for (std::string& name : row) name = one_line(name, kNameCodePointsMax);
      names = row;
      out.add(Block::Kind::table_row, join_cells(row));
    } else {
      out.add(Block::Kind::table_row, header ? named_cells(names, row) : join_cells(row));
    }
  }
  return out.finish({}, 0);
}

}  // namespace millrace
