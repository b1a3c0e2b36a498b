// The matrix instructions of sm_75 and up: D = A B + C of a warp, and the loads that bring fragments from shared
// memory. The emulator has the same functions with the same lane layouts (mma_m16n8k8 in kernels/simt/warp.h). Source:
// PTX ISA, "mma.sync.aligned.m16n8k8" and "ldmatrix".
#pragma once

#include "kernels/cuda/device/element.h"
#include "kernels/cuda/device/warp.h"

namespace tsugi {
namespace TSUGI_GPU {

#if defined(TSUGI_SIMT)

/// r[j] = elements [lane / 4][2t, 2t + 1] of 8x8 matrix j, t = lane % 4. A row is four words (8 halves, 16-byte
/// aligned) of `words`; lane l says where row l % 8 of matrix l / 8 starts.
inline void load_matrices(unsigned (&r)[4], const unsigned* words, int start) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  for (int j = 0; j < 4; ++j) r[j] = words[__shfl_sync(kAllLanes, start, 8 * j + lane / 4) + lane % 4];
}

/// The same of the transposed matrices: r[j] = elements [2t][lane / 4] (low half) and [2t + 1][lane / 4] (high half).
inline void load_matrices_transposed(unsigned (&r)[4], const unsigned* words, int start) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp, column = lane / 4, shift = column % 2 * 16;
  for (int j = 0; j < 4; ++j) {
    const int low = __shfl_sync(kAllLanes, start, 8 * j + lane % 4 * 2);
    const int high = __shfl_sync(kAllLanes, start, 8 * j + lane % 4 * 2 + 1);
    r[j] = (words[low + column / 2] >> shift & 0xFFFFu) | (words[high + column / 2] >> shift & 0xFFFFu) << 16;
  }
}

#elif !defined(__CUDA_ARCH__) || __CUDA_ARCH__ >= 750

/// The address within the shared memory window; the intrinsic for it came with CUDA 11.
__device__ __forceinline__ unsigned shared_address(const void* generic) {
  unsigned address;
  asm("{ .reg .u64 wide; cvta.to.shared.u64 wide, %1; cvt.u32.u64 %0, wide; }" : "=r"(address) : "l"(generic));
  return address;
}

__device__ __forceinline__ void load_matrices(unsigned (&r)[4], const unsigned* words, int start) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(words + start))
               : "memory");
}

__device__ __forceinline__ void load_matrices_transposed(unsigned (&r)[4], const unsigned* words, int start) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(words + start))
               : "memory");
}

/// D = A B + C of a whole warp, A 16x8 and B 8x8 of halves, C and D float32. With g = lane / 4 and t = lane % 4, a lane
/// holds
///   a[0] = A[g][2t, 2t+1], a[1] = A[g+8][2t, 2t+1], b = B[2t, 2t+1][g], each the pair's first element in the low half;
///   c[0], c[1] = C[g][2t, 2t+1], c[2], c[3] = C[g+8][2t, 2t+1], and d likewise. d and c may be the same.
__device__ __forceinline__ void mma_m16n8k8(float (&d)[4], const unsigned (&a)[2], unsigned b, const float (&c)[4]) {
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%7, %8, %9, %10};"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(b), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}

#else  // an older architecture of a build for several: dispatch never offers these rows there

__device__ __forceinline__ void load_matrices(unsigned (&)[4], const unsigned*, int) { asm volatile("trap;"); }
__device__ __forceinline__ void load_matrices_transposed(unsigned (&)[4], const unsigned*, int) {
  asm volatile("trap;");
}
__device__ __forceinline__ void mma_m16n8k8(float (&)[4], const unsigned (&)[2], unsigned, const float (&)[4]) {
  asm volatile("trap;");
}

#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
