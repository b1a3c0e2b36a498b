// A backend that passes every call on and keeps count of device memory and of the backward pass.
#pragma once

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
  void conv2d_forward(const Conv2dForward& op) override { inner_->conv2d_forward(op); }
  void conv2d_backward_data(const Conv2dBackwardData& op) override {
    ++backward_calls["conv2d_backward_data"], inner_->conv2d_backward_data(op);
  }
  void conv2d_backward_weight(const Conv2dBackwardWeight& op) override {
    ++backward_calls["conv2d_backward_weight"], inner_->conv2d_backward_weight(op);
  }
  void dense_forward(const DenseForward& op) override { inner_->dense_forward(op); }
  void dense_backward_data(const DenseBackwardData& op) override {
    ++backward_calls["dense_backward_data"], inner_->dense_backward_data(op);
  }
  void dense_backward_weight(const DenseBackwardWeight& op) override {
    ++backward_calls["dense_backward_weight"], inner_->dense_backward_weight(op);
  }
  void batch_norm_forward(const BatchNormForward& op) override { inner_->batch_norm_forward(op); }
  void batch_norm_backward(const BatchNormBackward& op) override {
    ++backward_calls["batch_norm_backward"], inner_->batch_norm_backward(op);
  }
  void pool_forward(const PoolForward& op) override { inner_->pool_forward(op); }
  void pool_backward(const PoolBackward& op) override { ++backward_calls["pool_backward"], inner_->pool_backward(op); }
  void activation_forward(const ActivationForward& op) override { inner_->activation_forward(op); }
  void activation_backward(const ActivationBackward& op) override {
    ++backward_calls["activation_backward"], inner_->activation_backward(op);
  }
  void dropout_forward(const DropoutForward& op) override { inner_->dropout_forward(op); }
  void dropout_backward(const DropoutBackward& op) override {
    ++backward_calls["dropout_backward"], inner_->dropout_backward(op);
  }
  void add_forward(const AddForward& op) override { inner_->add_forward(op); }
  void cast(const Cast& op) override { inner_->cast(op); }
  void softmax_cross_entropy(const SoftmaxCrossEntropy& op) override { inner_->softmax_cross_entropy(op); }
  void softmax(const Softmax& op) override { inner_->softmax(op); }
  void augment_forward(const AugmentForward& op) override { inner_->augment_forward(op); }
  void dequantize_gather(const DequantizeGather& op) override { inner_->dequantize_gather(op); }
  void gradient_norm(const GradientNorm& op) override { inner_->gradient_norm(op); }
  void sgd_update(const SgdUpdate& op) override { inner_->sgd_update(op); }
  void adam_update(const AdamUpdate& op) override { inner_->adam_update(op); }

 private:
  std::unique_ptr<Backend> inner_;
  std::map<void*, std::size_t> sizes_;
};

}  // namespace tsugi::test
