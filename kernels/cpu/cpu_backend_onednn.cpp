// The CPU backend's memory, description, choice of kernels, and the way from each op of the interface to its function.
#include "kernels/cpu/cpu_backend.h"

#include <omp.h>

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>

#include "kernels/api/threads.h"
#include "kernels/api/validate.h"
#include "kernels/cpu/cpu_info.h"
#include "kernels/cpu/ops.h"

namespace tsugi {
namespace cpu {
namespace {

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

CpuBackend::CpuBackend(int threads) : HostBackend(checked_threads(threads)), products_(threads_) {
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

std::vector<std::string> CpuBackend::candidates(const KernelCall& call) const {
  check(call);
  return products_.candidates(call);
}

void CpuBackend::choose(const KernelCall& call, const std::string& kernel) {
  check(call);
  products_.choose(call, kernel);
}

std::string CpuBackend::chosen(const KernelCall& call) const {
  check(call);
  return products_.chosen(call);
}

bool CpuBackend::supports(DType dtype) const {
  return dtype == DType::f32 || (dtype == DType::bf16 && cpu_features().avx512_bf16);
}

/// oneDNN takes the thread count of the OpenMP runtime.
void CpuBackend::use_threads() const { omp_set_num_threads(threads_); }

std::size_t CpuBackend::workspace_bytes(const Conv2dShape& shape, DType dtype) const {
  validate(shape, "conv2d");
  use_threads();
  return products_.workspace_bytes(shape, dtype);
}

std::size_t CpuBackend::workspace_bytes(const DenseShape& shape, DType dtype) const {
  validate(shape, "dense");
  use_threads();
  return products_.workspace_bytes(shape, dtype);
}

std::size_t CpuBackend::workspace_bytes(const BatchNormShape& shape, DType) const {
  validate(shape, "batch_norm");
  return batch_norm_workspace_bytes(shape, threads_);
}

std::size_t CpuBackend::workspace_bytes(const AugmentForward& op) const { return augment_workspace_bytes(op); }

std::size_t CpuBackend::workspace_bytes(const GradientNorm& op) const { return gradient_norm_workspace_bytes(op); }

#define TSUGI_OP(name, Op)                                              \
  void CpuBackend::compute_##name(const Op& op) {                       \
    require_workspace(op, #name, [&] { return bytes_for(*this, op); }); \
    use_threads();                                                      \
    products_.name(op);                                                 \
  }
TSUGI_PRODUCT_OPS(TSUGI_OP)
#undef TSUGI_OP

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
