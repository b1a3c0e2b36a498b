// The inner loops of the direct convolution: a tile of sums in registers, sum[i][lane] += a[i] * b[lane], as AVX-512
// code through the compiler's vector types. An "element" has 32 bits: one float32, or two neighbouring bfloat16 of the
// reduction, whose products are added in float32. Included by conv2d_direct*.cpp only, compiled only with AVX-512.
#pragma once

#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#define TSUGI_HAVE_TILE_KERNEL 1
#else
#define TSUGI_HAVE_TILE_KERNEL 0
#endif

#if TSUGI_HAVE_TILE_KERNEL
#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

namespace tsugi {
namespace cpu {

constexpr int kLanes = 16;      ///< elements of a vector
constexpr int kMaxVectors = 2;  ///< vectors of a tile
constexpr int kMaxRows = 13;    ///< rows of a tile: 26 sums, two vectors of b and a of 32 registers

typedef float Vector __attribute__((vector_size(64), may_alias));
typedef float UnalignedVector __attribute__((vector_size(64), aligned(4), may_alias));

struct MathF32 {
  static Vector multiply_add(Vector sum, const char* a, Vector b) {
    float value;
    std::memcpy(&value, a, sizeof value);
    return sum + value * b;
  }
};

#if defined(__AVX512BF16__)
struct MathBf16 {
  static Vector multiply_add(Vector sum, const char* a, Vector b) {
    std::int32_t pair;
    std::memcpy(&pair, a, sizeof pair);
    return (Vector)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)b);
  }
};
#endif

/// Pairs of 32 channels of two pixels: low[i] = (first[i], second[i]) for the first 16, high for the others.
inline void interleave_32(const char* first, const char* second, char* low, char* high) {
  alignas(64) static constexpr std::uint16_t kLowIndex[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                                              37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                                              11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
  const __m512i low_index = _mm512_load_si512(kLowIndex);
  const __m512i high_index = _mm512_add_epi16(low_index, _mm512_set1_epi16(16));
  const __m512i a = _mm512_loadu_si512(first), b = _mm512_loadu_si512(second);
  _mm512_storeu_si512(low, _mm512_permutex2var_epi16(a, low_index, b));
  _mm512_storeu_si512(high, _mm512_permutex2var_epi16(a, high_index, b));
}

/// A run of reduction steps: where it starts in a, in bytes, and how many elements it has.
struct Segment {
  std::ptrdiff_t a;
  int length;
};

/// Output pixels x output channels: rows of a are pixels, a step of the reduction is the next element of a.
struct PixelTile {
  const char* a;            ///< element 0 of row 0 of segment offset 0
  std::ptrdiff_t row_step;  ///< bytes from one row of a to the next
  const Segment* segments;
  int segment_count;
  const char* b;  ///< [steps of all segments][vectors][16] elements
  float* sums;    ///< [rows][vectors * 16], overwritten
};

/// kRowStep: the constant value of row_step, which gives the shortest addresses, or 0 when it is not known.
template <typename Math, int kRows, int kVectors, int kRowStep>
void pixel_tile(const PixelTile& t) {
  Vector sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[i][v] = Vector{};
  }
  const std::ptrdiff_t row_step = kRowStep == 0 ? t.row_step : kRowStep;
  const char* b = t.b;
  for (int segment = 0; segment < t.segment_count; ++segment) {
    const char* a = t.a + t.segments[segment].a;
    const int length = t.segments[segment].length;
#pragma GCC unroll 4
    for (int step = 0; step < length; ++step) {
      Vector vb[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) vb[v] = *reinterpret_cast<const Vector*>(b + v * 64);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[i][v] = Math::multiply_add(sum[i][v], a + i * row_step, vb[v]);
      }
      a += 4;
      b += kVectors * 64;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) reinterpret_cast<Vector*>(t.sums)[i * kVectors + v] = sum[i][v];
  }
}

/// Input channels x output channels, summed over pixels: rows of a are neighbouring elements.
struct ChannelTile {
  const char* a;  ///< row 0, first step
  const char* b;
  std::ptrdiff_t a_step, b_step;  ///< bytes from one step to the next
  std::ptrdiff_t a_next, b_next;  ///< bytes from one run of steps to the next
  int runs, length;               ///< length steps a run
  float* sums;                    ///< [rows][sums_step], added to
  std::ptrdiff_t sums_step;       ///< elements
};

template <typename Math, int kRows, int kVectors>
void channel_tile(const ChannelTile& t) {
  Vector sum[kRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v)
      sum[i][v] = *reinterpret_cast<const Vector*>(t.sums + i * t.sums_step + v * kLanes);
  }
  for (int run = 0; run < t.runs; ++run) {
    const char* a = t.a + run * t.a_next;
    const char* b = t.b + run * t.b_next;
#pragma GCC unroll 2
    for (int step = 0; step < t.length; ++step) {
      Vector vb[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) vb[v] = *reinterpret_cast<const UnalignedVector*>(b + v * 64);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) sum[i][v] = Math::multiply_add(sum[i][v], a + i * 4, vb[v]);
      }
      a += t.a_step;
      b += t.b_step;
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) *reinterpret_cast<Vector*>(t.sums + i * t.sums_step + v * kLanes) = sum[i][v];
  }
}

using PixelTileFunction = void (*)(const PixelTile&);
using ChannelTileFunction = void (*)(const ChannelTile&);

/// Functions for 1 ... kMaxRows rows.
template <typename Math, int kVectors, int kRowStep, int... kRows>
constexpr std::array<PixelTileFunction, sizeof...(kRows)> pixel_tiles(std::integer_sequence<int, kRows...>) {
  return {{&pixel_tile<Math, kRows + 1, kVectors, kRowStep>...}};
}

template <typename Math, int kVectors, int... kRows>
constexpr std::array<ChannelTileFunction, sizeof...(kRows)> channel_tiles(std::integer_sequence<int, kRows...>) {
  return {{&channel_tile<Math, kRows + 1, kVectors>...}};
}

}  // namespace cpu
}  // namespace tsugi
#endif  // TSUGI_HAVE_TILE_KERNEL
