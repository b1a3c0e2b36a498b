// The CPU backend's memory, description, choice of kernels, and the way from each op of the interface to its function.
#include "kernels/cpu/cpu_backend.h"

#include <omp.h>

#include <cstring>
#include <memory>
#include <new>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/api/threads.h"
#include "kernels/api/validate.h"
#include "kernels/cpu/augment.h"
#include "kernels/cpu/cpu_info.h"
#include "kernels/cpu/ops.h"

namespace tsugi {
namespace cpu {
namespace {

constexpr std::align_val_t kAlignment{64};
constexpr const char* kDenseKernel = "product";  // the name that it has as a candidate of convolutions

std::string threads_text(int threads) { return std::to_string(threads) + (threads == 1 ? " thread" : " threads"); }

int checked_threads(int threads) {
  if (threads < 0) throw Error("cpu: threads is " + std::to_string(threads) + ", expected 0 (all cores) or more");
  return threads == 0 ? available_threads().count : threads;
}

/// Throws Error when `op` came without the workspace that it needs; `bytes` is called only then.
template <typename Op, typename Bytes>
void require_workspace(const Op& op, const char* name, const Bytes& bytes) {
  if (op.workspace != nullptr) return;
  const std::size_t needed = bytes();
  if (needed != 0)
    throw Error(std::string(name) + ": workspace is null, expected " + std::to_string(needed) + " bytes");
}

/// Scratch memory of an op, asked by its shape or, where it has none, by itself.
template <typename Op>
auto bytes_for(const CpuBackend& backend, const Op& op) -> decltype(backend.workspace_bytes(op.shape, op.dtype)) {
  return backend.workspace_bytes(op.shape, op.dtype);
}
template <typename Op>
auto bytes_for(const CpuBackend& backend, const Op& op) -> decltype(backend.workspace_bytes(op)) {
  return backend.workspace_bytes(op);
}

}  // namespace

CpuBackend::CpuBackend(int threads) : threads_(checked_threads(threads)), conv2d_(threads_, dense_) {
  omp_set_dynamic(0);
  if (threads_ > 1) watch_ = std::make_unique<WaitWatch>(WaitWatch::Settings());
}

std::string CpuBackend::description() const {
  return cpu_model_name() + ", " + threads_text(threads_) + ", " + driver() + ", " + cpu_features().describe();
}

std::string CpuBackend::device() const {
  return cpu_model_name() + ", " + threads_text(threads_) + ", " + cpu_features().describe();
}

std::string CpuBackend::driver() const {
  const dnnl_version_t* version = dnnl_version();
  return "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

void CpuBackend::check(const KernelCall& call) const {
  validate(call.shape, tsugi::name_of(call.op));
  if (!supports(call.dtype))
    throw Error(std::string(tsugi::name_of(call.op)) + ": dtype is " + tsugi::name_of(call.dtype) +
                ", which this CPU does not compute in");
}

/// A dense layer has one kernel.
std::vector<std::string> CpuBackend::candidates(const KernelCall& call) const {
  check(call);
  return call.dense ? std::vector<std::string>{kDenseKernel} : conv2d_.candidates(call);
}

void CpuBackend::choose(const KernelCall& call, const std::string& kernel) {
  check(call);
  if (!call.dense) return conv2d_.choose(call, kernel);
  if (!kernel.empty() && kernel != kDenseKernel)
    throw Error("kernel \"" + kernel + "\": not one of those that compute " + describe(call) + " here");
}

std::string CpuBackend::chosen(const KernelCall& call) const {
  check(call);
  return call.dense ? kDenseKernel : conv2d_.chosen(call);
}

bool CpuBackend::supports(DType dtype) const {
  return dtype == DType::f32 || (dtype == DType::bf16 && cpu_features().avx512_bf16);
}

void* CpuBackend::allocate(std::size_t bytes) {
  void* memory = bytes <= PTRDIFF_MAX ? ::operator new(bytes, kAlignment, std::nothrow) : nullptr;
  if (memory == nullptr) throw Error("cpu: cannot allocate " + std::to_string(bytes) + " bytes");
  return memory;
}

void CpuBackend::release(void* memory) noexcept { ::operator delete(memory, kAlignment); }

void CpuBackend::copy_to_device(void* to, const void* from, std::size_t bytes) {
  if (bytes != 0 && to != from) std::memcpy(to, from, bytes);
}

void CpuBackend::copy_to_host(void* to, const void* from, std::size_t bytes) {
  if (bytes != 0 && to != from) std::memcpy(to, from, bytes);
}

void CpuBackend::fill_zero(void* memory, std::size_t bytes) {
  if (bytes != 0) std::memset(memory, 0, bytes);
}

/// oneDNN takes the thread count of the OpenMP runtime.
void CpuBackend::use_threads() const { omp_set_num_threads(threads_); }

std::size_t CpuBackend::workspace_bytes(const Conv2dShape& shape, DType dtype) const {
  validate(shape, "conv2d");
  use_threads();
  return conv2d_.workspace_bytes(shape, dtype);
}

std::size_t CpuBackend::workspace_bytes(const DenseShape& shape, DType dtype) const {
  validate(shape, "dense");
  use_threads();
  return dense_.workspace_bytes(shape, dtype);
}

std::size_t CpuBackend::workspace_bytes(const BatchNormShape& shape, DType) const {
  validate(shape, "batch_norm");
  return batch_norm_workspace_bytes(shape, threads_);
}

std::size_t CpuBackend::workspace_bytes(const AugmentForward& op) const { return augment_workspace_bytes(op); }

std::size_t CpuBackend::workspace_bytes(const GradientNorm& op) const {
  return gradient_norm_workspace_bytes(op.count);
}

template <typename Op>
void CpuBackend::prepare(const Op& op, const char* name) const {
  require_workspace(op, name, [&] { return bytes_for(*this, op); });
  use_threads();
}

void CpuBackend::compute_conv2d_forward(const Conv2dForward& op) {
  prepare(op, "conv2d_forward");
  conv2d_.forward(op);
}

void CpuBackend::compute_conv2d_backward_data(const Conv2dBackwardData& op) {
  prepare(op, "conv2d_backward_data");
  conv2d_.backward_data(op);
}

void CpuBackend::compute_conv2d_backward_weight(const Conv2dBackwardWeight& op) {
  prepare(op, "conv2d_backward_weight");
  conv2d_.backward_weight(op);
}

void CpuBackend::compute_dense_forward(const DenseForward& op) {
  prepare(op, "dense_forward");
  dense_.forward(op, threads_);
}

void CpuBackend::compute_dense_backward_data(const DenseBackwardData& op) {
  prepare(op, "dense_backward_data");
  dense_.backward_data(op, threads_);
}

void CpuBackend::compute_dense_backward_weight(const DenseBackwardWeight& op) {
  prepare(op, "dense_backward_weight");
  dense_.backward_weight(op, threads_);
}

#define TSUGI_OP(name, Op)                                              \
  void CpuBackend::compute_##name(const Op& op) {                       \
    require_workspace(op, #name, [&] { return bytes_for(*this, op); }); \
    cpu::name(op, threads_);                                            \
  }
TSUGI_SCRATCH_OPS(TSUGI_OP)
#undef TSUGI_OP

#define TSUGI_OP(name, Op) \
  void CpuBackend::compute_##name(const Op& op) { cpu::name(op, threads_); }
TSUGI_PLAIN_OPS(TSUGI_OP)
#undef TSUGI_OP

}  // namespace cpu

std::unique_ptr<Backend> make_cpu_backend(int threads) { return std::make_unique<cpu::CpuBackend>(threads); }

}  // namespace tsugi
