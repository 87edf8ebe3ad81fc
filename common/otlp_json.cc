#include "common/otlp_json.h"

#include <cmath>
#include <cstdint>
#include <string_view>
#include <variant>

#include "common/json.h"

namespace millrace {
namespace {

constexpr std::size_t kTextBytesMax = 512;  // of one attribute; some come from model servers
constexpr int kStatusError = 2;
constexpr std::uint32_t kSampled = 1;  // W3C trace flags

std::string_view bounded(std::string_view text) {
  if (text.size() <= kTextBytesMax) return text;
  std::size_t end = kTextBytesMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end);
}

// An AnyValue.
struct ValueWriter {
  json::Writer& out;
  void operator()(const std::string& text) const { out.field("stringValue", bounded(text)); }
  void operator()(std::int64_t number) const { out.field("intValue", std::to_string(number)); }
  void operator()(bool flag) const { out.field("boolValue", flag); }
  void operator()(double number) const {  // protobuf's JSON spells what JSON has no number for
    if (std::isfinite(number)) {
      out.field("doubleValue", number);
    } else {
      out.field("doubleValue", std::isnan(number) ? "NaN" : number > 0 ? "Infinity" : "-Infinity");
    }
  }
};

void write_attribute(json::Writer& out, std::string_view key, const Span::Value& value) {
  out.begin_object().field("key", key).key("value").begin_object();
  std::visit(ValueWriter{out}, value);
  out.end_object().end_object();
}

void write_span(json::Writer& out, const Span& span) {
  out.begin_object();
  out.field("traceId", span.context.trace_id).field("spanId", span.context.span_id);
  if (!span.parent_span_id.empty()) out.field("parentSpanId", span.parent_span_id);
  out.field("flags", kSampled);
  out.field("name", bounded(span.name)).field("kind", static_cast<std::int32_t>(span.kind));
  out.field("startTimeUnixNano", std::to_string(span.start_ns));
  out.field("endTimeUnixNano", std::to_string(span.end_ns));
  out.key("attributes").begin_array();
  for (const auto& [key, value] : span.attributes) write_attribute(out, key, value);
  out.end_array();
  out.key("status").begin_object();
  if (span.failed) out.field("code", kStatusError);
  out.end_object().end_object();
}

}  // namespace

std::string otlp_json(std::span<const Span> spans,
                      const std::map<std::string, std::string>& resource) {
  json::Writer out;
  out.begin_object().key("resourceSpans").begin_array().begin_object();
  out.key("resource").begin_object().key("attributes").begin_array();
  for (const auto& [key, value] : resource) write_attribute(out, key, value);
  out.end_array().end_object();
  out.key("scopeSpans").begin_array().begin_object();
  out.key("scope").begin_object();
  out.field("name", "millrace").field("version", MILLRACE_VERSION).end_object();
  out.key("spans").begin_array();
  for (const Span& span : spans) write_span(out, span);
  out.end_array().end_object().end_array();
  out.end_object().end_array().end_object();
  return out.take();
}

}  // namespace millrace
