#include "common/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace millrace {
namespace {

struct Registers {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
};

// Zeros for a leaf that the CPU does not have. Intel's Software Developer's Manual, volume 2,
// CPUID.
Registers cpu_id([[maybe_unused]] unsigned leaf) {
  Registers found;
#if defined(__x86_64__)
  if (__get_cpuid_count(leaf, 0, &found.eax, &found.ebx, &found.ecx, &found.edx) == 0) return {};
#endif
  return found;
}

constexpr unsigned kFeatures = 1;
constexpr unsigned kExtendedFeatures = 7;
constexpr unsigned kAmdFeatures = 0x80000001;

bool has_bit(unsigned bits, unsigned bit) { return (bits >> bit & 1U) != 0; }

// States that the operating system saves and restores, as XGETBV tells (volume 1, XSAVE).
constexpr unsigned kTiles = 0x3U << 17U;  // XTILECFG and XTILEDATA

bool system_keeps([[maybe_unused]] unsigned states) {
  if (!has_bit(cpu_id(kFeatures).ecx, 27)) return false;  // OSXSAVE
#if defined(__x86_64__)
  unsigned low = 0;
  unsigned high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & states) == states;
#else
  return false;
#endif
}

}  // namespace

bool cpu_has_amx_bf16() {
  return has_bit(cpu_id(kExtendedFeatures).edx, 22) && system_keeps(kTiles);
}
bool cpu_has_f16c() { return has_bit(cpu_id(kFeatures).ecx, 29); }
bool cpu_has_lzcnt() { return has_bit(cpu_id(kAmdFeatures).ecx, 5); }
bool cpu_has_movbe() { return has_bit(cpu_id(kFeatures).ecx, 22); }

}  // namespace millrace
