#include "workers/extractor/formats/docx_styles.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <new>
#include <pugixml.hpp>

namespace millrace {
namespace {

constexpr int kBasedOnMax = 16;  // styles derive from each other; a loop must end

std::string lower_case(std::string_view text) {
  std::string lower{text};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return lower;
}

int level_by_name(std::string_view name) {
  const std::string lower = lower_case(name);
  if (lower == "title") return 0;
  constexpr std::string_view kHeading = "heading ";
  if (!lower.starts_with(kHeading) || lower.size() != kHeading.size() + 1) return -1;
  const char digit = lower.back();
  return digit >= '1' && digit <= '9' ? digit - '0' : -1;
}

DocxStyle own_style(const pugi::xml_node& style) {
  DocxStyle found;
  found.heading_level = level_by_name(attribute_of(child_of(style, "name"), "val"));
  const pugi::xml_node properties = child_of(style, "pPr");
  found.list = static_cast<bool>(child_of(properties, "numPr"));
  const std::string_view outline = attribute_of(child_of(properties, "outlineLvl"), "val");
  if (found.heading_level < 0 && outline.size() == 1 && outline[0] >= '0' && outline[0] < '9') {
    found.heading_level = outline[0] - '0' + 1;
  }
  return found;
}

}  // namespace

std::string_view local_name(const char* qualified) {
  const std::string_view name{qualified};
  const std::size_t colon = name.find(':');
  return colon == std::string_view::npos ? name : name.substr(colon + 1);
}

pugi::xml_node child_of(const pugi::xml_node& parent, std::string_view local) {
  return parent.find_child(
      [&](const pugi::xml_node& child) { return local_name(child.name()) == local; });
}

std::string_view attribute_of(const pugi::xml_node& node, std::string_view local) {
  return node
      .find_attribute([&](const pugi::xml_attribute& a) { return local_name(a.name()) == local; })
      .value();
}

bool switched_on(const pugi::xml_node& properties, std::string_view local) {
  const pugi::xml_node property = child_of(properties, local);
  if (!property) return false;
  const std::string_view value = attribute_of(property, "val");
  return value != "0" && value != "false" && value != "off";
}

Status parse_xml(std::string& part, std::string_view name, pugi::xml_document& out) {
  // Entities are never expanded by pugixml; asking for the DTD shows whether there is one.
  const pugi::xml_parse_result parsed = out.load_buffer_inplace(
      part.data(), part.size(), pugi::parse_default | pugi::parse_doctype | pugi::parse_ws_pcdata);
  if (parsed.status == pugi::status_out_of_memory) throw std::bad_alloc{};
  if (!parsed) {
    return rejected("the document's part " + std::string{name} + " is broken: " +
                    parsed.description() + " at byte " + std::to_string(parsed.offset));
  }
  for (const pugi::xml_node& child : out.children()) {
    if (child.type() == pugi::node_doctype) {
      return rejected("the document's part " + std::string{name} +
                      " has a DTD, which the format forbids");
    }
  }
  return {};
}

DocxStyles::DocxStyles(const pugi::xml_document& styles) {
  std::map<std::string, std::string, std::less<>> based_on;
  for (const pugi::xml_node& style : styles.document_element().children()) {
    if (local_name(style.name()) != "style") continue;
    std::string id{attribute_of(style, "styleId")};
    based_on[id] = attribute_of(child_of(style, "basedOn"), "val");
    styles_[std::move(id)] = own_style(style);
  }
  for (auto& [id, style] : styles_) {
    auto parent = based_on.find(id);
    for (int i = 0; i < kBasedOnMax && style.heading_level < 0; ++i) {
      parent = based_on.find(parent->second);
      if (parent == based_on.end()) break;
      const DocxStyle& inherited = styles_[parent->first];
      style.heading_level = inherited.heading_level;
      style.list = style.list || inherited.list;
    }
  }
}

DocxStyle DocxStyles::of(std::string_view style_id) const {
  const auto found = styles_.find(style_id);
  return found == styles_.end() ? DocxStyle{} : found->second;
}

}  // namespace millrace
