// The passes around a library's product: bias and activation behind it, and weight gradients to where they belong. Both
// read and write each element once, so they run at the speed of memory.
#include "kernels/cuda/device/element.h"

#if !defined(__CUDACC_RTC__)
#include <string>

#include "kernels/cuda/kernel.h"
#include "kernels/vendor/epilogue.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kEpilogueThreads = 256;

struct BiasActivationParams {
  void* y;
  const float* bias;  // null: none
  unsigned vectors;   // rows * c / N
  unsigned c;
  Rectifier activation;
};

struct AddGradientParams {
  const void* from;
  float* to;
  unsigned count;
  bool accumulate;
};

/// y[rows,c] = activation(y + bias[c]), overwritten in place. A thread owns N neighbouring channels of one row; threads
/// lie along memory, so a warp moves 32 * N elements in a row, once in and once out. N divides c.
template <typename T, int N>
__global__ void __launch_bounds__(kEpilogueThreads) bias_activation_kernel(const BiasActivationParams p) {
  const unsigned vector = blockIdx.x * kEpilogueThreads + threadIdx.x;
  if (vector >= p.vectors) return;
  T* y = static_cast<T*>(p.y) + static_cast<std::size_t>(vector) * N;
  const unsigned channel = static_cast<unsigned>(static_cast<std::size_t>(vector) * N % p.c);
  Vec<T, N> value = load_vec<T, N>(y);
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const float bias = p.bias == nullptr ? 0.0f : p.bias[channel + i];
    value.v[i] = from_float<T>(p.activation.forward(to_float(value.v[i]) + bias));
  }
  store_vec(y, value);
}

/// to[count] (=|+=) from[count]. A thread owns one element; neighbours lie in neighbouring threads.
template <typename T>
__global__ void __launch_bounds__(kEpilogueThreads) add_gradient_kernel(const AddGradientParams p) {
  const unsigned i = blockIdx.x * kEpilogueThreads + threadIdx.x;
  if (i >= p.count) return;
  const float value = to_float(static_cast<const T*>(p.from)[i]);
  p.to[i] = p.accumulate ? p.to[i] + value : value;
}

#if !defined(__CUDACC_RTC__)
namespace {

unsigned checked(const char* what, std::size_t count) {
  if (count > 0x7FFFFFFFu)
    throw Error(std::string(what) + ": " + std::to_string(count) + " elements, at most 2^31 - 1");
  return static_cast<unsigned>(count);
}

dim3 blocks(unsigned threads) { return dim3((threads + kEpilogueThreads - 1) / kEpilogueThreads); }

template <typename T, int N>
void launch_bias_activation(Runtime& runtime, const BiasActivationParams& params) {
  runtime.launch("bias_activation", &bias_activation_kernel<T, N>, blocks(params.vectors), dim3(kEpilogueThreads),
                 params);
}

template <typename T>
void bias_activation_of(Runtime& runtime, BiasActivationParams params) {
  constexpr int kWidest = static_cast<int>(16 / sizeof(T));
  const bool aligned = params.c % kWidest == 0 && reinterpret_cast<std::uintptr_t>(params.y) % 16 == 0;
  if (aligned) {
    params.vectors /= kWidest;
    launch_bias_activation<T, kWidest>(runtime, params);
  } else {
    launch_bias_activation<T, 1>(runtime, params);
  }
}

}  // namespace

void bias_activation(Runtime& runtime, DType dtype, std::size_t rows, int c, const float* bias,
                     const Activation& activation, void* y) {
  if (bias == nullptr && activation.kind == ActivationKind::none) return;
  const unsigned channels = static_cast<unsigned>(c);
  const BiasActivationParams params{y, bias, checked("bias_activation", rows * channels), channels,
                                    Rectifier(activation)};
  if (dtype == DType::f16) return bias_activation_of<__half>(runtime, params);
  bias_activation_of<float>(runtime, params);
}

void add_gradient(Runtime& runtime, DType dtype, std::size_t count, const void* from, Write write, float* to) {
  const unsigned elements = checked("add_gradient", count);
  const AddGradientParams params{from, to, elements, write == Write::accumulate};
  runtime.launch("add_gradient", dtype == DType::f16 ? &add_gradient_kernel<__half> : &add_gradient_kernel<float>,
                 blocks(elements), dim3(kEpilogueThreads), params);
}

#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
