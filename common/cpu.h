#pragma once

namespace millrace {

// Instructions of this CPU that not every compiler's __builtin_cpu_supports knows by name. False on
// other machines than x86-64. Thread-safe.
bool cpu_has_amx_bf16();  // and the operating system keeps its tiles
// Of these it is not said whether the operating system keeps their registers: who uses AVX asks
// __builtin_cpu_supports("avx2") as well.
bool cpu_has_f16c();
bool cpu_has_lzcnt();
bool cpu_has_movbe();

}  // namespace millrace
