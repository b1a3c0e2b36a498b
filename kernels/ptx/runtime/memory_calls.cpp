// The CUDA runtime's calls for memory. A copy must say the truth about where both sides lie, and stay within one
// allocation.
#include <cstdlib>

#include "kernels/ptx/runtime/streams.h"

using tsugi::ptx::Device;
using tsugi::ptx::refuse_while_capturing;
using tsugi::ptx::Work;
using Lock = std::lock_guard<std::recursive_mutex>;

namespace {

cudaError_t check_copy(Device& device, const void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const bool to_device = device.memory().owns(to), from_device = device.memory().owns(from);
  const bool wants_to = kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice;
  const bool wants_from = kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice;
  if (kind != cudaMemcpyDefault && (to_device != wants_to || from_device != wants_from)) {
    return device.fail(cudaErrorInvalidValue, "a copy whose kind is not where its pointers lie");
  }
  if ((to_device && !device.memory().holds(to, bytes)) || (from_device && !device.memory().holds(from, bytes))) {
    return device.fail(cudaErrorInvalidValue, "a copy runs over the end of an allocation");
  }
  return cudaSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  Device& device = Device::get();
  const Lock lock(device.mutex());
  if (const cudaError_t error = refuse_while_capturing("cudaMalloc")) return error;
  if (device.stuck() != cudaSuccess) return device.stuck();
  *memory = device.memory().allocate(bytes);
  return *memory != nullptr ? cudaSuccess : device.fail(cudaErrorMemoryAllocation, "out of memory");
}

cudaError_t cudaMallocManaged(void** memory, std::size_t bytes, unsigned) {
  const cudaError_t error = cudaMalloc(memory, bytes);
  // The host writes it without a call, so what it wrote is not known.
  if (error == cudaSuccess) Device::get().memory().mark_written(*memory, bytes);
  return error;
}

cudaError_t cudaFree(void* memory) {
  Device& device = Device::get();
  const Lock lock(device.mutex());
  if (memory == nullptr) return cudaSuccess;
  if (const cudaError_t error = refuse_while_capturing("cudaFree")) return error;
  return device.memory().release(memory) ? cudaSuccess
                                         : device.fail(cudaErrorInvalidValue, "cudaFree of what is no allocation");
}

cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  const Lock lock(Device::get().mutex());
  if (const cudaError_t error = refuse_while_capturing("cudaHostAlloc")) return error;
  *memory = std::malloc(bytes);
  return *memory != nullptr ? cudaSuccess : Device::get().fail(cudaErrorMemoryAllocation, "out of memory");
}

cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  const Lock lock(Device::get().mutex());
  *free = Device::get().memory().free_bytes();
  *total = Device::get().memory().total_bytes();
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  Device& device = Device::get();
  const Lock lock(device.mutex());
  if (const cudaError_t error = check_copy(device, to, from, bytes, kind)) return error;
  Work work;
  work.kind = Work::Kind::copy;
  work.to = to;
  work.from = from;
  work.bytes = bytes;
  return tsugi::ptx::issue(std::move(work), stream);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  Device& device = Device::get();
  const Lock lock(device.mutex());
  if (!device.memory().holds(to, bytes)) return device.fail(cudaErrorInvalidValue, "a fill outside of an allocation");
  Work work;
  work.kind = Work::Kind::fill;
  work.to = to;
  work.bytes = bytes;
  work.value = value;
  return tsugi::ptx::issue(std::move(work), stream);
}

}  // extern "C"
