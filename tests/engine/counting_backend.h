// A backend that passes every call on and keeps count of device memory and of the backward pass.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "kernels/api/backend.h"

namespace tsugi::test {

class CountingBackend : public Backend {
 public:
  explicit CountingBackend(std::unique_ptr<Backend> inner) : inner_(std::move(inner)) {}

  int allocations = 0;
  std::size_t live_bytes = 0, peak_bytes = 0;
  std::map<std::string, int> backward_calls;  ///< by op

  void* allocate(std::size_t bytes) override {
    void* memory = inner_->allocate(bytes);
    ++allocations;
    sizes_[memory] = bytes;
    live_bytes += bytes;
    peak_bytes = live_bytes > peak_bytes ? live_bytes : peak_bytes;
    return memory;
  }
  void release(void* memory) noexcept override {
    live_bytes -= sizes_[memory];
    inner_->release(memory);
  }

  std::string name() const override { return inner_->name(); }
  std::string description() const override { return inner_->description(); }
  bool supports(DType dtype) const override { return inner_->supports(dtype); }
  bool shares_host_memory() const override { return inner_->shares_host_memory(); }
  bool reads_host_memory() const override { return inner_->reads_host_memory(); }
  bool captures() const override { return inner_->captures(); }
  void begin_capture() override { inner_->begin_capture(); }
  std::unique_ptr<CapturedWork> end_capture() override { return inner_->end_capture(); }
  void copy_to_device(void* to, const void* from, std::size_t bytes) override {
    inner_->copy_to_device(to, from, bytes);
  }
  void copy_to_host(void* to, const void* from, std::size_t bytes) override { inner_->copy_to_host(to, from, bytes); }
  void fill_zero(void* memory, std::size_t bytes) override { inner_->fill_zero(memory, bytes); }
  void synchronize() override { inner_->synchronize(); }
  double fma_burst(DType dtype, int steps, float* out) override { return inner_->fma_burst(dtype, steps, out); }
  void copy_burst(const void* from, std::size_t bytes, void* to) override { inner_->copy_burst(from, bytes, to); }
  std::size_t workspace_bytes(const Conv2dShape& s, DType t) const override { return inner_->workspace_bytes(s, t); }
  std::size_t workspace_bytes(const DenseShape& s, DType t) const override { return inner_->workspace_bytes(s, t); }
  std::size_t workspace_bytes(const BatchNormShape& s, DType t) const override { return inner_->workspace_bytes(s, t); }
  std::size_t workspace_bytes(const AugmentForward& op) const override { return inner_->workspace_bytes(op); }
  std::size_t workspace_bytes(const GradientNorm& op) const override { return inner_->workspace_bytes(op); }

 protected:
#define TSUGI_OP(name, Op)                                                   \
  void compute_##name(const Op& op) override {                               \
    if (std::strstr(#name, "_backward") != nullptr) ++backward_calls[#name]; \
    inner_->name(op);                                                        \
  }
  TSUGI_OPS(TSUGI_OP)
#undef TSUGI_OP

 private:
  std::unique_ptr<Backend> inner_;
  std::map<void*, std::size_t> sizes_;
};

}  // namespace tsugi::test
