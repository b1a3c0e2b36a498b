#include "tests/gpu_device/device.h"

#include <cstdlib>
#include <string>

namespace tsugi {
namespace test {
namespace {

std::string device_name() {
  const char* name = std::getenv("TSUGI_GPU_DEVICE");
  return name == nullptr ? "cuda" : name;
}

}  // namespace

bool emulated() { return device_name().compare(0, 4, "simt") == 0; }
bool interpreted() { return std::getenv("TSUGI_PTX_SM") != nullptr; }

std::unique_ptr<RegistryBackend> make_device() {
  const std::string name = device_name();
  if (name == "cuda") return make_cuda_backend();
  if (name == "simt") return make_simt_backend(75);
  if (name == "simt:53") return make_simt_backend(53);
  throw Error("TSUGI_GPU_DEVICE is " + name + ", expected cuda, simt or simt:53");
}

}  // namespace test
}  // namespace tsugi
