#include "samples.h"

#include <gtest/gtest.h>
#include <zip.h>

#include <algorithm>

#include "workers/text/unicode.h"

namespace millrace {

std::string text_at(int x, int y, std::string_view text, int size) {
  return "BT /F1 " + std::to_string(size) + " Tf " + std::to_string(x) + " " + std::to_string(y) +
         " Td (" + std::string{text} + ") Tj ET\n";
}

std::string make_pdf(const PdfSample& sample) {
  std::vector<std::string> objects;
  std::string kids;
  for (std::size_t i = 0; i < sample.pages.size(); ++i) {
    kids += std::to_string(5 + 2 * i) + " 0 R ";
  }
  objects.push_back("<< /Type /Catalog /Pages 2 0 R >>");
  objects.push_back("<< /Type /Pages /Kids [" + kids + "] /Count " +
                    std::to_string(sample.pages.size()) + " >>");
  objects.push_back(
      "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>");
  objects.push_back("<< /Title (" + sample.title + ") >>");
  for (const std::string& page : sample.pages) {
    objects.push_back("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents " +
                      std::to_string(objects.size() + 2) +
                      " 0 R /Resources << /Font << /F1 3 0 R >> >> >>");
    objects.push_back("<< /Length " + std::to_string(page.size()) + " >>\nstream\n" + page +
                      "\nendstream");
  }
  if (sample.encrypted) {
    objects.push_back("<< /Filter /Standard /V 1 /R 2 /P -4 /O <" + std::string(64, 'A') +
                      "> /U <" + std::string(64, 'B') + "> >>");
  }
  std::string pdf = "%PDF-1.4\n";
  std::string xref = "0000000000 65535 f \n";
  for (std::size_t i = 0; i < objects.size(); ++i) {
    std::string at = std::to_string(pdf.size());
    xref += std::string(10 - at.size(), '0') + at + " 00000 n \n";
    pdf += std::to_string(i + 1) + " 0 obj\n" + objects[i] + "\nendobj\n";
  }
  const std::string count = std::to_string(objects.size() + 1);
  const std::string start = std::to_string(pdf.size());
  pdf +=
      "xref\n0 " + count + "\n" + xref + "trailer\n<< /Size " + count + " /Root 1 0 R /Info 4 0 R";
  if (sample.encrypted) {
    pdf += " /Encrypt " + std::to_string(objects.size()) + " 0 R /ID [<00> <00>]";
  }
  return pdf + " >>\nstartxref\n" + start + "\n%%EOF\n";
}

std::string make_zip(const std::vector<std::pair<std::string, std::string>>& parts) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* target = zip_source_buffer_create(nullptr, 0, 0, &error);
  zip_t* archive = zip_open_from_source(target, ZIP_TRUNCATE, &error);
  EXPECT_NE(archive, nullptr);
  zip_source_keep(target);
  for (const auto& [name, content] : parts) {
    zip_source_t* part = zip_source_buffer(archive, content.data(), content.size(), 0);
    EXPECT_GE(zip_file_add(archive, name.c_str(), part, ZIP_FL_ENC_UTF_8), 0);
  }
  EXPECT_EQ(zip_close(archive), 0);
  zip_stat_t about;
  zip_source_stat(target, &about);
  std::string bytes(about.size, '\0');
  zip_source_open(target);
  EXPECT_EQ(zip_source_read(target, bytes.data(), bytes.size()),
            static_cast<zip_int64_t>(bytes.size()));
  zip_source_close(target);
  zip_source_free(target);
  return bytes;
}

std::string make_docx(std::string_view body, std::string_view styles) {
  const std::string space =
      "xmlns:w=\"http://schemas.openxmlformats.org/wordprocessingml/2006/main\"";
  return make_zip(
      {{"[Content_Types].xml", "<Types/>"},
       {"_rels/.rels",
        "<Relationships><Relationship Id=\"rId1\" Type=\"http://schemas.openxmlformats.org/"
        "officeDocument/2006/relationships/officeDocument\" Target=\"word/document.xml\"/>"
        "</Relationships>"},
       {"word/document.xml", "<?xml version=\"1.0\"?><w:document " + space + "><w:body>" +
                                 std::string{body} + "</w:body></w:document>"},
       {"word/styles.xml", "<w:styles " + space + ">" + std::string{styles} + "</w:styles>"}});
}

std::string utf16(std::u16string_view text, bool big_endian) {
  std::string out = big_endian ? "\xFE\xFF" : "\xFF\xFE";
  for (const char16_t unit : text) {
    const char high = static_cast<char>(unit >> 8U);
    const char low = static_cast<char>(unit & 0xFFU);
    out += big_endian ? high : low;
    out += big_endian ? low : high;
  }
  return out;
}

std::vector<std::string> block_texts(const ExtractedText& text) {
  std::vector<std::string> texts;
  const CodePointIndex index{text.text};
  std::int64_t end = 0;
  for (const Block& block : text.blocks) {
    EXPECT_LT(block.start, block.end);
    EXPECT_GE(block.start, end);
    const std::string_view between = index.slice(end, block.start);
    EXPECT_EQ(between.find_first_not_of('\n'), std::string_view::npos);
    EXPECT_EQ(between.empty(), end == 0);
    const std::string_view slice = index.slice(block.start, block.end);
    EXPECT_NE(slice.front(), '\n');
    EXPECT_NE(slice.back(), '\n');
    texts.emplace_back(slice);
    end = block.end;
  }
  EXPECT_EQ(end, index.size());
  return texts;
}

Result<ExtractedText> parse_as(std::string_view format, std::string_view bytes,
                               std::string_view charset, const FormatLimits& limits) {
  for (const Format& row : format_table()) {
    if (row.name == format) return row.parse(bytes, charset, limits);
  }
  return fatal("no format " + std::string{format});
}

}  // namespace millrace
