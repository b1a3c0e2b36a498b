// Activation, residual add and cast: one element in, one out. Each is one instance of one kernel around a functor; the
// work is moving memory, so elements travel in vectors of 16 bytes wherever the pointers allow.
#include "kernels/api/pointwise.h"
#include "kernels/cuda/device/reduce.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/kernel.h"
#include "kernels/cuda/ops.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

// A functor's run<N>(i) computes elements i to i + N. It says how many elements there
// are, and reads all N of each input before it writes the output's, so that outputs may be inputs. Act: Rectifier or
// SmoothActivation.

template <typename T, typename Act>
struct ActivationForwardMap {
  std::size_t count;
  const T* x;
  T* y;
  Act activation;

  template <int N>
  __device__ __forceinline__ void run(std::size_t i) const {
    const Vec<T, N> in = load_vec<T, N>(x + i);
    Vec<T, N> out;
#pragma unroll
    for (int k = 0; k < N; ++k) out.v[k] = from_float<T>(activation.forward(to_float(in.v[k])));
    store_vec<T, N>(y + i, out);
  }
};

template <typename T, typename Act>
struct ActivationBackwardMap {
  std::size_t count;
  const T *saved, *d_y;  ///< saved: d_y itself without an activation, which changes nothing
  T* d_x;
  Act activation;
  bool accumulate;

  template <int N>
  __device__ __forceinline__ void run(std::size_t i) const {
    const Vec<T, N> source = load_vec<T, N>(saved + i), gradient = load_vec<T, N>(d_y + i);
    Vec<T, N> out = {};
    if (accumulate) out = load_vec<T, N>(d_x + i);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      const float added = activation.backward(to_float(source.v[k]), to_float(gradient.v[k]));
      out.v[k] = from_float<T>(accumulate ? to_float(out.v[k]) + added : added);
    }
    store_vec<T, N>(d_x + i, out);
  }
};

template <typename T, typename Act>
struct AddForwardMap {
  std::size_t count;
  const T *a, *b;
  T *y, *saved;  ///< saved: a + b, or null
  Act activation;

  template <int N>
  __device__ __forceinline__ void run(std::size_t i) const {
    const Vec<T, N> left = load_vec<T, N>(a + i), right = load_vec<T, N>(b + i);
    Vec<T, N> out;
#pragma unroll
    for (int k = 0; k < N; ++k)
      out.v[k] = from_float<T>(activation.forward(to_float(left.v[k]) + to_float(right.v[k])));
    if (Act::kSavesInput && saved != nullptr) {
      Vec<T, N> sum;
#pragma unroll
      for (int k = 0; k < N; ++k) sum.v[k] = from_float<T>(to_float(left.v[k]) + to_float(right.v[k]));
      store_vec<T, N>(saved + i, sum);
    }
    store_vec<T, N>(y + i, out);
  }
};

template <typename From, typename To>
struct CastMap {
  std::size_t count;
  const From* from;
  To* to;

  template <int N>
  __device__ __forceinline__ void run(std::size_t i) const {
    const Vec<From, N> in = load_vec<From, N>(from + i);
    Vec<To, N> out;
#pragma unroll
    for (int k = 0; k < N; ++k) out.v[k] = from_float<To>(to_float(in.v[k]));
    store_vec<To, N>(to + i, out);
  }
};

/// Runs `map` on its elements, N at a time; the last count % N one at a time.
/// Grid-stride: neighbouring threads own neighbouring vectors, so a warp moves 512 consecutive bytes an access. Every
/// tensor moves once. N > 1 needs pointers aligned to a vector. Overwrites or adds as the map says.
template <typename Map, int N>
__global__ void __launch_bounds__(kBlockThreads) pointwise(const Map map) {
  const std::size_t vectors = map.count / N;
  for (std::size_t i = grid_thread(); i < vectors; i += grid_threads()) map.template run<N>(i * N);
  const std::size_t rest = vectors * N + grid_thread();
  if (N > 1 && rest < map.count) map.template run<1>(rest);  // fewer than N are left: the first threads have one each
}

