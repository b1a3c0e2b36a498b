// A backend that hands out addresses instead of memory, and notes every op instead of computing it. For
// recorded_step.cpp.
#pragma once

#include <string>

#include "bench/measure/recorded_step.h"
#include "engine/model/step_probe.h"

namespace tsugi::bench {

class RecordingBackend : public Backend, public StepProbe {
 public:
  /// kernels: whose scratch memory is planned for, must outlive this. name: in messages. device_memory: 0 = nobody
  /// knows.
  RecordingBackend(Backend& kernels, const std::string& name, std::size_t device_memory)
      : kernels_(kernels), name_(name.empty() ? kernels.name() : name), device_memory_(device_memory) {}

  /// Forgets what was noted so far: what follows is the step.
  void start();
  void take(RecordedStep& step);

  void enter(StepPart part, int layer) override { part_ = part, layer_ = layer; }
  void leave() override {}

  std::string name() const override { return name_; }
  std::string description() const override { return kernels_.description(); }
  bool supports(DType dtype) const override { return kernels_.supports(dtype); }
  bool shares_host_memory() const override { return kernels_.shares_host_memory(); }
  bool reads_host_memory() const override { return kernels_.reads_host_memory(); }
  void* allocate(std::size_t bytes) override;
  void release(void*) noexcept override {}
  std::size_t free_bytes() const override;
  void copy_to_device(void* to, const void* from, std::size_t bytes) override;
  void copy_to_host(void* to, const void* from, std::size_t bytes) override;
  void fill_zero(void*, std::size_t) override {}
  void synchronize() override {}

  std::size_t workspace_bytes(const Conv2dShape& shape, DType dtype) const override {
    return kernels_.workspace_bytes(shape, dtype);
  }
  std::size_t workspace_bytes(const DenseShape& shape, DType dtype) const override {
    return kernels_.workspace_bytes(shape, dtype);
  }
  std::size_t workspace_bytes(const BatchNormShape& shape, DType dtype) const override {
    return kernels_.workspace_bytes(shape, dtype);
  }
  std::size_t workspace_bytes(const AugmentForward& op) const override { return kernels_.workspace_bytes(op); }
  std::size_t workspace_bytes(const GradientNorm& op) const override { return kernels_.workspace_bytes(op); }

 private:
  TSUGI_OPS(TSUGI_OVERRIDE_OP)
  void note(OpFeatures features);  // of an op of no layer
  void note(const OpCase& op_case, OpPass pass, DType dtype, double more_bytes = 0.0);
  template <class Forward>
  void note_forward(NodeKind kind, const Conv2dShape& shape, const Forward& op);
  template <class BackwardData>
  void note_backward_data(NodeKind kind, const Conv2dShape& shape, const BackwardData& op);
  template <class BackwardWeight>
  void note_backward_weight(NodeKind kind, const Conv2dShape& shape, const BackwardWeight& op);
  void note_update(const char* op, const UpdateBuffers& b, int moments);

  Backend& kernels_;
  std::string name_;
  std::size_t device_memory_;
  std::size_t next_ = 4096;  ///< address of the next allocation: never null
  StepPart part_ = StepPart::data;
  int layer_ = -1;
  RecordedStep noted_;
};

}  // namespace tsugi::bench
