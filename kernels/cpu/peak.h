// The processor's limits, for benchmarks to time: multiply-adds with nothing to load, and a copy with nothing to
// compute.
#pragma once

#include <cstddef>

#include "kernels/api/types.h"

namespace tsugi {
namespace cpu {

/// `steps` rounds of independent fused multiply-adds in the registers of each of `threads` threads: float32, or dot
/// products of bfloat16 pairs where the program was compiled for a processor that has them. Returns the floating-point
/// operations of the whole call. Throws Error on any other type.
double fma_burst(DType dtype, int steps, int threads);

/// Copies `bytes` on `threads` threads (host memory, the ranges must not overlap).
void copy_burst(const void* from, std::size_t bytes, void* to, int threads);

}  // namespace cpu
}  // namespace tsugi
