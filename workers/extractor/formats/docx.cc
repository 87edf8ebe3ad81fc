#include "workers/extractor/formats/docx.h"

#include <algorithm>
#include <array>
#include <memory>
#include <pugixml.hpp>
#include <string>
#include <utility>
#include <vector>

#include "workers/extractor/formats/docx_package.h"
#include "workers/extractor/formats/docx_styles.h"
#include "workers/extractor/text_builder.h"

namespace millrace {
namespace {

constexpr std::size_t kDirectoryBytes = 256U * 1024;  // looked at, at either end, for part names
constexpr std::size_t kCellBytesMax = 2'000;  // of a table of figures; longer is page layout

// Visits a tree in order, without recursion: depth costs nothing. See html.cc.
template <class Visitor>
void walk(const pugi::xml_node& root, Visitor& visitor) {
  pugi::xml_node node = root;
  bool inside = visitor.enter(node);
  if (!inside) return;
  while (true) {
    if (inside && node.first_child()) {
      node = node.first_child();
    } else {
      if (inside) visitor.leave(node);
      while (node != root && !node.next_sibling()) {
        node = node.parent();
        visitor.leave(node);
      }
      if (node == root) return;
      node = node.next_sibling();
    }
    inside = visitor.enter(node);
  }
}

// What stands in the XML but not in the document as it is shown: deleted and moved text, the second
// version of a drawing for old programs, runs that are hidden.
bool is_left_out(const pugi::xml_node& node, std::string_view name) {
  static constexpr std::array<std::string_view, 6> kLeftOut{"del",       "moveFrom", "Fallback",
                                                            "instrText", "delText",  "pPr"};
  if (std::ranges::find(kLeftOut, name) != kLeftOut.end()) return true;
  return name == "r" && switched_on(child_of(node, "rPr"), "vanish");
}

// Appends what a node of a run stands for; true when it was one.
bool append_run_text(const pugi::xml_node& node, std::string_view name, std::string& out) {
  if (name == "t") {
    out += node.text().get();
  } else if (name == "tab" || name == "ptab") {
    out += ' ';
  } else if (name == "br" || name == "cr") {
    out += '\n';
  } else if (name == "noBreakHyphen") {
    out += '-';
  } else {
    return false;
  }
  return true;
}

// The cells of a table row with short texts; nested tables are taken flat.
class CellReader {
 public:
  bool enter(const pugi::xml_node& node) {
    const std::string_view name = local_name(node.name());
    if (!simple_ || is_left_out(node, name)) return false;
    if (append_run_text(node, name, cell_)) {
      simple_ = cell_.size() <= kCellBytesMax;
      return false;
    }
    if (name == "tc") ++depth_;
    return true;
  }
  void leave(const pugi::xml_node& node) {
    const std::string_view name = local_name(node.name());
    if (name == "p") cell_ += ' ';
    if (name != "tc" || --depth_ > 0) return;
    const std::string shown = one_line(cell_, INT64_MAX);
    cell_.clear();
    if (shown.empty()) return;
    row_ += row_.empty() ? "" : " | ";
    row_ += shown;
  }
  bool simple() const { return simple_; }
  const std::string& row() const { return row_; }

 private:
  std::string cell_;
  std::string row_;
  int depth_ = 0;  // of cells
  bool simple_ = true;
};

class BodyReader {
 public:
  BodyReader(TextBuilder& out, const DocxStyles& styles) : out_{out}, styles_{styles} {}

  bool enter(const pugi::xml_node& node) {
    const std::string_view name = local_name(node.name());
    if (out_.full() || is_left_out(node, name)) return false;
    if (!paragraphs_.empty() && append_run_text(node, name, paragraphs_.back().text)) return false;
    if (name == "p") paragraphs_.push_back(begin_paragraph(node));
    return name != "tr" || !add_row(node);
  }

  void leave(const pugi::xml_node& node) {
    if (local_name(node.name()) != "p" || paragraphs_.empty()) return;
    const Paragraph done = std::move(paragraphs_.back());
    paragraphs_.pop_back();
    if (done.style.heading_level >= 0) {
      if (title_.empty() && done.style.heading_level <= 1) title_ = done.text;
      out_.heading(done.style.heading_level, done.text);
    } else {
      out_.add(done.style.list ? Block::Kind::list_item : Block::Kind::paragraph, done.text);
    }
  }

