// The GPU backend: picks a registry row where there is a choice, and runs the launchers on a
// Runtime. Compiled for CUDA (device cuda) and for the emulator (device simt).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/dispatch.h"
#include "kernels/cuda/runtime.h"
#include "kernels/tuning/digest.h"

namespace tsugi {
namespace TSUGI_GPU {

class GpuBackend : public RegistryBackend, public KernelChoice {
 public:
  GpuBackend(std::string name, std::unique_ptr<Runtime> runtime);

  std::string name() const override { return name_; }
  std::string description() const override;
  bool supports(DType dtype) const override { return dtype == DType::f32 || dtype == DType::f16; }
  bool shares_host_memory() const override { return runtime_->info().integrated; }
  void* allocate(std::size_t bytes) override { return runtime_->allocate(bytes); }
  void release(void* memory) noexcept override { runtime_->release(memory); }
  void copy_to_device(void* to, const void* from, std::size_t bytes) override {
    runtime_->copy_to_device(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, std::size_t bytes) override { runtime_->copy_to_host(to, from, bytes); }
  void fill_zero(void* memory, std::size_t bytes) override { runtime_->fill_zero(memory, bytes); }
  void synchronize() override { runtime_->synchronize(); }
  std::size_t free_bytes() const override { return runtime_->free_bytes(); }
  std::size_t allocations() const override { return runtime_->allocations(); }
  bool captures() const override { return true; }
  void begin_capture() override { runtime_->begin_capture(); }
  std::unique_ptr<CapturedWork> end_capture() override { return runtime_->end_capture(); }
  std::unique_ptr<TimeMark> make_time_mark() override;
  void begin_range(const char* range) override { runtime_->begin_range(range); }
  void end_range() override { runtime_->end_range(); }

  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype) const override;
  std::size_t workspace_bytes(const DenseShape& shape, DType dtype) const override;
  std::size_t workspace_bytes(const BatchNormShape& shape, DType dtype) const override;
  std::size_t workspace_bytes(const AugmentForward& op) const override;
  std::size_t workspace_bytes(const GradientNorm& op) const override;

  int sm() const override { return runtime_->info().sm; }
  std::vector<KernelRow> rows() const override;
  bool covers(std::size_t row, const Conv2dShape& shape) const override {
    return dispatch_.kernels().at(row).covers(shape);
  }
  void pin(int row) override { dispatch_.pin(row); }
  std::size_t row_for(KernelOp op, const Conv2dShape& shape, DType dtype) const override {
    return dispatch_.row_for(op, shape, dtype);
  }
  std::string compiled(const KernelCall& call, const std::string& row) const override;

  KernelChoice* kernel_choice() override { return this; }
  std::string device() const override;
  std::string driver() const override { return runtime_->info().versions; }
  std::string kernels() const override { return kernels_digest(); }
  std::vector<std::string> candidates(const KernelCall& call) const override;
  void choose(const KernelCall& call, const std::string& kernel) override;
  std::string chosen(const KernelCall& call) const override;

  double fma_burst(DType dtype, int steps, float* out) override;
  void copy_burst(const void* from, std::size_t bytes, void* to) override;

 protected:  // for backends that replace some of the ops (kernels/vendor)
  TSUGI_OPS(TSUGI_OVERRIDE_OP)
  Runtime& runtime() const { return *runtime_; }
  void check(const char* op, DType dtype) const;

 private:
  template <typename Op>
  void product(const char* name, const Op& op);

  std::string name_;
  std::unique_ptr<Runtime> runtime_;
  Dispatch dispatch_;
};

}  // namespace TSUGI_GPU
}  // namespace tsugi
