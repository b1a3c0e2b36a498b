// CUDA's __half and __half2 for the host compiler: IEEE binary16 with round to nearest even, subnormals kept. Sums and
// products are computed in float32 and rounded to half, which rounds as if once, because 24 >= 2 * 11 + 2 bits; a fused
// multiply-add is not, so it looks at ties. Unlike CUDA's there are no implicit conversions. Part of simt.h.
#pragma once

#if defined(__F16C__)
#include <immintrin.h>
#endif

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
using half = __half;
using half2 = __half2;

namespace detail {

/// Bits of the half nearest to v, ties to even. A NaN keeps its sign and the top of its payload, and becomes quiet.
inline std::uint16_t half_bits_software(float v) {
  const std::uint32_t bits = __float_as_uint(v);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // 2^16 and more, infinity
  if (magnitude >= 0x38800000u) {  // 2^-14 and more; a carry out of the mantissa runs into the exponent as it should
    const std::uint32_t rounded_bits = magnitude + 0xfffu + (magnitude >> 13 & 1u);
    return static_cast<std::uint16_t>(sign | ((rounded_bits >> 13) - (112u << 10)));
  }
  // Subnormal: adding 2^-1 puts the unit 2^-24 into the float's last bit and lets the hardware round.
  const float aligned = __uint_as_float(magnitude) + 0.5f;
  return static_cast<std::uint16_t>(sign | (__float_as_uint(aligned) - 0x3f000000u));
}

/// Exact. A signalling NaN becomes quiet.
inline float half_value_software(std::uint16_t half_bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half_bits & 0x8000u) << 16;
  const std::uint32_t magnitude = half_bits & 0x7fffu;
  if (magnitude > 0x7c00u) return __uint_as_float(sign | 0x7fc00000u | magnitude << 13);
  if (magnitude == 0x7c00u) return __uint_as_float(sign | 0x7f800000u);
  if (magnitude >= 0x0400u) return __uint_as_float(sign | ((magnitude << 13) + (112u << 23)));
  const float value = static_cast<float>(magnitude) * (1.0f / 16777216.0f);
  return __uint_as_float(sign | __float_as_uint(value));
}

/// a * b + c in one rounding, for operands that are halves: `fused` is that in float32, on or near a tie of halves.
std::uint16_t half_fma_tie(float a, float b, float c);

}  // namespace detail

inline __half __float2half_rn(float v) {
#if defined(__F16C__)
  return {static_cast<std::uint16_t>(_cvtss_sh(v, _MM_FROUND_TO_NEAREST_INT))};
#else
  return {detail::half_bits_software(v)};
#endif
}
inline float __half2float(__half v) {
#if defined(__F16C__)
  return _cvtsh_ss(v.bits);
#else
  return detail::half_value_software(v.bits);
#endif
}
inline __half __float2half(float v) { return __float2half_rn(v); }
inline __half __ushort_as_half(unsigned short bits) { return {bits}; }
inline unsigned short __half_as_ushort(__half v) { return v.bits; }

inline __half2 __halves2half2(__half low, __half high) { return {low, high}; }
inline __half2 __half2half2(__half v) { return {v, v}; }
inline __half2 __float2half2_rn(float v) { return __half2half2(__float2half_rn(v)); }
inline __half2 __floats2half2_rn(float low, float high) { return {__float2half_rn(low), __float2half_rn(high)}; }
inline __half2 __float22half2_rn(float2 v) { return __floats2half2_rn(v.x, v.y); }
inline __half __low2half(__half2 v) { return v.x; }
inline __half __high2half(__half2 v) { return v.y; }
inline __half2 __low2half2(__half2 v) { return {v.x, v.x}; }
inline __half2 __high2half2(__half2 v) { return {v.y, v.y}; }
inline __half2 __lows2half2(__half2 a, __half2 b) { return {a.x, b.x}; }
inline __half2 __highs2half2(__half2 a, __half2 b) { return {a.y, b.y}; }
inline __half2 __lowhigh2highlow(__half2 v) { return {v.y, v.x}; }
inline float __low2float(__half2 v) { return __half2float(v.x); }
inline float __high2float(__half2 v) { return __half2float(v.y); }
inline float2 __half22float2(__half2 v) { return {__low2float(v), __high2float(v)}; }

inline __half __hadd(__half a, __half b) { return __float2half_rn(__half2float(a) + __half2float(b)); }
inline __half __hsub(__half a, __half b) { return __float2half_rn(__half2float(a) - __half2float(b)); }
inline __half __hmul(__half a, __half b) { return __float2half_rn(__half2float(a) * __half2float(b)); }
inline __half __hneg(__half v) { return {static_cast<std::uint16_t>(v.bits ^ 0x8000u)}; }
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
inline bool __hgt(__half a, __half b) { return __half2float(a) > __half2float(b); }
inline bool __hisnan(__half v) { return (v.bits & 0x7fffu) > 0x7c00u; }
inline bool __hisinf(__half v) { return (v.bits & 0x7fffu) == 0x7c00u; }

inline __half2 __hadd2(__half2 a, __half2 b) { return {__hadd(a.x, b.x), __hadd(a.y, b.y)}; }
inline __half2 __hsub2(__half2 a, __half2 b) { return {__hsub(a.x, b.x), __hsub(a.y, b.y)}; }
inline __half2 __hmul2(__half2 a, __half2 b) { return {__hmul(a.x, b.x), __hmul(a.y, b.y)}; }
inline __half2 __hneg2(__half2 v) { return {__hneg(v.x), __hneg(v.y)}; }
inline __half2 __hfma2(__half2 a, __half2 b, __half2 c) { return {__hfma(a.x, b.x, c.x), __hfma(a.y, b.y, c.y)}; }

}  // namespace simt
}  // namespace tsugi
