// Second pass of split GEMMs (see split_reduce.h): conv2d_forward, conv2d_backward_data and conv2d_backward_weight
// write partial sums to their workspace where one pass has too few blocks for the device.
#include "kernels/cuda/device/element.h"
#ifndef __CUDACC_RTC__
#include "kernels/cuda/split_reduce.h"
#endif

namespace tsugi {
namespace TSUGI_GPU {

constexpr int kSplitReduceThreads = 256;

template <typename T>
struct SplitReduceParams {
  const float* partials;
  const float* bias;
  const T* mask;
  T* out;
  std::size_t count;
  int splits, columns;
  Rectifier activation;
  bool accumulate;
};

/// out[i] = activation'(mask[i]) * s, or activation(s); s = sum over splits of partials[split,i] + bias[i % columns]
/// [+ out[i]]. A thread owns V neighbours, a block 256 V of them; splits are added in order, so results do not depend
/// on the grid. Partials stream once, V * 4 bytes a thread and neighbours together; out is written once (read first to
/// accumulate). V = 4: count and, with a bias, columns are multiples of 4 and every pointer is aligned to four
/// elements.
template <typename T, int V>
__global__ void __launch_bounds__(kSplitReduceThreads) split_reduce_kernel(const SplitReduceParams<T> p) {
  const std::size_t i = (static_cast<std::size_t>(blockIdx.x) * kSplitReduceThreads + threadIdx.x) * V;
  if (i >= p.count) return;
  Vec<float, V> sum = load_vec<float, V>(p.partials + i);
  for (int split = 1; split < p.splits; ++split) {
    const Vec<float, V> part = load_vec<float, V>(p.partials + static_cast<std::size_t>(split) * p.count + i);
#pragma unroll
    for (int e = 0; e < V; ++e) sum.v[e] += part.v[e];
  }
  if (p.bias != nullptr) {
    const int column = static_cast<int>(i % static_cast<std::size_t>(p.columns));
#pragma unroll
    for (int e = 0; e < V; ++e) sum.v[e] += p.bias[column + e];
  }
  if (p.accumulate) {
    const Vec<T, V> old = load_vec<T, V>(p.out + i);
#pragma unroll
    for (int e = 0; e < V; ++e) sum.v[e] += to_float(old.v[e]);
  }
  if (p.mask != nullptr) {
    const Vec<T, V> y = load_vec<T, V>(p.mask + i);
#pragma unroll
    for (int e = 0; e < V; ++e) sum.v[e] = p.activation.backward(to_float(y.v[e]), sum.v[e]);
  } else {
#pragma unroll
    for (int e = 0; e < V; ++e) sum.v[e] = p.activation.forward(sum.v[e]);
  }
  Vec<T, V> out;
#pragma unroll
  for (int e = 0; e < V; ++e) out.v[e] = from_float<T>(sum.v[e]);
  store_vec<T, V>(p.out + i, out);
}

#ifndef __CUDACC_RTC__
namespace {

template <typename T>
void launch(Runtime& runtime, const SplitReduce& op) {
  const SplitReduceParams<T> params{op.partials,
                                    op.bias,
                                    static_cast<const T*>(op.mask),
                                    static_cast<T*>(op.out),
                                    op.count,
                                    op.splits,
                                    op.columns,
                                    op.activation,
                                    op.accumulate};
  const bool wide = op.count % 4 == 0 && (op.bias == nullptr || op.columns % 4 == 0) && aligned(op.partials, 16) &&
                    aligned(op.out, 4 * sizeof(T)) && aligned(op.mask, 4 * sizeof(T));
  const std::size_t blocks = blocks_for(op.count, static_cast<std::size_t>(kSplitReduceThreads) * (wide ? 4 : 1));
  runtime.launch("split_reduce", wide ? &split_reduce_kernel<T, 4> : &split_reduce_kernel<T, 1>,
                 dim3(static_cast<unsigned>(blocks)), dim3(kSplitReduceThreads), params);
}

}  // namespace

void split_reduce(Runtime& runtime, const SplitReduce& op) {
  if (op.dtype == DType::f32) {
    launch<float>(runtime, op);
  } else {
    launch<__half>(runtime, op);
  }
}

#else
template __global__ void split_reduce_kernel<float, 1>(const SplitReduceParams<float>);
template __global__ void split_reduce_kernel<float, 4>(const SplitReduceParams<float>);
template __global__ void split_reduce_kernel<__half, 1>(const SplitReduceParams<__half>);
template __global__ void split_reduce_kernel<__half, 4>(const SplitReduceParams<__half>);
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
