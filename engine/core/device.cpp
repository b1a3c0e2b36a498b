// The devices of this build. A build links one of kernels/cuda and kernels/no_cuda; the names stay the same.
#include "engine/core/device.h"

#include <sys/resource.h>

#include <cmath>
#include <cstdlib>

namespace tsugi {
namespace {

std::string joined(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

}  // namespace

std::vector<std::string> device_names() { return {"auto", "cpu", "reference"}; }

std::unique_ptr<Backend> make_backend(const std::string& device, int threads) {
  if (device == "auto" || device == "cpu") return make_cpu_backend(threads);
  if (device == "reference") return make_reference_backend();
  if (device == "cuda" || device == "cudnn" || device == "simt")
    throw Error("device " + device + ": this build does not have it; it has " + joined(device_names()));
  throw Error("device " + device + ": unknown, known are " + joined(device_names()));
}

DType choose_precision(const std::string& precision, const Backend& backend) {
  if (precision == "auto") return backend.supports(DType::bf16) && backend.name() != "reference" ? DType::bf16 : DType::f32;
  DType dtype = DType::f32;
  if (precision == "bf16") {
    dtype = DType::bf16;
  } else if (precision == "fp16") {
    dtype = DType::f16;
  } else if (precision != "fp32") {
    throw Error("precision " + precision + ": unknown, known are auto, fp32, bf16, fp16");
  }
  if (!backend.supports(dtype))
    throw Error("precision " + precision + ": device " + backend.name() + " (" + backend.description() + ") does not compute in it");
  return dtype;
}

const char* precision_name(DType dtype) { return dtype == DType::bf16 ? "bf16" : dtype == DType::f16 ? "fp16" : "fp32"; }

std::size_t parse_bytes(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const std::string unit = end;
  double factor = 0.0;
  if (unit.empty() || unit == "B") factor = 1.0;
  if (unit == "K" || unit == "KiB") factor = 1024.0;
  if (unit == "M" || unit == "MiB") factor = 1024.0 * 1024.0;
  if (unit == "G" || unit == "GiB") factor = 1024.0 * 1024.0 * 1024.0;
  if (end == text.c_str() || factor == 0.0 || !std::isfinite(value) || value * factor < 1.0 || value * factor > 1e15)
    throw Error("memory \"" + text + "\": expected a size such as 512M or 2G");
  return static_cast<std::size_t>(value * factor);
}

std::size_t peak_process_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

}  // namespace tsugi