  // The first title or heading of the first level.
  const std::string& title() const { return title_; }

 private:
  // A text box inside a paragraph holds paragraphs of its own.
  struct Paragraph {
    DocxStyle style;
    std::string text;
  };

  Paragraph begin_paragraph(const pugi::xml_node& node) const {
    const pugi::xml_node properties = child_of(node, "pPr");
    Paragraph paragraph{styles_.of(attribute_of(child_of(properties, "pStyle"), "val")), {}};
    if (child_of(properties, "numPr")) paragraph.style.list = true;
    return paragraph;
  }

  bool add_row(const pugi::xml_node& row) {
    CellReader cells;
    walk(row, cells);
    if (cells.simple()) out_.add(Block::Kind::table_row, cells.row());
    return cells.simple();
  }

  TextBuilder& out_;
  const DocxStyles& styles_;
  std::vector<Paragraph> paragraphs_;
  std::string title_;
};

// The target of the package's relationship whose type ends so, or nothing.
Result<std::string> main_part(DocxPackage& package) {
  const std::string kRelations = "_rels/.rels";
  Result<std::string> part = package.read(kRelations);
  if (!part) return part;
  pugi::xml_document relations;
  if (!part->empty()) {
    if (Status status = parse_xml(*part, kRelations, relations); !status) return status.error();
  }
  for (const pugi::xml_node& relation : relations.document_element().children()) {
    if (!attribute_of(relation, "Type").ends_with("/officeDocument")) continue;
    std::string target{attribute_of(relation, "Target")};
    target.erase(0, std::min(target.find_first_not_of('/'), target.size()));
    return target;
  }
  return std::string{"word/document.xml"};
}

struct Part {
  std::string bytes;  // what `xml` is parsed in
  pugi::xml_document xml;
};

Result<std::unique_ptr<Part>> read_part(DocxPackage& package, const std::string& name) {
  auto part = std::make_unique<Part>();
  Result<std::string> bytes = package.read(name);
  if (!bytes) return bytes.error();
  part->bytes = *std::move(bytes);
  if (part->bytes.empty()) return part;
  if (Status status = parse_xml(part->bytes, name, part->xml); !status) return status.error();
  return part;
}

Result<std::string> declared_title(DocxPackage& package) {
  const auto core = read_part(package, "docProps/core.xml");
  if (!core) return core.error();
  return std::string{child_of((*core)->xml.document_element(), "title").text().get()};
}

}  // namespace

int matches_docx(std::string_view bytes) {
  if (!bytes.starts_with("PK\x03\x04")) return 0;
  const auto names = [&](std::string_view part) {
    return bytes.substr(0, kDirectoryBytes).find(part) != std::string_view::npos ||
           bytes.substr(bytes.size() - std::min(bytes.size(), kDirectoryBytes)).find(part) !=
               std::string_view::npos;
  };
  return names("word/") ? 2 : 0;
}

Result<ExtractedText> parse_docx(std::string_view bytes, std::string_view /*declared_charset*/,
                                 const FormatLimits& limits) {
  Result<DocxPackage> package = DocxPackage::open(bytes, limits.unpacked_bytes_max);
  if (!package) return package.error();
  const Result<std::string> main = main_part(*package);
  if (!main) return main.error();
  const std::string folder = main->substr(0, main->rfind('/') + 1);

  const auto styles_part = read_part(*package, folder + "styles.xml");
  if (!styles_part) return styles_part.error();
  const DocxStyles styles{(*styles_part)->xml};

  TextBuilder out{limits};
  BodyReader reader{out, styles};
  for (const std::string& name : {*main, folder + "footnotes.xml", folder + "endnotes.xml"}) {
    const auto part = read_part(*package, name);
    if (!part) return part.error();
    const pugi::xml_node root = (*part)->xml.document_element();
    if (!root && name == *main) {
      return rejected("the document's part " + name + " is missing");
    }
    if (root) walk(root, reader);
  }
  const Result<std::string> title = declared_title(*package);
  if (!title) return title.error();
  return out.finish(title->empty() ? reader.title() : *title, 0);
}

}  // namespace millrace
