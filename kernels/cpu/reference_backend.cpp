// The reference as a backend: host memory, one thread, f32, bf16 and f16 tensors, every op through
// kernels/cpu/reference.h.
#include "kernels/cpu/host_backend.h"
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace {

class ReferenceBackend : public cpu::HostBackend {
 public:
  ReferenceBackend() : HostBackend(1) {}
  std::string name() const override { return "reference"; }
  std::string description() const override {
    return std::string("naive double-precision loops on one thread (slow)") +
           (TSUGI_HAVE_ONEDNN ? "" : "; warning: this build has no oneDNN, so it stands in for the cpu device");
  }
  bool supports(DType dtype) const override {
    return dtype == DType::f32 || dtype == DType::bf16 || dtype == DType::f16;
  }

  // Plain loops need no scratch memory.
  std::size_t workspace_bytes(const Conv2dShape&, DType) const override { return 0; }
  std::size_t workspace_bytes(const DenseShape&, DType) const override { return 0; }
  std::size_t workspace_bytes(const BatchNormShape&, DType) const override { return 0; }
  std::size_t workspace_bytes(const AugmentForward&) const override { return 0; }
  std::size_t workspace_bytes(const GradientNorm&) const override { return 0; }

 private:
#define TSUGI_OP(name, Op)                                                                  \
  void compute_##name(const Op& op) override {                                              \
    reference::for_type(op.dtype, [&](auto type) { reference::name<decltype(type)>(op); }); \
  }
  TSUGI_TYPED_OPS(TSUGI_OP)
#undef TSUGI_OP
  void compute_cast(const Cast& op) override {
    reference::for_type(op.from_dtype, [&](auto from) {
      reference::for_type(op.to_dtype, [&](auto to) { reference::cast<decltype(from), decltype(to)>(op); });
    });
  }
  void compute_gradient_norm(const GradientNorm& op) override { reference::gradient_norm(op); }
  void compute_sgd_update(const SgdUpdate& op) override { reference::sgd_update(op); }
  void compute_adam_update(const AdamUpdate& op) override { reference::adam_update(op); }
};

}  // namespace

std::unique_ptr<Backend> make_reference_backend() { return std::make_unique<ReferenceBackend>(); }

}  // namespace tsugi
