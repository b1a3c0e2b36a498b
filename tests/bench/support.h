// What the tests of measurements share: result files made by hand, and a backend whose clock is the number of its
// calls.
#pragma once

#include <doctest/doctest.h>

#include <string>

#include "bench/measure/result_file.h"
#include "tests/engine/counting_backend.h"

namespace tsugi::test {

/// A device with these limits: peak in GFLOP/s (f32), copy in GB/s.
inline bench::ResultFile device_file(const std::string& device, double peak, double copy) {
  bench::ResultFile file;
  file.context.version = "0.1.0";
  file.context.commit = "0123456789ab";
  file.context.build = "GNU 12.2.0, Release";
  file.context.device = device;
  file.context.device_description = device + ", made up";
  file.context.limits.f32 = peak * 1e9;
  file.context.limits.copy = copy * 1e9;
  return file;
}

inline bench::ResultEntry point(const std::string& layer, double seconds, double flops, double bytes) {
  bench::ResultEntry e;
  e.name = "made/b16/" + layer + "/conv2d_forward/f32/cold";
  e.model = "made", e.batch = 16, e.layer = layer, e.op = "conv2d_forward", e.dtype = "f32", e.cache = "cold";
  e.seconds = seconds, e.deviation = seconds / 100.0, e.samples = 5, e.calls = 3;
  e.flops = flops, e.bytes = bytes;
  return e;
}

/// Products, batch norm, augmentation, loss and update advance its clock by a second each, whatever the machine does.
class TickingBackend : public CountingBackend {
 public:
  using CountingBackend::CountingBackend;
  double ticks = 0.0;

  std::unique_ptr<TimeMark> make_time_mark() override { return std::make_unique<Mark>(*this); }
  double fma_burst(DType dtype, int steps, float* out) override {
    ticks += 1.0;
    return CountingBackend::fma_burst(dtype, steps, out);
  }
  void copy_burst(const void* from, std::size_t bytes, void* to) override {
    tick([&] { CountingBackend::copy_burst(from, bytes, to); });
  }
  void copy_to_device(void* to, const void* from, std::size_t bytes) override {
    ticks += 1.0;
    CountingBackend::copy_to_device(to, from, bytes);
  }

 protected:
#define TSUGI_OP(name, Op)                              \
  void compute_##name(const Op& op) override {          \
    tick([&] { CountingBackend::compute_##name(op); }); \
  }
  TSUGI_PRODUCT_OPS(TSUGI_OP)
  TSUGI_OP(batch_norm_forward, BatchNormForward)
  TSUGI_OP(batch_norm_backward, BatchNormBackward)
  TSUGI_OP(augment_forward, AugmentForward)
  TSUGI_OP(softmax_cross_entropy, SoftmaxCrossEntropy)
  TSUGI_OP(sgd_update, SgdUpdate)
#undef TSUGI_OP

 private:
  class Mark : public TimeMark {
   public:
    explicit Mark(TickingBackend& owner) : owner_(owner) {}
    void record() override { at_ = owner_.ticks; }
    double seconds_since(const TimeMark& earlier) const override { return at_ - static_cast<const Mark&>(earlier).at_; }

   private:
    TickingBackend& owner_;
    double at_ = 0.0;
  };

  template <typename Call>
  void tick(const Call& call) {
    ticks += 1.0;
    call();
  }
};

}  // namespace tsugi::test
