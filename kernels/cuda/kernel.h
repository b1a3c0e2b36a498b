// A registry row with the host functions that run it. An algorithm's .cu file makes one of each of its rows from a
// struct of `covers`, `workspace`, `launch` and `instance`; dispatch.cpp joins the algorithms. Launchers trust their
// arguments: the backend has validated the op and asked covers().
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/api/registry.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace TSUGI_GPU {

inline KernelOp op_of(const Conv2dForward*) { return KernelOp::conv2d_forward; }
inline KernelOp op_of(const Conv2dBackwardData*) { return KernelOp::conv2d_backward_data; }
inline KernelOp op_of(const Conv2dBackwardWeight*) { return KernelOp::conv2d_backward_weight; }

/// What the struct of an algorithm begins with. It is a template of the element's type and the tile, and adds
/// `covers(shape)`, `launch(runtime, op)`, and what differs from here.
template <typename Operation>
struct Pass {
  using Op = Operation;
  /// Scratch for one call (split sums, transformed weights), a multiple of 16; the launcher finds it in op.workspace.
  static std::size_t workspace(const Conv2dShape&, const DeviceInfo&) { return 0; }
  /// Where a row is compiled into several kernels: how the one is called that takes the shape, behind the row's name,
  /// if tensors are aligned. The name is the template's arguments, as tools/kernel_report_lib/rows.py writes them.
  static std::string instance(const Conv2dShape&) { return std::string(); }
};

struct Kernel {
  KernelRow row;
  bool (*covers)(const Conv2dShape& shape);
  std::size_t (*workspace)(const Conv2dShape& shape, const DeviceInfo& device);
  std::string (*instance)(const Conv2dShape& shape);
  void (*launch)(Runtime& runtime, const void* op);  ///< op: the struct of row.op
};

template <typename Algorithm>
Kernel make_kernel(const char* algorithm, DType dtype, int min_sm, int max_sm, const Tile& tile) {
  using Op = typename Algorithm::Op;
  return {{op_of(static_cast<const Op*>(nullptr)), algorithm, dtype, min_sm, max_sm, tile},
          &Algorithm::covers,
          &Algorithm::workspace,
          &Algorithm::instance,
          [](Runtime& runtime, const void* op) { Algorithm::launch(runtime, *static_cast<const Op*>(op)); }};
}

/// An element of an algorithm's list. Algorithm and TileType are templates; what follows the name is a row of rows.h.
#define TSUGI_KERNEL(Algorithm, TileType, name, dtype, min_sm, max_sm, ...) \
  make_kernel<Algorithm<element::dtype, TileType<__VA_ARGS__>>>(name, DType::dtype, min_sm, max_sm, {__VA_ARGS__}),

/// Every algorithm: a list of kernels in the .cu file that has it. Of rows that cost the same dispatch takes the first.
#define TSUGI_CONV2D_ALGORITHMS(ALGORITHM)    \
  ALGORITHM(conv2d_forward_gemm_1x1)          \
  ALGORITHM(conv2d_forward_gemm)              \
  ALGORITHM(conv2d_forward_direct)            \
  ALGORITHM(conv2d_forward_depthwise)         \
  ALGORITHM(conv2d_forward_winograd)          \
  ALGORITHM(conv2d_forward_mma)               \
  ALGORITHM(conv2d_forward_half2)             \
  ALGORITHM(conv2d_backward_data_gemm)        \
  ALGORITHM(conv2d_backward_data_depthwise)   \
  ALGORITHM(conv2d_backward_data_winograd)    \
  ALGORITHM(conv2d_backward_data_mma)         \
  ALGORITHM(conv2d_backward_data_half2)       \
  ALGORITHM(conv2d_backward_weight_gemm)      \
  ALGORITHM(conv2d_backward_weight_direct)    \
  ALGORITHM(conv2d_backward_weight_depthwise) \
  ALGORITHM(conv2d_backward_weight_mma)       \
  ALGORITHM(conv2d_backward_weight_half2)

#define TSUGI_ALGORITHM(algorithm) std::vector<Kernel> algorithm();
TSUGI_CONV2D_ALGORITHMS(TSUGI_ALGORITHM)
#undef TSUGI_ALGORITHM

/// Calls f with one of the two functions that kernels which wait for memory are compiled for.
template <typename F>
void with_kernel_activation(const Activation& activation, const F& f) {
  if (saves_input(activation.kind)) return f(SmoothActivation(activation));
  f(Rectifier(activation));
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
