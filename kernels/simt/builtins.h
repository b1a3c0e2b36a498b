// CUDA's function qualifiers, vector types and built-in variables for the host compiler. Part of simt.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)

namespace tsugi {
namespace simt {

struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned vx = 1, unsigned vy = 1, unsigned vz = 1) : x(vx), y(vy), z(vz) {}
  constexpr dim3(uint3 v) : x(v.x), y(v.y), z(v.z) {}
};

// Of the emulated thread that runs on this host thread. __thread, not thread_local: a plain load without the
// initialisation check that other translation units would otherwise need.
#define TSUGI_SIMT_TLS __attribute__((tls_model("initial-exec")))
extern __thread uint3 threadIdx TSUGI_SIMT_TLS;
extern __thread uint3 blockIdx TSUGI_SIMT_TLS;
extern __thread dim3 blockDim TSUGI_SIMT_TLS;
extern __thread dim3 gridDim TSUGI_SIMT_TLS;

/// Waits for every thread of the block. line and file name the call: all threads must wait at the same one.
void __syncthreads(int line = __builtin_LINE(), const char* file = __builtin_FILE());

namespace detail {
/// The block's shared memory, filled with 0xFF (NaN) bytes before the block's first thread asks for it. Every thread of
/// a block must ask for the same number of bytes.
void* shared_memory(std::size_t bytes);
/// Throws Error.
[[noreturn]] void misaligned(const void* address, std::size_t bytes);
}  // namespace detail

/// A device faults on an access of `Bytes` bytes at an address that they do not divide; most CPUs do not.
template <std::size_t Bytes>
inline void expect_aligned(const void* address) {
  if (reinterpret_cast<std::uintptr_t>(address) % Bytes != 0) detail::misaligned(address, Bytes);
}

/// The block's shared memory as a T, a trivial struct of arrays.
template <typename T>
inline T& shared_memory() {
  static_assert(sizeof(T) <= 48 * 1024, "a block has 48 KB of shared memory on sm_53 and without opt-in elsewhere");
  static_assert(std::is_trivially_destructible<T>::value && std::is_trivially_copyable<T>::value,
                "shared memory is never constructed");
  static_assert(alignof(T) <= 256, "shared memory is aligned to 256 bytes");
  return *static_cast<T*>(detail::shared_memory(sizeof(T)));
}

}  // namespace simt
}  // namespace tsugi
