// A vector of float32 lanes through the compiler's vector types, loaded from and stored to float32 or bfloat16 memory:
// for loops whose sums must stay in registers.
#pragma once

#include <cstring>
#include <type_traits>
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
#include <immintrin.h>
#endif

#include "kernels/cpu/element.h"

namespace tsugi {
namespace cpu {

/// Lanes of the widest vector that this build has: what functions can return without an ABI of their own.
#if defined(__AVX512F__)
constexpr std::size_t kVector = 16;
#elif defined(__AVX__)
constexpr std::size_t kVector = 8;
#else
constexpr std::size_t kVector = 4;
#endif

typedef float FloatVector __attribute__((vector_size(kVector * 4), may_alias));
typedef std::uint32_t BitsVector __attribute__((vector_size(kVector * 4), may_alias));
typedef std::uint16_t HalfVector __attribute__((vector_size(kVector * 2), may_alias));

inline FloatVector load_lanes(const float* from) {
  FloatVector value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

inline FloatVector load_lanes(const Bf16* from) {
  HalfVector half;
  std::memcpy(&half, from, sizeof half);
  return (FloatVector)(__builtin_convertvector(half, BitsVector) << 16);
}

inline void store_lanes(float* to, FloatVector value) { std::memcpy(to, &value, sizeof value); }

/// Rounded to nearest even; float32 denormals may become zero.
inline void store_lanes(Bf16* to, FloatVector value) {
#if defined(__AVX512BF16__) && defined(__AVX512VL__)
  const __m256bh half = _mm512_cvtneps_pbh((__m512)value);
#else
  const BitsVector bits = (BitsVector)value;
  const BitsVector rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  const BitsVector quiet = (bits >> 16) | 0x40u;
  const HalfVector half = __builtin_convertvector((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded, HalfVector);
#endif
  std::memcpy(to, &half, sizeof half);
}

// The same for a single lane, so that loops over vectors and over what is left are written once: V is FloatVector or
// float.
template <typename V, typename T>
inline V load_as(const T* from) {
  if constexpr (std::is_same<V, float>::value) {
    return to_float(*from);
  } else {
    return load_lanes(from);
  }
}

template <typename T>
inline void store_lanes(T* to, float value) {
  *to = from_float<T>(value);
}

template <typename Act>
inline float forward_lanes(const Act& act, float x) {
  return act.forward(x);
}

template <typename Act>
inline float backward_lanes(const Act& act, float saved, float d_y) {
  return act.backward(saved, d_y);
}

/// Calls f(first lane, V()) for vectors of [0, count), then for single lanes.
template <typename F>
inline void for_lanes(std::size_t count, const F& f) {
  const std::size_t left = count % kVector;  // fewer than a vector's: said so, gcc sees that the last loop ends
  for (std::size_t i = 0; i < count - left; i += kVector) f(i, FloatVector());
  for (std::size_t k = 0; k < left; ++k) f(count - left + k, float());
}

/// act.forward of every lane. Functions without a vector form go through memory: the compiler vectorises the loop.
template <typename Act>
inline FloatVector forward_lanes(const Act& act, FloatVector x) {
  if constexpr (Act::kSavesInput) {
    float lane[kVector];
    store_lanes(lane, x);
#pragma omp simd
    for (std::size_t i = 0; i < kVector; ++i) lane[i] = act.forward(lane[i]);
    return load_lanes(lane);
  } else {
    return act.forward(x);
  }
}

template <typename Act>
inline FloatVector backward_lanes(const Act& act, FloatVector saved, FloatVector d_y) {
  if constexpr (Act::kSavesInput) {
    float lane[kVector], gradient[kVector];
    store_lanes(lane, saved);
    store_lanes(gradient, d_y);
#pragma omp simd
    for (std::size_t i = 0; i < kVector; ++i) lane[i] = act.backward(lane[i], gradient[i]);
    return load_lanes(lane);
  } else {
    return act.backward(saved, d_y);
  }
}

}  // namespace cpu
}  // namespace tsugi
