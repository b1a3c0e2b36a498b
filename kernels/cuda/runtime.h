// The device API under the GPU backend: memory, copies, launches, captured graphs. Two implementations: the CUDA
// runtime (kernels/cuda/runtime_cuda.cpp) and the emulator's host twin (kernels/simt/runtime_simt.cpp).
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "kernels/api/error.h"
#include "kernels/api/registry.h"
#include "kernels/cuda/device/platform.h"

namespace tsugi {
namespace TSUGI_GPU {

/// What dispatch and messages need to know of a device.
struct DeviceInfo {
  std::string name;  ///< "NVIDIA Tegra X1", "emulated sm_75"
  int sm = 0;        ///< compute capability: 53, 75, 90
  int multiprocessors = 1;
  bool integrated = false;  ///< shares its memory with the host
  std::size_t total_memory = 0;
  std::string versions;  ///< driver and runtime, for result files
};

/// A recorded sequence of launches and fills; replayed by one call, on the runtime's stream, asynchronously.
using Graph = CapturedWork;

/// One device and one stream of ordered, asynchronous work. Every call throws Error with the device's own words when
/// the device reports a failure.
class Runtime {
 public:
  virtual ~Runtime() = default;
  virtual const DeviceInfo& info() const = 0;

  /// 256-byte aligned. Discrete: device memory. Integrated: managed memory, which both sides read at full speed.
  /// Throws Error naming the bytes needed and the bytes free.
  virtual void* allocate(std::size_t bytes) = 0;
  virtual void release(void* memory) noexcept = 0;
  virtual std::size_t free_bytes() const = 0;
  virtual std::size_t allocations() const = 0;  ///< calls of allocate() so far: a step must not add any
  virtual void copy_to_device(void* to, const void* from, std::size_t bytes) = 0;  ///< `from` may change on return
  virtual void copy_to_host(void* to, const void* from, std::size_t bytes) = 0;    ///< complete on return
  virtual void fill_zero(void* memory, std::size_t bytes) = 0;
  virtual void synchronize() = 0;
  /// The cudaStream_t that everything is ordered on, for libraries to be bound to; null on the emulator.
  virtual void* native_stream() { return nullptr; }

  /// Calls between the two are recorded, not run. The recorded work reads its pointers' contents at replay.
  virtual void begin_capture() = 0;
  virtual std::unique_ptr<Graph> end_capture() = 0;

  /// A mark that events of the stream stand behind; null: calls return when their work is done, and the host's clock
  /// tells the time.
  virtual std::unique_ptr<TimeMark> make_time_mark() { return nullptr; }
  /// Names what is issued between the two for profilers (NVTX).
  virtual void begin_range(const char* name) { (void)name; }
  virtual void end_range() {}

  /// Runs `kernel` over grid x block threads with its parameter struct, and checks the launch; name: for the message.
  template <typename Params>
  void launch(const char* name, void (*kernel)(Params), dim3 grid, dim3 block, const Params& params) {
    if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
    launch_typed(name, kernel, grid, block, params);
  }

 private:
#if defined(TSUGI_SIMT)
  template <typename Params>
  void launch_typed(const char* name, void (*kernel)(Params), dim3 grid, dim3 block, const Params& params) {
    launch_function(
        name, [kernel, params] { kernel(params); }, grid, block);
  }
  /// `thread`: what each emulated thread runs.
  virtual void launch_function(const char* name, std::function<void()> thread, dim3 grid, dim3 block) = 0;
#else
  template <typename Params>
  void launch_typed(const char* name, void (*kernel)(Params), dim3 grid, dim3 block, const Params& params) {
    void* arguments[] = {const_cast<Params*>(&params)};
    launch_pointer(name, reinterpret_cast<const void*>(kernel), grid, block, arguments);
  }
  virtual void launch_pointer(const char* name, const void* kernel, dim3 grid, dim3 block, void** arguments) = 0;
#endif
};

#if defined(TSUGI_SIMT)
/// The emulator. sm: the architecture to stand for (dispatch takes its rows).
std::unique_ptr<Runtime> make_runtime(int sm, ThreadOrder order, std::uint64_t seed);
#else
/// The first CUDA device. Throws Error where there is none, or the driver is too old.
std::unique_ptr<Runtime> make_runtime();
#endif

}  // namespace TSUGI_GPU
}  // namespace tsugi
