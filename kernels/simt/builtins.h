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

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct uint3 {
  unsigned x, y, z;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};

inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline int2 make_int2(int x, int y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint3 make_uint3(unsigned x, unsigned y, unsigned z) { return {x, y, z}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w) { return {x, y, z, w}; }

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
constexpr int warpSize = 32;

/// Waits for every thread of the block. line and file name the call: all threads must wait at the same one.
void __syncthreads(int line = __builtin_LINE(), const char* file = __builtin_FILE());

inline void __threadfence() {
#if !defined(__SANITIZE_THREAD__)
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
inline void __threadfence_block() {}

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

// -- integer atomics (floating-point ones would make results depend on the order of threads) ----------------------
template <typename T>
inline T atomicAdd(T* address, T value) {
  static_assert(std::is_integral<T>::value, "integers only");
  return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}
template <typename T>
inline T atomicOr(T* address, T value) {
  static_assert(std::is_integral<T>::value, "integers only");
  return __atomic_fetch_or(address, value, __ATOMIC_SEQ_CST);
}
template <typename T>
inline T atomicExch(T* address, T value) {
  static_assert(std::is_integral<T>::value, "integers only");
  return __atomic_exchange_n(address, value, __ATOMIC_SEQ_CST);
}
template <typename T>
inline T atomicMax(T* address, T value) {
  static_assert(std::is_integral<T>::value, "integers only");
  T old = __atomic_load_n(address, __ATOMIC_SEQ_CST);
  while (old < value && !__atomic_compare_exchange_n(address, &old, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
  }
  return old;
}

}  // namespace simt
}  // namespace tsugi
