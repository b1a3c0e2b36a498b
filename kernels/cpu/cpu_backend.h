// The production CPU backend: oneDNN for convolutions and matrix products, vectorised C++ for the rest. Made by
// make_cpu_backend(); public here so that tests can look at its caches.
#pragma once

#include <memory>
#include <string>

#include "kernels/cpu/host_backend.h"
#include "kernels/cpu/product_kernels.h"
#include "kernels/cpu/waiting.h"
#include "kernels/tuning/digest.h"

namespace tsugi {
namespace cpu {

/// Every op runs on `threads` threads before it returns. One object serves one thread at a
/// time.
class CpuBackend : public HostBackend, public KernelChoice {
 public:
  /// threads: 0 = all cores. Throws Error on a negative count.
  explicit CpuBackend(int threads);

  std::string name() const override { return "cpu"; }
  std::string description() const override;
  bool supports(DType dtype) const override;

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
  std::size_t cached_primitives() const { return products_.cached_primitives(); }

 private:
  TSUGI_OPS(TSUGI_OVERRIDE_OP)
  void use_threads() const;
  void check(const KernelCall& call) const;

  std::unique_ptr<WaitWatch> watch_;  // of one thread: null
  mutable ProductKernels products_;
};

}  // namespace cpu
}  // namespace tsugi
