#include "bench/gpu/limits.h"

#include <cstdio>

#include "bench/gpu/op_set.h"

namespace tsugi::bench {
namespace {

double seconds_of(const Contender& contender, bool brief) {
  TimingOptions options;
  options.samples = brief ? 1 : 9;
  options.sample_seconds = 5e-3;
  options.max_calls = brief ? 1 : 50;
  std::vector<std::string> failures;
  const Timing timing = time_in_turn({contender}, 1, options, failures).front();
  if (!failures.front().empty()) throw Error(contender.name + ": " + failures.front());
  return timing.seconds;
}

double fma_rate(RegistryBackend& backend, DType dtype, bool brief) {
  DeviceBuffer out(backend, 16);
  double flops = 0.0;
  const int steps = brief ? 4 : 4096;
  const double seconds = seconds_of(
      {"fma_burst", &backend, [&](int) { flops = backend.fma_burst(dtype, steps, out.as<float>()); }}, brief);
  return flops / seconds;
}

double copy_rate(RegistryBackend& backend, bool brief) {
  const std::size_t bytes = brief ? 4096 : std::size_t{256} << 20;
  DeviceBuffer from(backend, bytes), to(backend, bytes);
  backend.fill_zero(from.data(), bytes);
  const double seconds =
      seconds_of({"copy_burst", &backend, [&](int) { backend.copy_burst(from.data(), bytes, to.data()); }}, brief);
  return 2.0 * static_cast<double>(bytes) / seconds;
}

/// A square product that is large enough for any device.
double product_rate(Backend& vendor, bool brief) {
  OpCase product{"limits", "product", {}, true, false, 1};
  product.shape.n = product.shape.c = product.shape.k = brief ? 16 : 4096;
  OpSet set(vendor, product, DType::f16, 0);
  const double seconds = seconds_of(set.contender("fp16 product", vendor, KernelOp::conv2d_forward), brief);
  return product.shape.flops() / seconds;
}

}  // namespace

Limits measure_limits(RegistryBackend& backend, Backend* vendor, bool brief) {
  Limits limits;
  limits.f32 = fma_rate(backend, DType::f32, brief);
  limits.f16 = fma_rate(backend, DType::f16, brief);
  limits.copy = copy_rate(backend, brief);
  if (vendor != nullptr) limits.f16_matrix = product_rate(*vendor, brief);
  return limits;
}

std::string text(const Limits& limits) {
  char line[256];
  std::snprintf(line, sizeof line,
                "measured limits: fp32 %.2f TFLOP/s, half2 %.2f TFLOP/s, fp16 product %.2f TFLOP/s, copy %.1f GB/s\n",
                limits.f32 / 1e12, limits.f16 / 1e12, limits.f16_matrix / 1e12, limits.copy / 1e9);
  return line;
}

nlohmann::ordered_json json(const Limits& limits) {
  return {{"f32_flops_per_s", limits.f32},
          {"f16_pairs_flops_per_s", limits.f16},
          {"f16_matrix_flops_per_s", limits.f16_matrix},
          {"copy_bytes_per_s", limits.copy}};
}

}  // namespace tsugi::bench