#ifndef __CUDACC_RTC__
namespace {

/// N: elements of a vector; is_aligned: whether all pointers allow it.
template <int N, typename Map>
void launch(Runtime& runtime, const char* name, const Map& map, bool is_aligned) {
  if (is_aligned) {
    runtime.launch(name, &pointwise<Map, N>, flat_blocks((map.count + N - 1) / N), kBlockThreads, map);
  } else {
    runtime.launch(name, &pointwise<Map, 1>, flat_blocks(map.count), kBlockThreads, map);
  }
}

template <typename T, typename Act>
void forward(Runtime& runtime, const ActivationForward& op, const Act& act) {
  const ActivationForwardMap<T, Act> map{op.count, static_cast<const T*>(op.x), static_cast<T*>(op.y), act};
  launch<vector_width<T>()>(runtime, "activation_forward", map, aligned(16, op.x, op.y));
}

template <typename T, typename Act>
void backward(Runtime& runtime, const ActivationBackward& op, const Act& act) {
  const void* saved = op.activation.kind == ActivationKind::none ? op.d_y : op.saved;
  const ActivationBackwardMap<T, Act> map{
      op.count, static_cast<const T*>(saved), static_cast<const T*>(op.d_y), static_cast<T*>(op.d_x),
      act,      op.write == Write::accumulate};
  launch<vector_width<T>()>(runtime, "activation_backward", map, aligned(16, saved, op.d_y, op.d_x));
}

template <typename T, typename Act>
void add(Runtime& runtime, const AddForward& op, const Act& act) {
  const AddForwardMap<T, Act> map{op.count,
                                  static_cast<const T*>(op.a),
                                  static_cast<const T*>(op.b),
                                  static_cast<T*>(op.y),
                                  static_cast<T*>(op.saved),
                                  act};
  launch<vector_width<T>()>(runtime, "add_forward", map, aligned(16, op.a, op.b, op.y, op.saved));
}

template <typename From, typename To>
void convert(Runtime& runtime, const Cast& op) {
  constexpr int kWidth = sizeof(From) > sizeof(To) ? vector_width<From>() : vector_width<To>();
  const CastMap<From, To> map{op.count, static_cast<const From*>(op.from), static_cast<To*>(op.to)};
  launch<kWidth>(runtime, "cast", map, aligned(16, op.from, op.to));
}

}  // namespace

void activation_forward(Runtime& runtime, const ActivationForward& op) {
  with_kernel_activation(op.activation, [&](auto act) {
    (op.dtype == DType::f16 ? forward<__half, decltype(act)> : forward<float, decltype(act)>)(runtime, op, act);
  });
}
void activation_backward(Runtime& runtime, const ActivationBackward& op) {
  with_kernel_activation(op.activation, [&](auto act) {
    (op.dtype == DType::f16 ? backward<__half, decltype(act)> : backward<float, decltype(act)>)(runtime, op, act);
  });
}
void add_forward(Runtime& runtime, const AddForward& op) {
  with_kernel_activation(op.activation, [&](auto act) {
    (op.dtype == DType::f16 ? add<__half, decltype(act)> : add<float, decltype(act)>)(runtime, op, act);
  });
}
void cast(Runtime& runtime, const Cast& op) {
  if (op.from_dtype == DType::f16) {
    (op.to_dtype == DType::f16 ? convert<__half, __half> : convert<__half, float>)(runtime, op);
  } else {
    (op.to_dtype == DType::f16 ? convert<float, __half> : convert<float, float>)(runtime, op);
  }
}

#else
#define TSUGI_INSTANCE(N, ...)                                               \
  template __global__ void pointwise<__VA_ARGS__, N>(const __VA_ARGS__ map); \
  template __global__ void pointwise<__VA_ARGS__, 1>(const __VA_ARGS__ map);
#define TSUGI_ACTIVATION_INSTANCES(N, T, Act)      \
  TSUGI_INSTANCE(N, ActivationForwardMap<T, Act>)  \
  TSUGI_INSTANCE(N, ActivationBackwardMap<T, Act>) \
  TSUGI_INSTANCE(N, AddForwardMap<T, Act>)
TSUGI_ACTIVATION_INSTANCES(4, float, Rectifier)
TSUGI_ACTIVATION_INSTANCES(4, float, SmoothActivation)
TSUGI_ACTIVATION_INSTANCES(8, __half, Rectifier)
TSUGI_ACTIVATION_INSTANCES(8, __half, SmoothActivation)
TSUGI_INSTANCE(4, CastMap<float, float>)
TSUGI_INSTANCE(4, CastMap<float, __half>)
TSUGI_INSTANCE(4, CastMap<__half, float>)
TSUGI_INSTANCE(8, CastMap<__half, __half>)
#undef TSUGI_ACTIVATION_INSTANCES
#undef TSUGI_INSTANCE
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
