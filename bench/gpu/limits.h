// What the device can do at most, measured in the run that quotes it: multiply-adds, matrix products, copies.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "kernels/api/registry.h"

namespace tsugi::bench {

struct Limits {
  double f32 = 0.0;         ///< floating-point operations a second of scalar multiply-adds
  double f16 = 0.0;         ///< of half2 multiply-adds
  double f16_matrix = 0.0;  ///< of the vendor's fp16 matrix product (matrix units where there are any); 0: not measured
  double copy = 0.0;        ///< bytes a second, read and written, of a large copy
  /// The peak that convolutions of a type are compared with.
  double flops(DType dtype) const { return dtype == DType::f32 ? f32 : f16 > f16_matrix ? f16 : f16_matrix; }
};

/// vendor: a backend with dense layers by cuBLAS on the same device, or null. brief: tiny work, for smoke tests.
/// Throws Error where a launch fails.
Limits measure_limits(RegistryBackend& backend, Backend* vendor, bool brief);

std::string text(const Limits& limits);
nlohmann::ordered_json json(const Limits& limits);

}  // namespace tsugi::bench
