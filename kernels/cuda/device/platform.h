// The one place that tells a CUDA compiler from the emulator. Every file under kernels/cuda begins with it and is
// compiled as CUDA (namespace tsugi::cuda) and by the host compiler against kernels/simt (namespace tsugi::simt), so
// both live in one program.
//
// Rules that keep one source valid for nvcc 10.2, NVRTC and g++: C++14; no <<<>>> (Runtime::launch); a kernel takes one
// parameter struct by value; shared memory is one struct a kernel, from shared_memory<T>(); host code (launchers) lies
// at the end of a .cu file behind #ifndef __CUDACC_RTC__, because NVRTC takes device code only.
#pragma once

#include <cstddef>

#if defined(TSUGI_SIMT)
#include "kernels/simt/simt.h"
#define TSUGI_GPU simt
#else
#if !defined(__CUDACC_RTC__)
#include <cuda_runtime.h>
#endif
#include <cuda_fp16.h>
#define TSUGI_GPU cuda

namespace tsugi {
namespace cuda {

/// The block's shared memory as a T (a trivial struct of arrays): call it once a kernel, outside of branches. It holds
/// whatever an earlier block left; the emulator fills it with NaN.
template <typename T>
__device__ __forceinline__ T& shared_memory() {
  static_assert(sizeof(T) <= 48 * 1024, "a block has 48 KB of shared memory on sm_53 and without opt-in elsewhere");
  __shared__ T storage;
  return storage;
}

/// Before an access of several elements: the device itself faults where it is not aligned, the emulator throws here.
template <std::size_t Bytes>
__device__ __forceinline__ void expect_aligned(const void*) {}

}  // namespace cuda
}  // namespace tsugi
#endif
