#include <unicode/ucnv.h>
#include <unicode/ucsdet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include "workers/text/unicode.h"
#include "workers/text/utf8.h"

namespace millrace {
namespace {

// What ICU's detection looks at: it reads no more, and says so in its source.
constexpr std::size_t kSampleBytes = 8192;
// Bytes looked at when deciding whether something is binary or UTF-16 without a BOM.
constexpr std::size_t kProbeBytes = std::size_t{256} << 10U;
// Random bytes have 11% control characters, text none to speak of. Few are no evidence.
constexpr std::size_t kControlsTolerated = 8;
constexpr std::size_t kControlsShare = 20;  // one in so many
// A mark or a declared charset is believed while at most one character in so many cannot be read in
// it. Random UTF-16 has one in 32.
constexpr std::size_t kErrorsShare = 100;
constexpr std::int32_t kDetectionConfidenceMin = 10;

bool is_control(unsigned char byte) {
  constexpr std::string_view kText = "\t\n\r\f\b\x1b";  // ESC: ISO-2022; backspace: old man pages
  return (byte < 0x20 && kText.find(static_cast<char>(byte)) == std::string_view::npos) ||
         byte == 0x7F;
}

struct Utf8Census {
  std::size_t good = 0;  // sequences of more than one byte
  std::size_t bad = 0;
};

// Counts sequences, skipping eight ASCII bytes at a time.
Utf8Census census(std::string_view bytes) {
  Utf8Census out;
  const char* data = bytes.data();
  for (std::size_t at = 0; at < bytes.size();) {
    std::uint64_t word = 0;
    if (bytes.size() - at >= sizeof word) std::memcpy(&word, data + at, sizeof word);
    if (bytes.size() - at >= sizeof word && (word & 0x8080808080808080U) == 0) {
      at += sizeof word;
    } else if (data[at] >= 0) {
      ++at;
    } else {
      ++(next_code_point(bytes, at) == kInvalidCodePoint ? out.bad : out.good);
    }
  }
  return out;
}

// Control characters become spaces, CR LF and CR become LF, in place: nothing gets longer.
std::string clean(std::string text) {
  std::size_t to = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const auto byte = static_cast<unsigned char>(text[at]);
    if (byte == '\r') {
      if (at + 1 < text.size() && text[at + 1] == '\n') ++at;
      text[to++] = '\n';
    } else if ((byte < 0x20 && byte != '\t' && byte != '\n') || byte == 0x7F) {
      text[to++] = ' ';
    } else if (byte == 0xC2 && at + 1 < text.size() &&
               static_cast<unsigned char>(text[at + 1]) < 0xA0) {  // U+0080 to U+009F
      ++at;
      text[to++] = ' ';
    } else {
      text[to++] = text[at];
    }
  }
  text.resize(to);
  return text;
}

bool looks_binary(std::string_view bytes) {
  const std::string_view probe = bytes.substr(0, kProbeBytes);
  const auto controls =
      static_cast<std::size_t>(std::count_if(probe.begin(), probe.end(), [](char c) {
        return is_control(static_cast<unsigned char>(c));
      }));
  return controls > kControlsTolerated && controls * kControlsShare > probe.size();
}

struct Converted {
  std::string text;
  std::size_t errors = 0;  // U+FFFD put in, or there before
};

// Empty when ICU does not know the charset or fails for another reason than the bytes.
std::optional<Converted> convert(std::string_view bytes, const char* charset) {
  UErrorCode code = U_ZERO_ERROR;
  using Converter = std::unique_ptr<UConverter, decltype(&ucnv_close)>;
  const Converter from{ucnv_open(charset, &code), &ucnv_close};
  const Converter to{ucnv_open("UTF-8", &code), &ucnv_close};
  if (U_FAILURE(code)) return std::nullopt;

  Converted out;
  std::array<UChar, 4096> pivot;
  UChar* pivot_source = pivot.data();
  UChar* pivot_target = pivot.data();
  std::array<char, 16384> buffer;
  const char* source = bytes.data();
  bool reset = true;
  do {
    code = U_ZERO_ERROR;
    char* target = buffer.data();
    ucnv_convertEx(to.get(), from.get(), &target, buffer.data() + buffer.size(), &source,
                   bytes.data() + bytes.size(), pivot.data(), &pivot_source, &pivot_target,
                   pivot.data() + pivot.size(), static_cast<UBool>(reset), true, &code);
    reset = false;
    out.text.append(buffer.data(), target);
  } while (code == U_BUFFER_OVERFLOW_ERROR);
  if (U_FAILURE(code)) return std::nullopt;
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  for (std::size_t at = out.text.find(kReplacement); at != std::string::npos;
       at = out.text.find(kReplacement, at + kReplacement.size())) {
    ++out.errors;
  }
  return out;
}

bool hardly_an_error(const Converted& converted) {
  const auto points = static_cast<std::size_t>(code_points(converted.text));
  return converted.errors * kErrorsShare <= points;
}

struct Bom {
  std::string_view bytes;
  const char* charset;
};

// UTF-32 first: its little-endian mark begins with that of UTF-16.
constexpr std::array<Bom, 5> kBoms{{{{"\xFF\xFE\0\0", 4}, "UTF-32LE"},
                                    {{"\0\0\xFE\xFF", 4}, "UTF-32BE"},
                                    {"\xEF\xBB\xBF", "UTF-8"},
                                    {"\xFF\xFE", "UTF-16LE"},
                                    {"\xFE\xFF", "UTF-16BE"}}};

// UTF-16 or UTF-32 without a mark, told by where the zero bytes of Latin text, spaces and line ends
// stand. Null when it is neither.
const char* wide_charset(std::string_view bytes) {
  const std::string_view probe = bytes.substr(0, kProbeBytes & ~std::size_t{3});
  if (probe.size() < 4 || bytes.size() % 2 != 0) return nullptr;
  std::array<std::size_t, 4> zeros{};
  for (std::size_t at = 0; at < probe.size(); ++at) zeros[at % 4] += probe[at] == 0 ? 1U : 0U;
  const std::size_t quads = probe.size() / 4;
  const auto all = [&](std::size_t column) { return zeros[column] >= quads; };
  if (bytes.size() % 4 == 0 && all(3) && all(2) && zeros[0] == 0) return "UTF-32LE";
  if (bytes.size() % 4 == 0 && all(0) && all(1) && zeros[3] == 0) return "UTF-32BE";
  const std::size_t even = zeros[0] + zeros[2];
  const std::size_t odd = zeros[1] + zeros[3];
  if (odd >= quads && even * 16 < odd) return "UTF-16LE";  // half of the characters are Latin
  if (even >= quads && odd * 16 < even) return "UTF-16BE";
  return nullptr;
}

// Lines that say something about the charset: those with a byte outside ASCII or an escape.
std::string detection_sample(std::string_view bytes) {
  std::string out;
  for (std::size_t at = 0; at < bytes.size() && out.size() < kSampleBytes;) {
    const auto telling = std::find_if(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end(),
                                      [](char c) { return c < 0 || c == '\x1b'; });
    if (telling == bytes.end()) break;
    const auto hit = static_cast<std::size_t>(telling - bytes.begin());
    const std::size_t line = hit == 0 ? std::string_view::npos : bytes.rfind('\n', hit - 1);
    const std::size_t start = std::max(at, line == std::string_view::npos ? 0 : line + 1);
    const std::size_t from = hit - start > kSampleBytes / 8 ? hit : start;
    const std::size_t end = std::min(bytes.find('\n', hit), bytes.size() - 1) + 1;
    const std::size_t room = kSampleBytes - out.size();
    out.append(bytes.substr(from, std::min(end - from, room)));
    at = end;
  }
  return out;
}

std::string detect(std::string_view bytes) {
  UErrorCode code = U_ZERO_ERROR;
  const std::unique_ptr<UCharsetDetector, decltype(&ucsdet_close)> detector{ucsdet_open(&code),
                                                                            &ucsdet_close};
  const std::string sample = detection_sample(bytes);
  if (U_FAILURE(code)) return {};
  ucsdet_setText(detector.get(), sample.data(), static_cast<std::int32_t>(sample.size()), &code);
  const UCharsetMatch* match = ucsdet_detect(detector.get(), &code);
  if (U_FAILURE(code) || match == nullptr) return {};
  if (ucsdet_getConfidence(match, &code) < kDetectionConfidenceMin) return {};
  const char* name = ucsdet_getName(match, &code);
  if (U_FAILURE(code)) return {};
  // What calls itself Latin-1 is Windows-1252 in practice (WHATWG Encoding says the same).
  return std::string_view{name} == "ISO-8859-1" ? "windows-1252" : name;
}

// Bytes that are neither marked nor valid UTF-8: as declared, else as detected, else Windows-1252,
// in which every byte means something.
Result<std::string> from_legacy(std::string_view bytes, std::string_view declared,
                                const Utf8Census& counted) {
  if (!declared.empty() && declared.find('\0') == std::string_view::npos) {
    auto converted = convert(bytes, std::string{declared}.c_str());
    if (converted && hardly_an_error(*converted)) {
      return std::move(converted->text);
    }
  }
  // UTF-8 that was cut or damaged somewhere: hardly any other charset looks like this.
  if (counted.good > 10 * counted.bad) {
    if (auto converted = convert(bytes, "UTF-8")) return std::move(converted->text);
  }
  const std::string detected = detect(bytes);
  for (const char* charset : {detected.c_str(), "windows-1252"}) {
    if (*charset == '\0') continue;
    if (auto converted = convert(bytes, charset)) return std::move(converted->text);
  }
  return fatal("text cannot be converted: ICU's charset tables are missing");
}

bool has_iso_2022_escape(std::string_view bytes) {
  return bytes.find("\x1b$") != std::string_view::npos ||
         bytes.find("\x1b(") != std::string_view::npos;
}

bool names_wide_charset(std::string_view declared) {
  for (const std::string_view prefix :
       {"utf-16", "utf-32", "utf16", "utf32", "ucs-2", "iso-10646"}) {
    if (declared.size() >= prefix.size() &&
        std::equal(prefix.begin(), prefix.end(), declared.begin(),
                   [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); })) {
      return true;
    }
  }
  return false;
}

