// The devices. A build links one of kernels/cuda and kernels/no_cuda, and so on: the names stay the same, and what is
// missing says so when it is asked for.
#include "engine/core/device.h"

#include <sys/resource.h>

#include <cmath>
#include <cstdlib>

#include "engine/core/text.h"
#include "kernels/api/registry.h"

namespace tsugi {
namespace {

/// The architecture of "simt" or "simt:53".
int emulated_sm(const std::string& device) {
  constexpr int kDefault = 75;
  if (device == "simt") return kDefault;
  std::vector<std::string> known;
  for (const int sm : emulated_architectures()) {
    if (device == "simt:" + std::to_string(sm)) return sm;
    known.push_back(std::to_string(sm));
  }
  throw Error("device " + device + ": the emulator knows no such architecture, expected simt, or simt: and one of " +
              joined(known));
}

}  // namespace

std::vector<std::string> device_names() { return {"auto", "cpu", "cuda", "cudnn", "simt", "reference"}; }

std::unique_ptr<Backend> make_backend(const std::string& device, int threads) {
  if (device == "cpu") return make_cpu_backend(threads);
  if (device == "auto") {
    try {
      return make_cuda_backend();
    } catch (const Error&) {  // not in this build, or no device: what was chosen is announced by its name
      return make_cpu_backend(threads);
    }
  }
  if (device == "cuda") return make_cuda_backend();
  if (device == "cudnn") return make_cudnn_backend();
  if (device == "reference") return make_reference_backend();
  if (device == "simt" || device.compare(0, 5, "simt:") == 0) return make_simt_backend(emulated_sm(device));
  throw Error("device " + device + ": unknown, known are " + joined(device_names()) +
              ", and simt:53 for the emulator of another architecture");
}

DType choose_precision(const std::string& precision, const Backend& backend) {
  if (precision == "auto")
    return backend.supports(DType::bf16) && backend.name() != "reference" ? DType::bf16 : DType::f32;
  DType dtype = DType::f32;
  if (precision == "bf16") {
    dtype = DType::bf16;
  } else if (precision == "fp16") {
    dtype = DType::f16;
  } else if (precision != "fp32") {
    throw Error("precision " + precision + ": unknown, known are auto, fp32, bf16, fp16");
  }
  if (!backend.supports(dtype))
    throw Error("precision " + precision + ": device " + backend.name() + " (" + backend.description() +
                ") does not compute in it");
  return dtype;
}

const char* precision_name(DType dtype) {
  return dtype == DType::bf16 ? "bf16" : dtype == DType::f16 ? "fp16" : "fp32";
}

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
