#include "bench/measure/limits.h"

#include <algorithm>
#include <cstdio>

#include "bench/measure/statistics.h"

namespace tsugi::bench {
namespace {

constexpr int kFmaSteps = 4096, kBriefSteps = 4;
constexpr std::size_t kCopyBytes = std::size_t{256} << 20, kBriefBytes = 4096;
constexpr int kProduct = 4096, kBriefProduct = 16;  // a square product that is large enough for any device

}  // namespace

double Limits::flops(DType dtype) const {
  if (dtype == DType::bf16) return bf16;
  return dtype == DType::f16 ? std::max(f16, f16_matrix) : f32;
}

double roofline_seconds(const Limits& limits, double flops, double bytes, DType dtype) {
  const double peak = limits.flops(dtype);
  return std::max(peak > 0.0 ? flops / peak : 0.0, limits.copy > 0.0 ? bytes / limits.copy : 0.0);
}

LimitMeter::LimitMeter(Backend& backend, Backend* vendor, bool brief) : backend_(backend), brief_(brief) {
  add_fma(DType::f32, &Limits::f32);
  add_fma(DType::f16, &Limits::f16);
  add_fma(DType::bf16, &Limits::bf16);
  add_copy();
  if (vendor != nullptr) add_product(*vendor);
}

/// Nothing where the device does not compute in the type, or has no loop for it.
void LimitMeter::add_fma(DType dtype, double Limits::*limit) {
  if (!backend_.supports(dtype)) return;
  memory_.push_back(std::make_unique<DeviceBuffer>(backend_, 16));
  auto* out = memory_.back()->as<float>();
  const int steps = brief_ ? kBriefSteps : kFmaSteps;
  double flops = 0.0;
  try {
    flops = backend_.fma_burst(dtype, steps, out);
  } catch (const Error&) {
    return;
  }
  Backend* backend = &backend_;
  meters_.push_back({limit, {"fma_burst", backend, [=](int) { backend->fma_burst(dtype, steps, out); }}, flops, {}});
}

void LimitMeter::add_copy() {
  const std::size_t bytes = brief_ ? kBriefBytes : kCopyBytes;
  memory_.push_back(std::make_unique<DeviceBuffer>(backend_, bytes));
  const void* from = memory_.back()->data();
  memory_.push_back(std::make_unique<DeviceBuffer>(backend_, bytes));
  void* to = memory_.back()->data();
  Backend* backend = &backend_;
  meters_.push_back({&Limits::copy,
                     {"copy_burst", backend, [=](int) { backend->copy_burst(from, bytes, to); }},
                     2.0 * static_cast<double>(bytes),
                     {}});
}

void LimitMeter::add_product(Backend& vendor) {
  const int side = brief_ ? kBriefProduct : kProduct;
  const std::size_t bytes = static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * size_of(DType::f16);
  const DenseShape shape{side, side, side};
  std::vector<void*> blocks;
  for (const std::size_t size :
       {bytes, bytes, bytes, std::max<std::size_t>(16, vendor.workspace_bytes(shape, DType::f16))}) {
    memory_.push_back(std::make_unique<DeviceBuffer>(vendor, size));
    blocks.push_back(memory_.back()->data());
  }
  const DenseForward op{shape, DType::f16, blocks[0], blocks[1], nullptr, {}, blocks[2], blocks[3]};
  Backend* backend = &vendor;
  meters_.push_back(
      {&Limits::f16_matrix, {"fp16 product", backend, [=](int) { backend->dense_forward(op); }}, shape.flops(), {}});
}

void LimitMeter::turn(double seconds) {
  TimingOptions options;
  options.sample_seconds = 5e-3;
  options.max_calls = brief_ ? 1 : 50;
  for (Meter& meter : meters_)
    for (const double one : take_turn(meter.contender, 1, options, seconds).seconds)
      meter.rates.push_back(meter.work / one);
}

Limits LimitMeter::limits() const {
  Limits limits;
  for (const Meter& meter : meters_) {
    if (meter.rates.empty()) continue;
    const double best = *std::max_element(meter.rates.begin(), meter.rates.end());
    limits.*meter.limit = best;
    limits.spread = std::max(limits.spread, 1.0 - median(meter.rates) / best);
  }
  return limits;
}

Limits measure_limits(Backend& backend, Backend* vendor, bool brief) {
  LimitMeter meter(backend, vendor, brief);
  for (int turn = 0; turn < (brief ? 1 : 9); ++turn) meter.turn(0.0);
  return meter.limits();
}

std::string text(const Limits& limits) {
  std::string line = "measured limits:";
  const auto add = [&](const char* what, double value, double unit, const char* name) {
    if (value <= 0.0) return;
    char part[64];
    std::snprintf(part, sizeof part, value / unit >= 1000.0 ? "%s %s %.0f %s" : "%s %s %.4g %s",
                  line.back() == ':' ? "" : ",", what, value / unit, name);
    line += part;
  };
  add("fp32", limits.f32, 1e9, "GFLOP/s");
  add("half2", limits.f16, 1e9, "GFLOP/s");
  add("fp16 product", limits.f16_matrix, 1e9, "GFLOP/s");
  add("bf16", limits.bf16, 1e9, "GFLOP/s");
  add("copy", limits.copy, 1e9, "GB/s");
  return line;
}

}  // namespace tsugi::bench
