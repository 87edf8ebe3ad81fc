#include "workers/index/cpu.h"

#include <string>

#include "common/cpu.h"

namespace millrace {

Status check_cpu() {
#ifdef MILLRACE_FAISS_V3  // x86-64-v3, beyond what every x86-64 has
  __builtin_cpu_init();
  const CpuFeature wanted[] = {
      {"AVX", __builtin_cpu_supports("avx") != 0},
      {"AVX2", __builtin_cpu_supports("avx2") != 0},
      {"BMI1", __builtin_cpu_supports("bmi") != 0},
      {"BMI2", __builtin_cpu_supports("bmi2") != 0},
      {"F16C", cpu_has_f16c()},
      {"FMA", __builtin_cpu_supports("fma") != 0},
      {"LZCNT", cpu_has_lzcnt()},
      {"MOVBE", cpu_has_movbe()},
  };
  return check_cpu(wanted);
#else
  return {};
#endif
}

Status check_cpu(std::span<const CpuFeature> wanted) {
  std::string missing;
  for (const CpuFeature& feature : wanted) {
    if (feature.present) continue;
    if (!missing.empty()) missing += ", ";
    missing += feature.name;
  }
  if (missing.empty()) return {};
  return fatal("this CPU has no " + missing +
               ", which this build's FAISS needs (x86-64-v3): run on a newer CPU, or build on this "
               "machine without build/parts/faiss, which takes the system's FAISS");
}

}  // namespace millrace
