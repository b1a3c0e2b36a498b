// What a device can do at most, measured in the run that quotes it: multiply-adds, matrix products, copies.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/measure/timing.h"
#include "engine/core/arena.h"
#include "kernels/api/registry.h"

namespace tsugi::bench {

/// 0: not measured, because the device or the build does not have it.
struct Limits {
  double f32 = 0.0;         ///< floating-point operations a second of multiply-adds
  double f16 = 0.0;         ///< of half2 multiply-adds
  double f16_matrix = 0.0;  ///< of the vendor's fp16 matrix product (matrix units where there are any)
  double bf16 = 0.0;        ///< of dot products of bfloat16 pairs
  double copy = 0.0;        ///< bytes a second, read and written, of a large copy
  double spread = 0.0;      ///< share by which the median sample is below the best, the largest of all
  /// The peak that products of a type are compared with.
  double flops(DType dtype) const;
};

/// Seconds that this work takes at least on a device with these limits: the larger of its arithmetic and its memory
/// traffic (Williams et al., "Roofline", CACM 2009). 0 where neither was measured.
double roofline_seconds(const Limits& limits, double flops, double bytes, DType dtype);

/// Measures limits in turns, between other work of the same run.
class LimitMeter {
 public:
  /// vendor: a backend with dense layers by cuBLAS on the same device, or null. brief: tiny work, for smoke tests.
  LimitMeter(Backend& backend, Backend* vendor, bool brief);

  /// Another turn of every limit, `seconds` each.
  void turn(double seconds);
  /// The best samples of the turns so far: a limit is what can be reached, and whatever disturbs only slows down.
  Limits limits() const;

 private:
  struct Meter {
    double Limits::*limit;
    Contender contender;
    double work;  // of one call
    std::vector<double> rates;
  };

  void add_fma(DType dtype, double Limits::*limit);
  void add_copy();
  void add_product(Backend& vendor);

  Backend& backend_;
  bool brief_;
  std::vector<std::unique_ptr<DeviceBuffer>> memory_;
  std::vector<Meter> meters_;
};

/// All limits at once, nine turns. Throws Error where a launch fails.
Limits measure_limits(Backend& backend, Backend* vendor, bool brief);

std::string text(const Limits& limits);

}  // namespace tsugi::bench
