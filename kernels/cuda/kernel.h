// A registry row with the host functions that run it. A variant's .cu file makes one of each of its rows from a struct
// of `covers`, `workspace`, `launch` and `instance`; dispatch.cpp joins the variants. Launchers trust their arguments:
// the backend has validated the op and asked covers().
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

/// What the struct of a variant begins with. It is a template of the element's type and the tile, and adds
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
  Row row;
  bool (*covers)(const Conv2dShape& shape);
  std::size_t (*workspace)(const Conv2dShape& shape, const DeviceInfo& device);
  std::string (*instance)(const Conv2dShape& shape);
  void (*launch)(Runtime& runtime, const void* op);  ///< op: the struct of row.op
};

template <typename Variant>
Kernel make_kernel(const char* variant, DType dtype, int min_sm, int max_sm, const Tile& tile) {
  using Op = typename Variant::Op;
  return {{op_of(static_cast<const Op*>(nullptr)), variant, dtype, min_sm, max_sm, tile},
          &Variant::covers,
          &Variant::workspace,
          &Variant::instance,
          [](Runtime& runtime, const void* op) { Variant::launch(runtime, *static_cast<const Op*>(op)); }};
}

/// An element of a variant's list. Variant and TileType are templates; what follows the name is a row of rows.h.
#define TSUGI_KERNEL(Variant, TileType, name, dtype, min_sm, max_sm, ...) \
  make_kernel<Variant<element::dtype, TileType<__VA_ARGS__>>>(name, DType::dtype, min_sm, max_sm, {__VA_ARGS__}),

/// Every variant: a list of kernels in the .cu file that has it. Of rows that cost the same dispatch takes the first.
#define TSUGI_CONV2D_VARIANTS(VARIANT)      \
  VARIANT(conv2d_forward_gemm_1x1)          \
  VARIANT(conv2d_forward_gemm)              \
  VARIANT(conv2d_forward_direct)            \
  VARIANT(conv2d_forward_depthwise)         \
  VARIANT(conv2d_forward_winograd)          \
  VARIANT(conv2d_forward_mma)               \
  VARIANT(conv2d_forward_half2)             \
  VARIANT(conv2d_backward_data_gemm)        \
  VARIANT(conv2d_backward_data_depthwise)   \
  VARIANT(conv2d_backward_data_winograd)    \
  VARIANT(conv2d_backward_data_mma)         \
  VARIANT(conv2d_backward_data_half2)       \
  VARIANT(conv2d_backward_weight_gemm)      \
  VARIANT(conv2d_backward_weight_direct)    \
  VARIANT(conv2d_backward_weight_depthwise) \
  VARIANT(conv2d_backward_weight_mma)       \
  VARIANT(conv2d_backward_weight_half2)

#define TSUGI_VARIANT(variant) std::vector<Kernel> variant();
TSUGI_CONV2D_VARIANTS(TSUGI_VARIANT)
#undef TSUGI_VARIANT

/// Calls f with one of the two functions that kernels which wait for memory are compiled for.
template <typename F>
void with_kernel_activation(const Activation& activation, const F& f) {
  if (saves_input(activation.kind)) return f(SmoothActivation(activation));
  f(Rectifier(activation));
}

}  // namespace TSUGI_GPU
}  // namespace tsugi
