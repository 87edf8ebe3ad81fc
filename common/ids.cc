#include "common/ids.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string_view>

namespace millrace {
namespace {

constexpr std::string_view kCrockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
constexpr std::size_t kUlidLength = 26;
constexpr std::int64_t kUlidTimeMax = (std::int64_t{1} << 48) - 1;
// OpenSSL counts in int; whole base64 groups per call.
constexpr std::size_t kBytesPerCall = 3U << 20U;

// The 80 random bits of a ULID, big-endian.
using Entropy = std::array<unsigned char, 10>;

Entropy fresh_entropy() {
  Entropy bits{};
  // A machine without randomness cannot make ids that nobody guesses: stop rather than go on.
  if (RAND_bytes(bits.data(), static_cast<int>(bits.size())) != 1) std::abort();
  bits[0] &= 0x7FU;  // room to count up
  return bits;
}

// False when it wrapped.
bool increment(Entropy& bits) {
  for (auto byte = bits.rbegin(); byte != bits.rend(); ++byte) {
    *byte = static_cast<unsigned char>(*byte + 1U);
    if (*byte != 0) return true;
  }
  return false;
}

struct UlidState {
  std::mutex mutex;
  std::int64_t time_ms = -1;
  Entropy bits{};
};

std::string encode_ulid(std::int64_t time_ms, const Entropy& bits) {
  std::string text(kUlidLength, '0');
  for (std::size_t i = 10; i-- > 0;) {
    text[i] = kCrockford[static_cast<std::size_t>(time_ms & 31)];
    time_ms >>= 5;
  }
  unsigned buffer = 0;
  int buffered = 0;
  std::size_t at = 10;
  for (const unsigned char byte : bits) {
    buffer = (buffer << 8U) | byte;
    buffered += 8;
    while (buffered >= 5) {
      buffered -= 5;
      text[at++] = kCrockford[(buffer >> static_cast<unsigned>(buffered)) & 31U];
    }
  }
  return text;
}

bool is_base64_digit(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string new_ulid(const Clock& clock) {
  static UlidState state;  // one per process: that is what monotonic means
  const std::int64_t now_ms =
      std::clamp<std::int64_t>(clock.wall_now().time_since_epoch().count(), 0, kUlidTimeMax);
  const std::lock_guard lock{state.mutex};
  if (now_ms > state.time_ms) {
    state.time_ms = now_ms;
    state.bits = fresh_entropy();
  } else if (!increment(state.bits)) {
    ++state.time_ms;
  }
  return encode_ulid(state.time_ms, state.bits);
}

bool is_ulid(std::string_view text) {
  return text.size() == kUlidLength && text.front() <= '7' &&
         text.find_first_not_of(kCrockford) == std::string_view::npos;
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned length = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), &length, EVP_sha256(), nullptr) != 1) {
    std::abort();  // an OpenSSL without SHA-256: no id of ours would mean anything
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  hex.reserve(std::size_t{length} * 2);
  for (unsigned i = 0; i < length; ++i) {
    hex += kHex[digest[i] >> 4U];
    hex += kHex[digest[i] & 15U];
  }
  return hex;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base64_encode(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  std::size_t at = 0;
  while (!bytes.empty()) {
    const std::size_t length = std::min(bytes.size(), kBytesPerCall);
    at += static_cast<std::size_t>(EVP_EncodeBlock(reinterpret_cast<unsigned char*>(&text[at]),
                                                   bytes_of(bytes), static_cast<int>(length)));
    bytes.remove_prefix(length);
  }
  text.resize(at);
  return text;
}

bool base64_decode(std::string_view text, std::string& out) {
  out.clear();
  if (text.size() % 4 != 0) return false;
  std::size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') ++padding;
  // EVP_DecodeBlock is lenient about white space and stray padding; we are not.
  if (!std::all_of(text.begin(), text.end() - static_cast<std::ptrdiff_t>(padding),
                   is_base64_digit)) {
    return false;
  }
  std::string bytes(text.size() / 4 * 3, '\0');
  std::size_t at = 0;
  while (!text.empty()) {
    const std::size_t length = std::min(text.size(), kBytesPerCall / 3 * 4);
    const int decoded = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(&bytes[at]),
                                        bytes_of(text), static_cast<int>(length));
    if (decoded < 0) return false;
    at += static_cast<std::size_t>(decoded);
    text.remove_prefix(length);
  }
  bytes.resize(at - padding);
  out = std::move(bytes);
  return true;
}

std::string format_time(Clock::Wall time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ",
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), static_cast<int>(clock.hours().count()),
                static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()),
                static_cast<int>(clock.subseconds().count()));
  return text.data();
}

}  // namespace millrace
