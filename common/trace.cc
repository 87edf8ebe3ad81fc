#include "common/trace.h"

#include <array>
#include <cstdint>
#include <random>

namespace millrace {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::size_t kTraceDigits = 32;
constexpr std::size_t kSpanDigits = 16;
constexpr std::size_t kHeaderLength = 55;

// Not for secrets: trace ids only have to differ.
std::mt19937_64& engine() {
  thread_local std::mt19937_64 random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device()};
    return std::mt19937_64{seed};
  }();
  return random;
}

bool is_zero(std::string_view digits) {
  return digits.find_first_not_of('0') == std::string_view::npos;
}

// `digits` is a multiple of 16.
std::string random_hex(std::size_t digits) {
  std::string text;
  do {
    text.clear();
    while (text.size() < digits) {
      std::uint64_t word = engine()();
      for (int i = 0; i < 16; ++i, word >>= 4U) text += kHex[word & 15U];
    }
  } while (is_zero(text));  // all zero means "none" in the standard
  return text;
}

bool is_hex(std::string_view text) {
  return text.find_first_not_of(kHex) == std::string_view::npos;
}

}  // namespace

std::string TraceContext::traceparent() const {
  return "00-" + trace_id + "-" + span_id + (sampled ? "-01" : "-00");
}

std::optional<TraceContext> parse_traceparent(std::string_view header) {
  if (header.size() != kHeaderLength || !header.starts_with("00-") || header[35] != '-' ||
      header[52] != '-') {
    return std::nullopt;
  }
  const std::string_view trace = header.substr(3, kTraceDigits);
  const std::string_view span = header.substr(36, kSpanDigits);
  const std::string_view flags = header.substr(53);
  if (!is_hex(trace) || !is_hex(span) || !is_hex(flags) || is_zero(trace) || is_zero(span)) {
    return std::nullopt;
  }
  const bool sampled = kHex.find(flags[1]) % 2 == 1;  // the lowest bit
  return TraceContext{std::string{trace}, std::string{span}, sampled};
}

TraceContext new_trace() { return {random_hex(kTraceDigits), random_hex(kSpanDigits), true}; }

TraceContext child_of(std::string_view traceparent) {
  std::optional<TraceContext> parent = parse_traceparent(traceparent);
  if (!parent) return new_trace();
  parent->span_id = random_hex(kSpanDigits);
  return *std::move(parent);
}

std::string_view trace_id_of(std::string_view traceparent) {
  return parse_traceparent(traceparent) ? traceparent.substr(3, kTraceDigits) : std::string_view{};
}

}  // namespace millrace
