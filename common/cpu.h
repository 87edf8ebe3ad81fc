#pragma once

namespace millrace {

// Instructions of this CPU that not every compiler's __builtin_cpu_supports knows by name. False on
// other machines than x86-64. Whether the operating system keeps their registers is not said: who
// uses AVX asks __builtin_cpu_supports("avx2") as well. Thread-safe.
bool cpu_has_amx_bf16();
bool cpu_has_f16c();
bool cpu_has_lzcnt();
bool cpu_has_movbe();

}  // namespace millrace
