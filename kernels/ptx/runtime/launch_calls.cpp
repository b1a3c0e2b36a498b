// Launches, errors and queries of the CUDA runtime. Limits are those of a block of sm_53 and sm_75. Source: CUDA C++
// Programming Guide, "Compute Capabilities".
#include <cstring>

#include "kernels/ptx/runtime/streams.h"

using tsugi::ptx::Device;
using tsugi::ptx::Entry;
using tsugi::ptx::Kernel;
using tsugi::ptx::Work;
using Lock = std::lock_guard<std::recursive_mutex>;

namespace {

constexpr std::size_t kSharedBytes = 48 * 1024;  // of a block, without opt-in
constexpr std::size_t kParameterBytes = 4096;

/// What forbids the launch, or an empty text.
std::string refusal(const Kernel& kernel, dim3 grid, dim3 block, std::size_t dynamic_shared) {
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || threads == 0) return "a grid or block of nothing";
  if (grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) return "a grid that is too large";
  if (threads > 1024 || block.z > 64) return "a block that is too large";
  const std::uint32_t bound = kernel.source.max_threads;
  if (bound != 0 && threads > bound) {
    return std::to_string(threads) + " threads a block, its launch bound is " + std::to_string(bound);
  }
  if (kernel.shared_bytes + dynamic_shared > kSharedBytes) {
    return std::to_string(kernel.shared_bytes + dynamic_shared) + " bytes of shared memory";
  }
  if (dynamic_shared != 0) return "dynamic shared memory, which is not modelled";
  if (kernel.source.parameter_bytes > kParameterBytes) {
    return std::to_string(kernel.source.parameter_bytes) + " bytes of parameters";
  }
  return {};
}

cudaError_t launch(const void* function, dim3 grid, dim3 block, void** arguments, std::size_t shared,
                   cudaStream_t stream) {
  Device& device = Device::get();
  const Lock lock(device.mutex());
  Entry* entry = device.entry(function);
  if (entry == nullptr) return device.fail(cudaErrorNoKernelImageForDevice, device.message());
  const Kernel& kernel = *entry->kernel;
  const std::string refused = refusal(kernel, grid, block, shared);
  if (!refused.empty()) return device.fail(cudaErrorInvalidConfiguration, entry->name + ": " + refused);
  Work work;
  work.entry = entry;
  const unsigned sizes[2][3] = {{grid.x, grid.y, grid.z}, {block.x, block.y, block.z}};
  std::memcpy(work.launch.grid, sizes[0], sizeof sizes[0]);
  std::memcpy(work.launch.block, sizes[1], sizeof sizes[1]);
  work.launch.parameters.resize(kernel.source.parameter_bytes);
  for (std::size_t p = 0; p < kernel.source.parameters.size(); ++p) {
    const tsugi::ptx::Parameter& parameter = kernel.source.parameters[p];
    std::memcpy(work.launch.parameters.data() + parameter.offset, arguments[p], parameter.bytes);
  }
  return tsugi::ptx::issue(std::move(work), stream);
}

}  // namespace

extern "C" {

cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block, void** arguments, std::size_t shared,
                             cudaStream_t stream) {
  return launch(function, grid, block, arguments, shared, stream);
}

#if CUDART_VERSION >= 12000
cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* function) {
  *kernel = reinterpret_cast<cudaKernel_t>(const_cast<void*>(function));
  return cudaSuccess;
}
cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block, void** arguments, std::size_t shared,
                               cudaStream_t stream) {
  return launch(kernel, grid, block, arguments, shared, stream);
}
#endif

cudaError_t cudaGetLastError() { return Device::get().take_last(); }
cudaError_t cudaPeekAtLastError() {
  const Device& device = Device::get();
  return device.stuck() != cudaSuccess ? device.stuck() : device.last();
}
const char* cudaGetErrorString(cudaError_t) { return Device::get().message().c_str(); }
const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaErrorInvalidValue:
      return "cudaErrorInvalidValue";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorInvalidConfiguration:
      return "cudaErrorInvalidConfiguration";
    case cudaErrorNoKernelImageForDevice:
      return "cudaErrorNoKernelImageForDevice";
    case cudaErrorInvalidResourceHandle:
      return "cudaErrorInvalidResourceHandle";
    case cudaErrorIllegalState:
      return "cudaErrorIllegalState";
    case cudaErrorIllegalAddress:
      return "cudaErrorIllegalAddress";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported:
      return "cudaErrorStreamCaptureUnsupported";
    case cudaErrorStreamCaptureInvalidated:
      return "cudaErrorStreamCaptureInvalidated";
    default:
      return "an error of CUDA";
  }
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) { return device == 0 ? cudaSuccess : cudaErrorInvalidDevice; }
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

/// As the Jetson Nano for sm_53, as an RTX 2080 Ti otherwise.
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  const int sm = Device::get().sm();
  const bool nano = sm == 53;
  switch (attribute) {
    case cudaDevAttrComputeCapabilityMajor:
      *value = sm / 10;
      return cudaSuccess;
    case cudaDevAttrComputeCapabilityMinor:
      *value = sm % 10;
      return cudaSuccess;
    case cudaDevAttrMultiProcessorCount:
      *value = nano ? 1 : 68;
      return cudaSuccess;
    case cudaDevAttrIntegrated:
      *value = nano ? 1 : 0;
      return cudaSuccess;
    default:
      return Device::get().fail(cudaErrorInvalidValue, "attribute " + std::to_string(attribute) + " is not modelled");
  }
}

#undef cudaGetDeviceProperties  // CUDA 12 renames it
static cudaError_t properties_of_device(cudaDeviceProp* properties) {
  std::memset(properties, 0, sizeof *properties);
  const int sm = Device::get().sm();
  const std::string name = "PTX interpreter, sm_" + std::to_string(sm);
  std::memcpy(properties->name, name.c_str(), name.size() + 1);
  properties->totalGlobalMem = Device::get().memory().total_bytes();
  properties->major = sm / 10;
  properties->minor = sm % 10;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) { return properties_of_device(properties); }
cudaError_t cudaGetDeviceProperties_v2(cudaDeviceProp* properties, int) { return properties_of_device(properties); }

}  // extern "C"
