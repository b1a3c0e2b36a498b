// What this machine's processor is and can do, for dispatch and for descriptions.
#pragma once

#include <string>

namespace tsugi {
namespace cpu {

struct CpuFeatures {
  bool avx2 = false;
  bool avx512 = false;       ///< F, BW, DQ, VL
  bool avx512_bf16 = false;  ///< dot products of bfloat16 pairs
  bool amx_bf16 = false;     ///< bfloat16 matrix tiles

  /// The widest set, for people: "AVX-512 with bfloat16".
  std::string describe() const;
};

/// Of the machine that runs this, asked once.
const CpuFeatures& cpu_features();

/// "AMD EPYC 9655", from /proc/cpuinfo; "CPU" where that cannot be read.
std::string cpu_model_name();

}  // namespace cpu
}  // namespace tsugi
