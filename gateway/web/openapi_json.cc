// At build time: openapi_json IN.yaml OUT.json, since browsers read no YAML.
#include <yaml-cpp/yaml.h>

#include <charconv>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include "common/json.h"

namespace millrace {
namespace {

// A plain scalar may be a number, a truth or nothing; a quoted one is text ("200").
void write_scalar(json::Writer& out, const YAML::Node& node) {
  const std::string& text = node.Scalar();
  const char* const end = text.data() + text.size();
  std::int64_t integer = 0;
  double real = 0;
  if (node.Tag() == "!") {
    out.value(text);
  } else if (text == "true" || text == "false") {
    out.value(text == "true");
  } else if (text == "null" || text == "~" || text.empty()) {
    out.null();
  } else if (std::from_chars(text.data(), end, integer).ptr == end) {
    out.value(integer);
  } else if (std::from_chars(text.data(), end, real).ptr == end) {
    out.value(real);
  } else {
    out.value(text);
  }
}

void write(json::Writer& out, const YAML::Node& node) {
  if (node.IsMap()) {
    out.begin_object();
    for (const auto& member : node) {
      out.key(member.first.as<std::string>());
      write(out, member.second);
    }
    out.end_object();
  } else if (node.IsSequence()) {
    out.begin_array();
    for (const YAML::Node& element : node) write(out, element);
    out.end_array();
  } else if (node.IsScalar()) {
    write_scalar(out, node);
  } else {
    out.null();
  }
}

int convert(const char* from, const char* to) {
  json::Writer out;
  write(out, YAML::LoadFile(from));
  std::ofstream file{to, std::ios::binary};
  file << out.take() << '\n';
  file.close();
  return file ? 0 : 1;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: openapi_json IN.yaml OUT.json\n", stderr);
    return 2;
  }
  try {
    return millrace::convert(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
    return 1;
  }
}
