// A registry row with the host functions that run it. Each variant's .cu file gives its own list; dispatch.cpp joins
// them. Launchers trust their arguments: the backend has validated the op and asked covers().
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/api/registry.h"
#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace TSUGI_GPU {

/// Operation: Conv2dForward, Conv2dBackwardData or Conv2dBackwardWeight.
template <typename Operation>
struct Kernel {
  Row row;
  bool (*covers)(const Conv2dShape& shape);
  /// Scratch for one call (split sums, transformed weights), a multiple of 16; the launcher finds it in op.workspace.
  std::size_t (*workspace_bytes)(const Conv2dShape& shape, const DeviceInfo& device);
  void (*launch)(Runtime& runtime, const Operation& op);
};

/// Calls f with one of the two functions that kernels which wait for memory are compiled for.
template <typename F>
void with_kernel_activation(const Activation& activation, const F& f) {
  if (saves_input(activation.kind)) return f(SmoothActivation(activation));
  f(Rectifier(activation));
}

// -- one list a file ----------------------------------------------------------------------------------------------
std::vector<Kernel<Conv2dForward>> conv2d_forward_gemm();             // conv2d_forward.cu: gemm, gemm_1x1
std::vector<Kernel<Conv2dForward>> conv2d_forward_direct();           // conv2d_direct.cu: few input channels
std::vector<Kernel<Conv2dForward>> conv2d_forward_depthwise();        // conv2d_depthwise.cu
std::vector<Kernel<Conv2dForward>> conv2d_forward_winograd();         // conv2d_winograd.cu
std::vector<Kernel<Conv2dForward>> conv2d_forward_mma();              // conv2d_mma.cu: tensor cores, fp16
std::vector<Kernel<Conv2dForward>> conv2d_forward_half2();            // conv2d_half2.cu: Maxwell, fp16
std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_gemm();  // conv2d_backward_data.cu
std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_depthwise();
std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_winograd();
std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_mma();
std::vector<Kernel<Conv2dBackwardData>> conv2d_backward_data_half2();
std::vector<Kernel<Conv2dBackwardWeight>> conv2d_backward_weight_gemm();  // conv2d_backward_weight.cu
std::vector<Kernel<Conv2dBackwardWeight>> conv2d_backward_weight_direct();
std::vector<Kernel<Conv2dBackwardWeight>> conv2d_backward_weight_depthwise();
std::vector<Kernel<Conv2dBackwardWeight>> conv2d_backward_weight_mma();
std::vector<Kernel<Conv2dBackwardWeight>> conv2d_backward_weight_half2();

}  // namespace TSUGI_GPU
}  // namespace tsugi
