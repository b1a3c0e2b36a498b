// The CUDA runtime: one device, one non-blocking stream. Plain C++: no kernel is written or compiled here.
#include <nvtx3/nvToolsExt.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/cuda/runtime.h"

namespace tsugi {
namespace cuda {
namespace {

constexpr std::size_t kStagingBytes = std::size_t{1} << 20;  // of each of the two pinned buffers

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

std::string with_mib(std::size_t bytes) {
  return std::to_string(bytes) + " bytes (" + std::to_string(bytes >> 20) + " MiB)";
}

void check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  (void)cudaGetLastError();  // an error that is reported here must not be found again by the next call
  throw Error("device cuda: " + what + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}

/// Number of devices; throws a line that says what is missing where there is none.
int device_count() {
  int count = 0, driver = 0, runtime = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  (void)cudaGetLastError();
  (void)cudaDriverGetVersion(&driver);
  (void)cudaRuntimeGetVersion(&runtime);
  std::string reason = status == cudaSuccess ? "none is visible" : cudaGetErrorString(status);
  if (driver == 0) {
    reason = "no NVIDIA driver is installed";
  } else if (status == cudaErrorInsufficientDriver) {
    reason = "the driver knows CUDA " + version_text(driver) + ", this build needs " + version_text(runtime);
  }
  throw Error("device cuda: this machine has no usable NVIDIA GPU: " + reason);
}

int attribute(cudaDeviceAttr which, int device) {
  int value = 0;
  check(cudaDeviceGetAttribute(&value, which, device), "device query");
  return value;
}

DeviceInfo query(int device) {
  DeviceInfo info;
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, device), "device query");
  info.name = properties.name;
  info.total_memory = properties.totalGlobalMem;
  info.sm =
      10 * attribute(cudaDevAttrComputeCapabilityMajor, device) + attribute(cudaDevAttrComputeCapabilityMinor, device);
  info.multiprocessors = attribute(cudaDevAttrMultiProcessorCount, device);
  info.integrated = attribute(cudaDevAttrIntegrated, device) != 0;
  int driver = 0, runtime = 0;
  check(cudaDriverGetVersion(&driver), "device query");
  check(cudaRuntimeGetVersion(&runtime), "device query");
  info.versions = "driver " + version_text(driver) + ", runtime " + version_text(runtime);
  return info;
}

class CapturedGraph : public Graph {
 public:
  CapturedGraph(cudaGraph_t graph, cudaStream_t stream) : graph_(graph), stream_(stream) {
#if CUDART_VERSION >= 12000
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph_, 0);
#else
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph_, nullptr, nullptr, 0);
#endif
    if (status != cudaSuccess) (void)cudaGraphDestroy(graph_);
    check(status, "graph instantiation");
  }
  ~CapturedGraph() override {
    (void)cudaStreamSynchronize(stream_);  // the last replay may still run
    (void)cudaGraphExecDestroy(executable_);
    (void)cudaGraphDestroy(graph_);
  }
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;

  void launch() override { check(cudaGraphLaunch(executable_, stream_), "graph launch"); }

 private:
  cudaGraph_t graph_;
  cudaGraphExec_t executable_ = nullptr;
  cudaStream_t stream_;
};

/// A place in the stream, by an event.
class EventMark : public TimeMark {
 public:
  explicit EventMark(cudaStream_t stream) : stream_(stream) { check(cudaEventCreate(&event_), "creating an event"); }
  ~EventMark() override { (void)cudaEventDestroy(event_); }
  EventMark(const EventMark&) = delete;
  EventMark& operator=(const EventMark&) = delete;

  void record() override { check(cudaEventRecord(event_, stream_), "recording an event"); }
  double seconds_since(const TimeMark& earlier) const override {
    check(cudaEventSynchronize(event_), "waiting for an event");
    float milliseconds = 0.0f;
    check(cudaEventElapsedTime(&milliseconds, static_cast<const EventMark&>(earlier).event_, event_), "timing events");
    return 1e-3 * static_cast<double>(milliseconds);
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t event_ = nullptr;
};

class CudaRuntime : public Runtime {
 public:
  CudaRuntime() {
    device_count();
    check(cudaSetDevice(kDevice), "choosing the device");
    info_ = query(kDevice);
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream");
    if (info_.integrated) return;
    for (Staging& staging : staging_) {
      check(cudaHostAlloc(&staging.memory, kStagingBytes, cudaHostAllocDefault), "pinned staging memory");
      check(cudaEventCreateWithFlags(&staging.done, cudaEventDisableTiming), "creating an event");
    }
  }

  ~CudaRuntime() override {
    (void)cudaStreamSynchronize(stream_);
    for (Staging& staging : staging_) {
      if (staging.done != nullptr) (void)cudaEventDestroy(staging.done);
      if (staging.memory != nullptr) (void)cudaFreeHost(staging.memory);
    }
    (void)cudaStreamDestroy(stream_);
  }
  CudaRuntime(const CudaRuntime&) = delete;
  CudaRuntime& operator=(const CudaRuntime&) = delete;

  const DeviceInfo& info() const override { return info_; }
  void* native_stream() override { return stream_; }

