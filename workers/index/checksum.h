#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace millrace {

inline constexpr std::uint64_t kChecksumStart = 0xcbf2'9ce4'8422'2325U;

// FNV-1a over 64-bit words, the last one filled up with zeros. Every step is a bijection of the
// state, so one damaged word always shows. Of bytes in parts: each part's checksum is the next
// one's `state`, and all parts but the last have a multiple of 8 bytes.
inline std::uint64_t checksum(std::string_view bytes, std::uint64_t state = kChecksumStart) {
  while (!bytes.empty()) {
    std::uint64_t word = 0;
    const std::size_t size = std::min(bytes.size(), sizeof word);
    std::memcpy(&word, bytes.data(), size);
    state = (state ^ word) * 0x0000'0100'0000'01b3U;
    state ^= state >> 32U;
    bytes.remove_prefix(size);
  }
  return state;
}

}  // namespace millrace
