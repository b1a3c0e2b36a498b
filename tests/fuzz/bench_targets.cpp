// Fuzz targets of measurements and device descriptions.
#include <cmath>

#include "bench/measure/result_file.h"
#include "bench/plan/device_description.h"
#include "tests/fuzz/targets.h"

namespace tsugi::fuzz {
namespace {

/// A convolution takes some time on every device that was accepted, or the device says nothing of it.
void check_time(const bench::DeviceDescription& device) {
  bench::OpCase op_case;
  op_case.shape.n = 2, op_case.shape.h = op_case.shape.w = 8, op_case.shape.c = op_case.shape.k = 40;
  try {
    const double seconds = bench::seconds_of(device, bench::features_of(op_case, bench::OpPass::forward, DType::f32));
    if (!(seconds > 0.0 && std::isfinite(seconds)))
      throw std::logic_error("device: a call that takes no time, or for ever");
  } catch (const Error&) {
  }
}

}  // namespace

bool device_description(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const bench::DeviceDescription device = bench::parse_device(text_of(bytes, size), "input");
    check_time(device);
    expect(bench::parse_device(bench::to_json(device), "again").efficiencies.size() == device.efficiencies.size(),
           "device: round trip");
  });
}

bool result_file(const std::uint8_t* bytes, std::size_t size) {
  return accepts([&] {
    const bench::ResultFile file = bench::parse_result_file(text_of(bytes, size), "input");
    expect(bench::parse_result_file(bench::to_json(file, true), "again").entries.size() == file.entries.size(),
           "result file: round trip");
  });
}

}  // namespace tsugi::fuzz
