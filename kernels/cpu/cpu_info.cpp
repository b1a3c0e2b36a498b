// The processor's name and instruction sets, from /proc/cpuinfo: what the system lets programs use, not only what the
// chip has (AMX needs both).
#include "kernels/cpu/cpu_info.h"

#include <fstream>
#include <sstream>

namespace tsugi {
namespace cpu {
namespace {

/// The value of the first line "key : value", or nothing.
std::string first_value(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos || line.compare(0, key.size(), key) != 0) continue;
    const std::size_t start = line.find_first_not_of(" \t", colon + 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

CpuFeatures read_features() {
  CpuFeatures features;
  bool f = false, bw = false, dq = false, vl = false;
  std::istringstream flags(first_value("flags"));
  for (std::string flag; flags >> flag;) {
    features.avx2 |= flag == "avx2";
    f |= flag == "avx512f";
    bw |= flag == "avx512bw";
    dq |= flag == "avx512dq";
    vl |= flag == "avx512vl";
    features.avx512_bf16 |= flag == "avx512_bf16";
    features.amx_bf16 |= flag == "amx_bf16";
  }
  features.avx512 = f && bw && dq && vl;
  features.avx512_bf16 &= features.avx512;
  return features;
}

}  // namespace

std::string CpuFeatures::describe() const {
  if (amx_bf16) return "AMX bfloat16";
  if (avx512_bf16) return "AVX-512 with bfloat16";
  if (avx512) return "AVX-512";
  return avx2 ? "AVX2" : "no AVX2";
}

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = read_features();
  return features;
}

std::string cpu_model_name() {
  const std::string name = first_value("model name");
  return name.empty() ? "CPU" : name;
}

}  // namespace cpu
}  // namespace tsugi
