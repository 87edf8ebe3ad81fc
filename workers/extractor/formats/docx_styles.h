#pragma once

#include <map>
#include <string>
#include <string_view>

#include "common/error.h"

namespace pugi {
class xml_document;
class xml_node;
}  // namespace pugi

namespace millrace {

// OOXML has two sets of namespaces (transitional and strict) with any prefixes: elements and
// attributes are told by their local names.
std::string_view local_name(const char* qualified);
pugi::xml_node child_of(const pugi::xml_node& parent, std::string_view local);
std::string_view attribute_of(const pugi::xml_node& node, std::string_view local);
// A property such as <w:vanish/>: present and not switched off.
bool switched_on(const pugi::xml_node& properties, std::string_view local);

// Parses a part in place. `rejected` when it is malformed, or has a DTD, which OOXML forbids.
Status parse_xml(std::string& part, std::string_view name, pugi::xml_document& out);

// What a paragraph style says of its paragraphs.
struct DocxStyle {
  int heading_level = -1;  // 0: the title; 1 to 9; -1: no heading
  bool list = false;
};

class DocxStyles {
 public:
  DocxStyles() = default;
  explicit DocxStyles(const pugi::xml_document& styles);
  DocxStyle of(std::string_view style_id) const;

 private:
  std::map<std::string, DocxStyle, std::less<>> styles_;
};

}  // namespace millrace
