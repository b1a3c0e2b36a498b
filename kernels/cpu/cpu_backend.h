// The production CPU backend: oneDNN for convolutions and matrix products, vectorised C++ for the rest. Made by
// make_cpu_backend(); public here so that tests can look at its caches.
#pragma once

#include <memory>
#include <string>

#include "kernels/api/backend.h"
#include "kernels/cpu/conv2d_kernels.h"
#include "kernels/cpu/dense.h"
#include "kernels/cpu/peak.h"
#include "kernels/cpu/waiting.h"
#include "kernels/tuning/digest.h"

namespace tsugi {
namespace cpu {

/// Every op runs on `threads` threads before it returns. One object serves one thread at a
/// time.
class CpuBackend : public Backend, public KernelChoice {
 public:
  /// threads: 0 = all cores. Throws Error on a negative count.
  explicit CpuBackend(int threads);

  std::string name() const override { return "cpu"; }
  std::string description() const override;
  bool supports(DType dtype) const override;
  bool shares_host_memory() const override { return true; }
  bool reads_host_memory() const override { return true; }
  void* allocate(std::size_t bytes) override;
  void release(void* memory) noexcept override;
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void fill_zero(void* memory, std::size_t bytes) override;
  void synchronize() override {}
  double fma_burst(DType dtype, int steps, float*) override { return cpu::fma_burst(dtype, steps, threads_); }
  void copy_burst(const void* from, std::size_t bytes, void* to) override {
    cpu::copy_burst(from, bytes, to, threads_);
  }

  KernelChoice* kernel_choice() override { return this; }
  std::string device() const override;
  std::string driver() const override;
  std::string kernels() const override { return kernels_digest(); }
  std::vector<std::string> candidates(const KernelCall& call) const override;
  void choose(const KernelCall& call, const std::string& kernel) override;
  std::string chosen(const KernelCall& call) const override;

  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype) const override;
  std::size_t workspace_bytes(const DenseShape& shape, DType dtype) const override;
  std::size_t workspace_bytes(const BatchNormShape& shape, DType dtype) const override;
  std::size_t workspace_bytes(const AugmentForward& op) const override;
  std::size_t workspace_bytes(const GradientNorm& op) const override;

  int threads() const { return threads_; }
  /// Primitives made so far: does not grow once every shape has been seen.
  std::size_t cached_primitives() const { return conv2d_.cached_primitives() + dense_.cached_primitives(); }

 private:
  TSUGI_OPS(TSUGI_OVERRIDE_OP)
  void use_threads() const;
  template <typename Op>
  void prepare(const Op& op, const char* name) const;
  void check(const KernelCall& call) const;

  int threads_;
  std::unique_ptr<WaitWatch> watch_;  // of one thread: null
  mutable DenseOnednn dense_;
  mutable Conv2dKernels conv2d_;
};

}  // namespace cpu
}  // namespace tsugi