// The text when `charset` reads all of it with hardly an error and it does not look binary.
std::optional<std::string> convert_surely(std::string_view bytes, const char* charset) {
  auto converted = convert(bytes, charset);
  if (!converted || !hardly_an_error(*converted) || looks_binary(converted->text)) {
    return std::nullopt;
  }
  return std::move(converted->text);
}

// The text of bytes that begin with a mark; none without one, or when the mark was chance.
std::optional<std::string> marked_text(std::string_view bytes) {
  for (const Bom& bom : kBoms) {
    if (!bytes.starts_with(bom.bytes)) continue;
    return convert_surely(bytes.substr(bom.bytes.size()), bom.charset);
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> to_utf8(std::string_view bytes, std::string_view declared) {
  if (auto text = marked_text(bytes)) return clean(std::move(*text));
  const Utf8Census counted = census(bytes);
  const bool has_nul = bytes.find('\0') != std::string_view::npos;
  if (has_nul) {
    const char* charset = wide_charset(bytes);
    if (charset != nullptr) {
      if (auto text = convert_surely(bytes, charset)) return clean(std::move(*text));
    }
  }
  if ((has_nul || counted.bad > 0) && names_wide_charset(declared)) {
    if (auto text = convert_surely(bytes, std::string{declared}.c_str())) {
      return clean(std::move(*text));
    }
  }
  if (looks_binary(bytes)) {
    return rejected("the bytes look binary, not like text in any encoding");
  }
  if (counted.bad == 0 && !has_iso_2022_escape(bytes)) return clean(std::string{bytes});
  auto text = from_legacy(bytes, declared, counted);
  if (!text) return text;
  return clean(std::move(*text));
}

}  // namespace millrace
