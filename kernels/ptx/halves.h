// binary16 for all lanes at once: conversions and a fused multiply-add of one rounding.
#pragma once

#include <cmath>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#include "kernels/api/half.h"
#include "kernels/ptx/lanes.h"

namespace tsugi {
namespace ptx {

inline float to_float(Half h) {
#if defined(__F16C__)
  return _cvtsh_ss(h.bits);
#else
  return half_to_float(h.bits);
#endif
}

/// To nearest, ties to even.
inline Half to_half(float v) {
#if defined(__F16C__)
  return {static_cast<std::uint16_t>(_cvtss_sh(v, _MM_FROUND_TO_NEAREST_INT))};
#else
  return {float_to_half(v)};
#endif
}

/// A double of which no bit is lost on the way: a float that rounded away bits gets an odd last one, which stands for
/// "and something more". Source: Boldo and Melquiond, "When double rounding is odd", 2005.
inline Half to_half(double v) {
  const float nearest = static_cast<float>(v);
  auto bits = same_bits<std::uint32_t>(nearest);
  if (static_cast<double>(nearest) != v && std::isfinite(nearest) && (bits & 1) == 0) {
    bits += std::fabs(static_cast<double>(nearest)) < std::fabs(v) ? 1u : ~0u;
  }
  return to_half(same_bits<float>(bits));
}

/// The low or the high halves of 32 registers, as floats.
inline void floats_of(const std::uint32_t* registers, int shift, float* floats) {
  std::uint16_t halves[kWarp];
  for (int lane = 0; lane < kWarp; ++lane) halves[lane] = static_cast<std::uint16_t>(registers[lane] >> shift);
#if defined(__F16C__)
  for (int lane = 0; lane < kWarp; lane += 8) {
    const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(halves + lane));
    _mm256_storeu_ps(floats + lane, _mm256_cvtph_ps(eight));
  }
#else
  for (int lane = 0; lane < kWarp; ++lane) floats[lane] = to_float(Half{halves[lane]});
#endif
}

/// 32 floats, rounded, as 16-bit numbers in words.
inline void halves_of(const float* floats, std::uint32_t* halves) {
#if defined(__F16C__)
  std::uint16_t rounded[kWarp];
  for (int lane = 0; lane < kWarp; lane += 8) {
    const __m128i eight = _mm256_cvtps_ph(_mm256_loadu_ps(floats + lane), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(rounded + lane), eight);
  }
  for (int lane = 0; lane < kWarp; ++lane) halves[lane] = rounded[lane];
#else
  for (int lane = 0; lane < kWarp; ++lane) halves[lane] = to_half(floats[lane]).bits;
#endif
}

/// a b + c of halves in one rounding: exact in double, but where one operand is so small that it cannot turn a tie.
inline Half fused(float a, float b, float c) {
  return to_half(static_cast<double>(a) * static_cast<double>(b) + static_cast<double>(c));
}

/// The same for 32 lanes. Rounded to float first, the result is wrong only where it lies on a tie of halves, or among
/// the subnormal ones: those are done again.
inline void fused_halves(const float* a, const float* b, const float* c, std::uint32_t* halves) {
  float sums[kWarp];
  int doubtful = 0;
  for (int lane = 0; lane < kWarp; ++lane) {
    sums[lane] = __builtin_fmaf(a[lane], b[lane], c[lane]);
    const auto bits = same_bits<std::uint32_t>(sums[lane]);
    doubtful |= (bits & 0x1fffu) == 0x1000u || (bits & 0x7fffffffu) - 1u < 0x38800000u - 1u;
  }
  halves_of(sums, halves);
  if (doubtful == 0) return;
  for (int lane = 0; lane < kWarp; ++lane) halves[lane] = fused(a[lane], b[lane], c[lane]).bits;
}

}  // namespace ptx
}  // namespace tsugi
