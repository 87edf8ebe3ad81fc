#include "gateway/docs_page.h"

#include <yaml-cpp/yaml.h>

namespace millrace {
namespace {

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}"
    "section{border:1px solid #ddd;border-radius:8px;padding:0 1rem;margin:1rem 0}"
    "h3{font-family:ui-monospace,monospace;font-size:1rem}"
    ".verb{display:inline-block;min-width:4.5rem;font-weight:700}"
    ".get{color:#0b6e4f}.post{color:#1d4ed8}.put{color:#a15c00}.delete{color:#b3261e}"
    "table{border-collapse:collapse;width:100%}td{border-top:1px solid #eee;padding:.3rem .6rem "
    ".3rem 0;vertical-align:top}code,pre{font:14px ui-monospace,monospace}"
    "pre{background:#f6f6f6;padding:.6rem;border-radius:6px;overflow:auto}"
    "@media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#161616}section{border-color:"
    "#333}td{border-color:#2a2a2a}pre{background:#222}.get{color:#5ad1a5}.post{color:#8ab4ff}"
    ".put{color:#ffb95c}.delete{color:#ff8a80}}";

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string text_of(const YAML::Node& node, const char* name) {
  return node[name] ? escape(node[name].as<std::string>()) : std::string{};
}

// `$ref: "#/components/KIND/NAME"`, followed.
YAML::Node resolved(const YAML::Node& root, const YAML::Node& node) {
  if (!node.IsMap() || !node["$ref"]) return node;
  const std::string ref = node["$ref"].as<std::string>();
  const auto slash = ref.rfind('/');
  const auto kind = ref.rfind('/', slash - 1);
  return root["components"][ref.substr(kind + 1, slash - kind - 1)][ref.substr(slash + 1)];
}

void add_parameters(const YAML::Node& root, const YAML::Node& parameters, std::string& out) {
  if (!parameters || parameters.size() == 0) return;
  out += "<table>";
  for (const YAML::Node& entry : parameters) {
    const YAML::Node parameter = resolved(root, entry);
    out += "<tr><td><code>" + text_of(parameter, "name") + "</code></td><td>" +
           text_of(parameter, "in") + "</td><td>" + text_of(parameter, "description") +
           "</td></tr>";
  }
  out += "</table>";
}

void add_contents(const YAML::Node& root, const YAML::Node& content, std::string& out) {
  for (const auto& type : content) {
    out += "<p><code>" + escape(type.first.as<std::string>()) + "</code></p>";
    YAML::Emitter emitter;
    emitter << resolved(root, type.second["schema"]);
    out += "<pre>" + escape(emitter.c_str()) + "</pre>";
  }
}

void add_responses(const YAML::Node& root, const YAML::Node& responses, std::string& out) {
  out += "<table>";
  for (const auto& entry : responses) {
    const YAML::Node response = resolved(root, entry.second);
    out += "<tr><td><code>" + escape(entry.first.as<std::string>()) + "</code></td><td>" +
           text_of(response, "description");
    if (response["content"]) add_contents(root, response["content"], out);
    out += "</td></tr>";
  }
  out += "</table>";
}

void add_operation(const YAML::Node& root, const std::string& path, const std::string& verb,
                   const YAML::Node& operation, std::string& out) {
  std::string upper = verb;
  for (char& c : upper) c = static_cast<char>(c - 'a' + 'A');
  out += "<section><h3><span class=\"verb " + verb + "\">" + upper + "</span>" + escape(path) +
         "</h3><p>" + text_of(operation, "summary") + "</p>";
  if (operation["description"]) out += "<p>" + text_of(operation, "description") + "</p>";
  add_parameters(root, operation["parameters"], out);
  if (operation["requestBody"]) add_contents(root, operation["requestBody"]["content"], out);
  if (operation["responses"]) add_responses(root, operation["responses"], out);
  out += "</section>";
}

std::string render() {
  const YAML::Node root = YAML::Load(std::string{openapi_yaml()});
  const std::string title = text_of(root["info"], "title");
  std::string out = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>" +
                    title + "</title><meta name=\"viewport\" content=\"width=device-width\">" +
                    "<style>" + std::string{kStyle} + "</style></head><body><h1>" + title +
                    "</h1><p>" + text_of(root["info"], "description") +
                    "</p><p>As a file: <a href=\"/openapi.yaml\">openapi.yaml</a></p>";
  for (const auto& path : root["paths"]) {
    for (const auto& operation : path.second) {
      const std::string verb = operation.first.as<std::string>();
      if (verb == "parameters") continue;
      add_operation(root, path.first.as<std::string>(), verb, operation.second, out);
    }
  }
  return out + "</body></html>\n";
}

std::string render_or_say_why() {
  try {
    return render();
  } catch (const YAML::Exception& error) {
    return std::string{"<!doctype html><title>API</title><p>openapi.yaml: "} +
           escape(error.what());
  }
}

}  // namespace

const std::string& docs_page() {
  static const std::string page = render_or_say_why();
  return page;
}

}  // namespace millrace
