// The reference as a backend: host memory, one thread, f32, bf16 and f16 tensors, every op through
// kernels/cpu/reference.h.
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include "kernels/api/validate.h"
#include "kernels/cpu/peak.h"
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace {

constexpr std::align_val_t kAlignment{64};

/// Calls body(T()) with the C++ type T of `dtype`.
template <typename Body>
void for_type(DType dtype, const char* op, Body body) {
  switch (dtype) {
    case DType::f32:
      return body(float());
    case DType::bf16:
      return body(reference::Bfloat16());
    case DType::f16:
      return body(reference::Float16());
    default:
      throw Error(std::string(op) + ": dtype is " + name_of(dtype) + ", the reference computes in f32, bf16 and f16");
  }
}

class ReferenceBackend : public Backend {
 public:
  std::string name() const override { return "reference"; }
  std::string description() const override {
    return std::string("naive double-precision loops on one thread (slow)") +
           (TSUGI_HAVE_ONEDNN ? "" : "; warning: this build has no oneDNN, so it stands in for the cpu device");
  }
  bool supports(DType dtype) const override {
    return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16;
  }
  bool shares_host_memory() const override { return true; }
  bool reads_host_memory() const override { return true; }

  void* allocate(std::size_t bytes) override {
    void* memory = bytes <= PTRDIFF_MAX ? ::operator new(bytes, kAlignment, std::nothrow) : nullptr;
    if (memory == nullptr) throw Error("reference: cannot allocate " + std::to_string(bytes) + " bytes");
    return memory;
  }
  void release(void* memory) noexcept override { ::operator delete(memory, kAlignment); }
  void copy_to_device(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void copy_to_host(void* to, const void* from, std::size_t bytes) override { copy(to, from, bytes); }
  void fill_zero(void* memory, std::size_t bytes) override {
    if (bytes != 0) std::memset(memory, 0, bytes);
  }
  void synchronize() override {}
  // Of this processor, on the one thread that the loops run on.
  double fma_burst(DType dtype, int steps, float*) override { return cpu::fma_burst(dtype, steps, 1); }
  void copy_burst(const void* from, std::size_t bytes, void* to) override { cpu::copy_burst(from, bytes, to, 1); }

  // Plain loops need no scratch memory.
  std::size_t workspace_bytes(const Conv2dShape&, DType) const override { return 0; }
  std::size_t workspace_bytes(const DenseShape&, DType) const override { return 0; }
  std::size_t workspace_bytes(const BatchNormShape&, DType) const override { return 0; }
  std::size_t workspace_bytes(const AugmentForward&) const override { return 0; }
  std::size_t workspace_bytes(const GradientNorm&) const override { return 0; }

 private:
#define TSUGI_REFERENCE_OP(name, Op)                                                          \
  void compute_##name(const Op& op) override {                                                \
    for_type(op.dtype, #name, [&](auto element) { reference::name<decltype(element)>(op); }); \
  }
  TSUGI_PRODUCT_OPS(TSUGI_REFERENCE_OP)
  TSUGI_REFERENCE_OP(batch_norm_forward, BatchNormForward)
  TSUGI_REFERENCE_OP(batch_norm_backward, BatchNormBackward)
  TSUGI_REFERENCE_OP(pool_forward, PoolForward)
  TSUGI_REFERENCE_OP(pool_backward, PoolBackward)
  TSUGI_REFERENCE_OP(activation_forward, ActivationForward)
  TSUGI_REFERENCE_OP(activation_backward, ActivationBackward)
  TSUGI_REFERENCE_OP(dropout_forward, DropoutForward)
  TSUGI_REFERENCE_OP(dropout_backward, DropoutBackward)
  TSUGI_REFERENCE_OP(add_forward, AddForward)
  TSUGI_REFERENCE_OP(softmax_cross_entropy, SoftmaxCrossEntropy)
  TSUGI_REFERENCE_OP(softmax, Softmax)
  TSUGI_REFERENCE_OP(dequantize_gather, DequantizeGather)
#undef TSUGI_REFERENCE_OP

  void compute_cast(const Cast& op) override {
    for_type(op.from_dtype, "cast", [&](auto from) {
      for_type(op.to_dtype, "cast", [&](auto to) { reference::cast<decltype(from), decltype(to)>(op); });
    });
  }
  void compute_augment_forward(const AugmentForward& op) override {
    require_supported(op.dtype, "augment_forward");
    reference::augment_forward(op);
  }
  void compute_gradient_norm(const GradientNorm& op) override { reference::gradient_norm(op); }
  void compute_sgd_update(const SgdUpdate& op) override {
    if (op.buffers.compute != nullptr) require_supported(op.buffers.compute_dtype, "sgd_update");
    reference::sgd_update(op);
  }
  void compute_adam_update(const AdamUpdate& op) override {
    if (op.buffers.compute != nullptr) require_supported(op.buffers.compute_dtype, "adam_update");
    reference::adam_update(op);
  }

  static void copy(void* to, const void* from, std::size_t bytes) {
    if (bytes != 0 && to != from) std::memcpy(to, from, bytes);
  }
  static void require_supported(DType dtype, const char* op) {
    for_type(dtype, op, [](auto) {});
  }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace tsugi
