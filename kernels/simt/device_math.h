// The scalar functions of CUDA that kernels call, for the host compiler. expf, fmaf, sqrtf and the like are the C
// library's. Part of simt.h.
#pragma once

#include <math.h>

#include <cstring>

namespace tsugi {
namespace simt {

inline unsigned __float_as_uint(float v) {
  unsigned bits;
  std::memcpy(&bits, &v, sizeof(bits));
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float v;
  std::memcpy(&v, &bits, sizeof(v));
  return v;
}
inline float __int_as_float(int bits) { return __uint_as_float(static_cast<unsigned>(bits)); }

inline int min(int a, int b) { return b < a ? b : a; }
inline int max(int a, int b) { return a < b ? b : a; }

/// A load through the read-only cache.
template <typename T>
inline T __ldg(const T* address) {
  return *address;
}

}  // namespace simt
}  // namespace tsugi