  void* allocate(std::size_t bytes) override {
    refuse_while_capturing("allocating memory");
    void* memory = nullptr;
    // Integrated (Jetson): managed, not pinned memory. Both spare the copies, but the Nano's CPU reads pinned memory
    // past its caches, while managed memory stays cached on both sides.
    const cudaError_t status = info_.integrated
                                   ? cudaMallocManaged(&memory, std::max<std::size_t>(bytes, 1), cudaMemAttachGlobal)
                                   : cudaMalloc(&memory, std::max<std::size_t>(bytes, 1));
    if (status == cudaErrorMemoryAllocation || status == cudaErrorInvalidValue) {  // the latter: beyond any address
      (void)cudaGetLastError();
      throw Error("device cuda (" + info_.name + "): out of memory: " + with_mib(bytes) + " needed, " +
                  with_mib(free_bytes()) + " free of " + with_mib(info_.total_memory));
    }
    check(status, "allocating " + with_mib(bytes));
    ++allocations_;
    return memory;
  }

  void release(void* memory) noexcept override {
    if (memory != nullptr) (void)cudaFree(memory);  // waits for the work that uses it
  }

  std::size_t free_bytes() const override {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "asking for free memory");
    return free;
  }
  std::size_t allocations() const override { return allocations_; }

  void copy_to_device(void* to, const void* from, std::size_t bytes) override {
    refuse_while_capturing("a copy from the host");
    if (info_.integrated) {  // the host writes itself; the device must rest meanwhile (concurrentManagedAccess is 0)
      synchronize();
      std::memcpy(to, from, bytes);
      return;
    }
    for (std::size_t begin = 0; begin < bytes; begin += kStagingBytes) {
      const std::size_t part = std::min(kStagingBytes, bytes - begin);
      Staging& staging = next_staging();
      std::memcpy(staging.memory, static_cast<const unsigned char*>(from) + begin, part);
      check(cudaMemcpyAsync(static_cast<unsigned char*>(to) + begin, staging.memory, part, cudaMemcpyHostToDevice,
                            stream_),
            "copying " + std::to_string(bytes) + " bytes to the device");
      check(cudaEventRecord(staging.done, stream_), "recording an event");
    }
  }

  void copy_to_host(void* to, const void* from, std::size_t bytes) override {
    refuse_while_capturing("a copy to the host");
    if (info_.integrated) {
      synchronize();
      std::memcpy(to, from, bytes);
      return;
    }
    for (std::size_t begin = 0; begin < bytes; begin += kStagingBytes) {
      const std::size_t part = std::min(kStagingBytes, bytes - begin);
      Staging& staging = next_staging();
      check(cudaMemcpyAsync(staging.memory, static_cast<const unsigned char*>(from) + begin, part,
                            cudaMemcpyDeviceToHost, stream_),
            "copying " + std::to_string(bytes) + " bytes to the host");
      synchronize();
      std::memcpy(static_cast<unsigned char*>(to) + begin, staging.memory, part);
    }
  }

  void fill_zero(void* memory, std::size_t bytes) override {
    if (bytes != 0) check(cudaMemsetAsync(memory, 0, bytes, stream_), "filling with zeros");
  }

  void synchronize() override {
    refuse_while_capturing("waiting for the device");
    check(cudaStreamSynchronize(stream_), "waiting for the device");
  }

  void begin_capture() override {
    refuse_while_capturing("recording twice");
    check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "starting to record");
    capturing_ = true;
  }

  std::unique_ptr<Graph> end_capture() override {
    if (!capturing_) throw Error("device cuda: nothing is being recorded");
    capturing_ = false;
    cudaGraph_t graph = nullptr;
    const cudaError_t status = cudaStreamEndCapture(stream_, &graph);
    if (status != cudaSuccess && graph != nullptr) (void)cudaGraphDestroy(graph);
    check(status, "recording");
    return std::make_unique<CapturedGraph>(graph, stream_);
  }

  std::unique_ptr<TimeMark> make_time_mark() override { return std::make_unique<EventMark>(stream_); }
  void begin_range(const char* name) override { (void)nvtxRangePushA(name); }
  void end_range() override { (void)nvtxRangePop(); }

 private:
  static constexpr int kDevice = 0;

  /// Pinned memory of one copy under way; two of them, so that the host fills one while the device reads the other.
  struct Staging {
    void* memory = nullptr;
    cudaEvent_t done = nullptr;
  };

  Staging& next_staging() {
    Staging& staging = staging_[turn_];
    turn_ = 1 - turn_;
    check(cudaEventSynchronize(staging.done), "waiting for a copy");  // returns at once before its first use
    return staging;
  }

  void refuse_while_capturing(const char* what) const {
    if (capturing_) throw Error(std::string("device cuda: ") + what + " cannot be recorded");
  }

  void launch_pointer(const char* name, const void* kernel, dim3 grid, dim3 block, void** arguments) override {
    (void)cudaLaunchKernel(kernel, grid, block, arguments, 0, stream_);
    const cudaError_t status = cudaGetLastError();
    if (status == cudaSuccess) return;
    const auto text = [](const dim3& d) {
      return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z);
    };
    check(status, std::string("kernel ") + name + " with grid " + text(grid) + ", block " + text(block) + " on sm_" +
                      std::to_string(info_.sm));
  }

  DeviceInfo info_;
  cudaStream_t stream_ = nullptr;
  Staging staging_[2];
  std::size_t turn_ = 0;
  std::size_t allocations_ = 0;
  bool capturing_ = false;
};

}  // namespace

std::unique_ptr<Runtime> make_runtime() { return std::make_unique<CudaRuntime>(); }

}  // namespace cuda
}  // namespace tsugi
