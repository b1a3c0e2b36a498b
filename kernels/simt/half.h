// CUDA's __half and __half2 for the host compiler: IEEE binary16 with round to nearest even, subnormals kept. Sums and
// products are computed in float32 and rounded to half, which rounds as if once, because 24 >= 2 * 11 + 2 bits; a fused
// multiply-add is not, so it looks at ties. Unlike CUDA's there are no implicit conversions. Part of simt.h.
#pragma once

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "kernels/api/half.h"
#include "kernels/simt/builtins.h"
#include "kernels/simt/device_math.h"

namespace tsugi {
namespace simt {

struct __half {
  std::uint16_t bits;
};
struct alignas(4) __half2 {
  __half x, y;
  __half2() = default;
  __half2(__half low, __half high) : x(low), y(high) {}
};

namespace detail {

/// As the hardware: exact, and a signalling NaN becomes quiet.
inline float half_value_software(std::uint16_t half_bits) {
  const bool is_nan = (half_bits & 0x7fffu) > 0x7c00u;
  return half_to_float(is_nan ? static_cast<std::uint16_t>(half_bits | 0x200u) : half_bits);
}

/// a * b + c in one rounding, for operands that are halves: `fused` is that in float32, on or near a tie of halves.
std::uint16_t half_fma_tie(float a, float b, float c);

}  // namespace detail

inline __half __float2half_rn(float v) {
#if defined(__F16C__)
  return {static_cast<std::uint16_t>(_cvtss_sh(v, _MM_FROUND_TO_NEAREST_INT))};
#else
  return {float_to_half(v)};
#endif
}
inline float __half2float(__half v) {
#if defined(__F16C__)
  return _cvtsh_ss(v.bits);
#else
  return detail::half_value_software(v.bits);
#endif
}
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half v) { return v.bits; }

inline __half2 __halves2half2(__half low, __half high) { return {low, high}; }
inline __half2 __half2half2(__half v) { return {v, v}; }
inline __half2 __float2half2_rn(float v) { return __half2half2(__float2half_rn(v)); }
inline __half2 __floats2half2_rn(float low, float high) { return {__float2half_rn(low), __float2half_rn(high)}; }
inline __half __low2half(__half2 v) { return v.x; }
inline __half __high2half(__half2 v) { return v.y; }
inline __half2 __lows2half2(__half2 a, __half2 b) { return {a.x, b.x}; }
inline __half2 __highs2half2(__half2 a, __half2 b) { return {a.y, b.y}; }
inline float __low2float(__half2 v) { return __half2float(v.x); }
inline float __high2float(__half2 v) { return __half2float(v.y); }

inline __half __hadd(__half a, __half b) { return __float2half_rn(__half2float(a) + __half2float(b)); }
inline __half __hmul(__half a, __half b) { return __float2half_rn(__half2float(a) * __half2float(b)); }
inline __half __hfma(__half a, __half b, __half c) {
  const float x = __half2float(a), y = __half2float(b), z = __half2float(c);
  const float fused = ::fmaf(x, y, z);
  // Rounded twice, the result is wrong only if the first rounding landed on a tie of the second: 13 dropped bits of
  // 1000000000000, or any subnormal half.
  const std::uint32_t bits = __float_as_uint(fused);
  const bool subnormal = (bits & 0x7fffffffu) - 1u < 0x38800000u - 1u;
  if ((bits & 0x1fffu) == 0x1000u || subnormal) return {detail::half_fma_tie(x, y, z)};
  return __float2half_rn(fused);
}
inline bool __hisnan(__half v) { return (v.bits & 0x7fffu) > 0x7c00u; }
inline bool __hisinf(__half v) { return (v.bits & 0x7fffu) == 0x7c00u; }

inline __half2 __hmul2(__half2 a, __half2 b) { return {__hmul(a.x, b.x), __hmul(a.y, b.y)}; }
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }

}  // namespace simt
}  // namespace tsugi
