// Streams, capture, graphs and events of the CUDA runtime.
#include "kernels/ptx/runtime/streams.h"

#include <algorithm>
#include <chrono>
#include <set>

using tsugi::ptx::Device;
using tsugi::ptx::refuse_while_capturing;
using tsugi::ptx::Work;
using Lock = std::lock_guard<std::recursive_mutex>;

// What CUDA's handles point to; its headers only declare them.
struct CUstream_st {
  bool capturing = false, spoilt = false;
  std::vector<Work> recorded;
};
struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};
struct CUevent_st {
  std::chrono::steady_clock::time_point time;
  bool timing = true, recorded = false;
};

namespace {

std::set<cudaStream_t>& streams() {
  static std::set<cudaStream_t> all;
  return all;
}

}  // namespace

namespace tsugi {
namespace ptx {

cudaError_t issue(Work work, cudaStream_t stream) {
  if (stream != nullptr && stream->capturing) {
    stream->recorded.push_back(std::move(work));
    return cudaSuccess;
  }
  if (stream == nullptr) {
    if (const cudaError_t error = refuse_while_capturing("work on the legacy stream")) return error;
  }
  Device::get().perform(work);
  return cudaSuccess;
}

cudaError_t refuse_while_capturing(const char* call) {
  for (const cudaStream_t stream : streams()) {
    if (!stream->capturing) continue;
    stream->spoilt = true;
    return Device::get().fail(cudaErrorStreamCaptureUnsupported, std::string(call) + " while a stream captures");
  }
  return cudaSuccess;
}

}  // namespace ptx
}  // namespace tsugi

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  const Lock lock(Device::get().mutex());
  *stream = new CUstream_st;
  streams().insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock(Device::get().mutex());
  if (streams().erase(stream) == 0) return Device::get().fail(cudaErrorInvalidResourceHandle, "no such stream");
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t) {
  const Lock lock(Device::get().mutex());
  if (const cudaError_t error = refuse_while_capturing("cudaStreamSynchronize")) return error;
  return Device::get().stuck();
}

cudaError_t cudaDeviceSynchronize() { return cudaStreamSynchronize(nullptr); }

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Lock lock(Device::get().mutex());
  if (stream == nullptr)
    return Device::get().fail(cudaErrorStreamCaptureUnsupported, "the legacy stream cannot capture");
  if (stream->capturing) return Device::get().fail(cudaErrorIllegalState, "the stream captures already");
  stream->capturing = true;
  stream->spoilt = false;
  stream->recorded.clear();
  return Device::get().stuck();
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock(Device::get().mutex());
  *graph = nullptr;
  if (stream == nullptr || !stream->capturing) return Device::get().fail(cudaErrorIllegalState, "nothing is captured");
  stream->capturing = false;
  if (stream->spoilt) {
    return Device::get().fail(cudaErrorStreamCaptureInvalidated, "a call that cannot be captured ended the capture");
  }
  *graph = new CUgraph_st{std::move(stream->recorded)};
  return Device::get().stuck();
}

#if CUDART_VERSION >= 12000
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
#else
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, cudaGraphNode_t*, char*, std::size_t) {
#endif
  const Lock lock(Device::get().mutex());
  if (const cudaError_t error = refuse_while_capturing("cudaGraphInstantiate")) return error;
  *executable = new CUgraphExec_st{graph->work};
  return Device::get().stuck();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream) {
  const Lock lock(Device::get().mutex());
  for (const Work& work : executable->work) {
    if (const cudaError_t error = tsugi::ptx::issue(work, stream)) return error;
  }
  return Device::get().stuck();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = new CUevent_st;
  (*event)->timing = (flags & cudaEventDisableTiming) == 0;
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t) {
  event->time = std::chrono::steady_clock::now();
  event->recorded = true;
  return Device::get().stuck();
}

cudaError_t cudaEventSynchronize(cudaEvent_t) {
  const Lock lock(Device::get().mutex());
  if (const cudaError_t error = refuse_while_capturing("cudaEventSynchronize")) return error;
  return Device::get().stuck();
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  const Lock lock(Device::get().mutex());
  if (!begin->recorded || !end->recorded || !begin->timing || !end->timing) {
    return Device::get().fail(cudaErrorInvalidResourceHandle, "an event that was not recorded, or without timing");
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->time - begin->time).count();
  return cudaSuccess;
}

}  // extern "C"
