// CUDA's warp shuffles, votes and matrix instruction for the host compiler. Part of simt.h.
//
// A lane that calls one waits until every lane of its mask has made the same call at the same place; the last one to
// arrive computes the results of all (warp.cpp).
#pragma once

#include <cstring>

#include "kernels/simt/half.h"

namespace tsugi {
namespace simt {
namespace detail {

/// A line of kernel source. Two are equal when line and file name are.
struct Place {
  const char* file;
  int line;
};

enum class WarpOp : std::uint8_t { sync, shuffle, shuffle_up, shuffle_down, shuffle_xor, ballot, any, all, mma };

/// One lane's operands, and its result once the call is complete.
struct WarpCall {
  WarpOp op;
  unsigned mask;
  unsigned value;     ///< shuffles: what this lane gives; votes: its predicate, 0 or 1
  unsigned argument;  ///< shuffles: source lane, delta or lane mask
  unsigned width;     ///< shuffles: lanes of a segment
  Place place;
  unsigned result;
  const unsigned* a;  ///< mma: this lane's two registers of A
  const float* c;     ///< mma: this lane's four of C
  float* d;           ///< mma: this lane's four of D
};

/// Throws (and abandons the block) where the mask is not the set of lanes that make this call.
void warp_call(WarpCall& call);

inline unsigned warp_vote(WarpOp op, unsigned mask, bool predicate, Place place) {
  WarpCall call{op, mask, predicate ? 1u : 0u, 0, 32, place, 0, nullptr, nullptr, nullptr};
  warp_call(call);
  return call.result;
}

template <typename T>
inline T warp_shuffle(WarpOp op, unsigned mask, T value, unsigned argument, int width, Place place) {
  static_assert(sizeof(T) == 4 && std::is_trivially_copyable<T>::value, "shuffles move 32 bits");
  WarpCall call{op, mask, 0, argument, static_cast<unsigned>(width), place, 0, nullptr, nullptr, nullptr};
  std::memcpy(&call.value, &value, sizeof(T));
  warp_call(call);
  std::memcpy(static_cast<void*>(&value), &call.result, sizeof(T));
  return value;
}

}  // namespace detail

/// T: int, unsigned, float or __half2. A lane whose source lies outside its segment of `width` lanes keeps its value.
template <typename T>
inline T __shfl_sync(unsigned mask, T value, int lane, int width = 32, int line = __builtin_LINE(),
                     const char* file = __builtin_FILE()) {
  return detail::warp_shuffle(detail::WarpOp::shuffle, mask, value, static_cast<unsigned>(lane), width, {file, line});
}
template <typename T>
inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE(),
                        const char* file = __builtin_FILE()) {
  return detail::warp_shuffle(detail::WarpOp::shuffle_up, mask, value, delta, width, {file, line});
}
template <typename T>
inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, int line = __builtin_LINE(),
                          const char* file = __builtin_FILE()) {
  return detail::warp_shuffle(detail::WarpOp::shuffle_down, mask, value, delta, width, {file, line});
}
template <typename T>
inline T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, int line = __builtin_LINE(),
                         const char* file = __builtin_FILE()) {
  return detail::warp_shuffle(detail::WarpOp::shuffle_xor, mask, value, static_cast<unsigned>(lane_mask), width,
                              {file, line});
}

inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE(), const char* file = __builtin_FILE()) {
  detail::warp_vote(detail::WarpOp::sync, mask, false, {file, line});
}
inline unsigned __ballot_sync(unsigned mask, int predicate, int line = __builtin_LINE(),
                              const char* file = __builtin_FILE()) {
  return detail::warp_vote(detail::WarpOp::ballot, mask, predicate != 0, {file, line});
}
inline int __any_sync(unsigned mask, int predicate, int line = __builtin_LINE(), const char* file = __builtin_FILE()) {
  return static_cast<int>(detail::warp_vote(detail::WarpOp::any, mask, predicate != 0, {file, line}));
}
inline int __all_sync(unsigned mask, int predicate, int line = __builtin_LINE(), const char* file = __builtin_FILE()) {
  return static_cast<int>(detail::warp_vote(detail::WarpOp::all, mask, predicate != 0, {file, line}));
}

/// D = A B + C of a whole warp: mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32. With g = lane / 4 and t = lane % 4, a
/// lane holds (PTX ISA, "Matrix fragments for mma.m16n8k8")
///   a[0] = A[g][2t, 2t+1], a[1] = A[g+8][2t, 2t+1], b = B[2t, 2t+1][g], each the pair's first element in the low half;
///   c[0], c[1] = C[g][2t, 2t+1], c[2], c[3] = C[g+8][2t, 2t+1], and d likewise.
/// The emulator adds the products to C in the order of k, each rounded to float32; PTX leaves order and rounding open.
inline void mma_m16n8k8(float (&d)[4], const unsigned (&a)[2], unsigned b, const float (&c)[4],
                        int line = __builtin_LINE(), const char* file = __builtin_FILE()) {
  detail::WarpCall call{detail::WarpOp::mma, 0xffffffffu, b, 0, 32, {file, line}, 0, a, c, d};
  detail::warp_call(call);
}

}  // namespace simt
}  // namespace tsugi
