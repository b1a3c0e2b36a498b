// The stand-in for the CUDA runtime library, called as nvcc's host code and runtime_cuda.cpp call it. The cases share
// one device, and the last one breaks it: they run in the order that they stand in.
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

extern "C" {
void** __cudaRegisterFatBinary(void* wrapper);
void __cudaRegisterFunction(void** binary, const char* host_function, char*, const char* name, int, uint3*, uint3*,
                            dim3*, dim3*, int*);
}

namespace tsugi {
namespace test {
namespace {

// Adds `step` to a word; a step of 13 writes behind it.
constexpr const char* kProgram = R"(.version 8.0
.target sm_75
.address_size 64
.visible .entry add_step(.param .u64 word, .param .u32 step)
.maxntid 64, 1, 1
{
  .reg .b64 %q<4>; .reg .b32 %r<8>; .reg .pred %p<3>;
  ld.param.u64 %q1, [word]; ld.param.u32 %r1, [step];
  mov.u32 %r2, %tid.x; setp.ne.u32 %p1, %r2, 0; @%p1 bra END;
  setp.eq.u32 %p2, %r1, 13;
  @%p2 st.global.u32 [%q1+4096], %r1;
  ld.global.u32 %r3, [%q1]; add.s32 %r3, %r3, %r1; st.global.u32 [%q1], %r3;
END:
  ret;
}
)";

const char kAddStep = 0, kUnknown = 0;  // host functions are known by their address

void register_program() {
  static std::string binary;
  if (!binary.empty()) return;
  struct Header {
    std::uint32_t magic;
    std::uint16_t version, header_bytes;
    std::uint64_t bytes;
  } header{0xBA55ED50u, 1, 16, std::strlen(kProgram) + 1};
  binary.assign(reinterpret_cast<const char*>(&header), sizeof header);
  binary += std::string(kProgram) + '\0';
  static struct {
    int magic, version;
    const void* data;
    void* file;
  } wrapper{0x466243b1, 1, binary.data(), nullptr};
  __cudaRegisterFunction(__cudaRegisterFatBinary(&wrapper), &kAddStep, nullptr, "add_step", -1, nullptr, nullptr,
                         nullptr, nullptr, nullptr);
}

cudaError_t launch(void* word, unsigned step, cudaStream_t stream, dim3 grid = 1, dim3 block = 32,
                   std::size_t shared = 0) {
  register_program();
  void* arguments[] = {&word, &step};
  return cudaLaunchKernel(&kAddStep, grid, block, arguments, shared, stream);
}

/// A word of device memory in a stream of its own.
struct Fixture {
  Fixture() {
    REQUIRE(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == cudaSuccess);
    REQUIRE(cudaMalloc(&word, 4) == cudaSuccess);
    REQUIRE(cudaMemsetAsync(word, 0, 4, stream) == cudaSuccess);
  }
  ~Fixture() {
    (void)cudaFree(word);
    (void)cudaStreamDestroy(stream);
    (void)cudaGetLastError();
  }
  unsigned value() const {
    unsigned v = 0;
    REQUIRE(cudaMemcpyAsync(&v, word, 4, cudaMemcpyDeviceToHost, stream) == cudaSuccess);
    return v;
  }
  cudaStream_t stream = nullptr;
  void* word = nullptr;
};

}  // namespace

TEST_SUITE("ptx runtime") {
  TEST_CASE_FIXTURE(Fixture, "a launch runs, and errors of calls are kept until they are asked for") {
    CHECK(launch(word, 5, stream) == cudaSuccess);
    CHECK(value() == 5);
    CHECK(launch(word, 5, stream, dim3(0)) == cudaErrorInvalidConfiguration);
    CHECK(cudaPeekAtLastError() == cudaErrorInvalidConfiguration);
    CHECK(cudaGetLastError() == cudaErrorInvalidConfiguration);
    CHECK(cudaGetLastError() == cudaSuccess);
    CHECK(value() == 5);
  }

  TEST_CASE_FIXTURE(Fixture, "launches beyond a limit are refused, and say which") {
    const auto refused = [&](dim3 grid, dim3 block, std::size_t shared) {
      CHECK(launch(word, 1, stream, grid, block, shared) == cudaErrorInvalidConfiguration);
      return std::string(cudaGetErrorString(cudaGetLastError()));
    };
    CHECK(refused(1, 65, 0).find("65 threads a block, its launch bound is 64") != std::string::npos);
    CHECK(refused(1, dim3(1025), 0).find("too large") != std::string::npos);
    CHECK(refused(dim3(1, 65536), 32, 0).find("too large") != std::string::npos);
    CHECK(refused(1, 32, 48 * 1024 + 1).find("49153 bytes of shared memory") != std::string::npos);
    CHECK(value() == 0);
    void* nothing[] = {nullptr};
    CHECK(cudaLaunchKernel(&kUnknown, 1, 1, nothing, 0, stream) == cudaErrorNoKernelImageForDevice);
  }

  TEST_CASE_FIXTURE(Fixture, "copies must say where their pointers lie, and stay within an allocation") {
    std::vector<unsigned> host(4);
    CHECK(cudaMemcpyAsync(host.data(), word, 4, cudaMemcpyHostToDevice, stream) == cudaErrorInvalidValue);
    CHECK(cudaMemcpyAsync(word, host.data(), 4, cudaMemcpyDeviceToHost, stream) == cudaErrorInvalidValue);
    CHECK(cudaMemcpyAsync(word, host.data(), 4, cudaMemcpyDeviceToDevice, stream) == cudaErrorInvalidValue);
    CHECK(cudaMemcpyAsync(host.data(), word, 8, cudaMemcpyDeviceToHost, stream) == cudaErrorInvalidValue);
    CHECK(cudaMemsetAsync(word, 0, 5, stream) == cudaErrorInvalidValue);
    CHECK(cudaMemsetAsync(host.data(), 0, 4, stream) == cudaErrorInvalidValue);
    CHECK(cudaFree(static_cast<char*>(word) + 1) == cudaErrorInvalidValue);
    CHECK(cudaFree(host.data()) == cudaErrorInvalidValue);
    void* large = nullptr;
    CHECK(cudaMalloc(&large, std::size_t{1} << 40) == cudaErrorMemoryAllocation);
    CHECK(cudaFree(nullptr) == cudaSuccess);
  }

  TEST_CASE_FIXTURE(Fixture, "captured work runs at each replay, with what memory holds then") {
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    CHECK(launch(word, 3, stream) == cudaSuccess);
    CHECK(launch(word, 4, stream) == cudaSuccess);
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    CHECK(value() == 0);
    cudaGraphExec_t executable = nullptr;
    REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
    CHECK(cudaGraphDestroy(graph) == cudaSuccess);
    CHECK(cudaGraphLaunch(executable, stream) == cudaSuccess);
    CHECK(value() == 7);
    REQUIRE(cudaMemsetAsync(word, 0, 4, stream) == cudaSuccess);
    CHECK(cudaGraphLaunch(executable, stream) == cudaSuccess);
    CHECK(cudaGraphLaunch(executable, stream) == cudaSuccess);
    CHECK(value() == 14);
    CHECK(cudaGraphExecDestroy(executable) == cudaSuccess);
  }

  TEST_CASE_FIXTURE(Fixture, "what waits or allocates ends a capture") {
    const auto spoils = [&](cudaError_t (*call)(void**)) {
      REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
      void* memory = nullptr;
      CHECK(call(&memory) == cudaErrorStreamCaptureUnsupported);
      cudaGraph_t graph = nullptr;
      CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
      CHECK(graph == nullptr);
    };
    spoils([](void** memory) { return cudaMalloc(memory, 4); });
    spoils([](void** memory) { return cudaHostAlloc(memory, 4, cudaHostAllocDefault); });
    spoils([](void**) { return cudaDeviceSynchronize(); });
    cudaGraph_t graph = nullptr;
    CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorIllegalState);
    CHECK(cudaStreamBeginCapture(nullptr, cudaStreamCaptureModeThreadLocal) == cudaErrorStreamCaptureUnsupported);
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaSuccess);
    CHECK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal) == cudaErrorIllegalState);
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    CHECK(cudaGraphDestroy(graph) == cudaSuccess);
  }

  TEST_CASE_FIXTURE(Fixture, "events tell a time only where they were recorded to") {
    cudaEvent_t begin = nullptr, end = nullptr, silent = nullptr;
    REQUIRE(cudaEventCreate(&begin) == cudaSuccess);
    REQUIRE(cudaEventCreate(&end) == cudaSuccess);
    REQUIRE(cudaEventCreateWithFlags(&silent, cudaEventDisableTiming) == cudaSuccess);
    float milliseconds = -1.0f;
    CHECK(cudaEventRecord(begin, stream) == cudaSuccess);
    CHECK(cudaEventElapsedTime(&milliseconds, begin, end) == cudaErrorInvalidResourceHandle);
    CHECK(cudaEventRecord(end, stream) == cudaSuccess);
    CHECK(cudaEventElapsedTime(&milliseconds, begin, end) == cudaSuccess);
    CHECK(milliseconds >= 0.0f);
    CHECK(cudaEventRecord(silent, stream) == cudaSuccess);
    CHECK(cudaEventElapsedTime(&milliseconds, begin, silent) == cudaErrorInvalidResourceHandle);
    for (const cudaEvent_t event : {begin, end, silent}) CHECK(cudaEventDestroy(event) == cudaSuccess);
  }

  TEST_CASE_FIXTURE(Fixture, "what a kernel does wrong is found at the next wait, and the device stays stuck with it") {
    CHECK(launch(word, 13, stream) == cudaSuccess);
    CHECK(cudaStreamSynchronize(stream) == cudaErrorLaunchFailure);
    const std::string message = cudaGetErrorString(cudaErrorLaunchFailure);
    INFO(message);
    CHECK(message.find("add_step: block (0, 0, 0) thread (0, 0, 0)") != std::string::npos);
    CHECK(message.find("outside of global memory") != std::string::npos);
    CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
    CHECK(cudaGetLastError() == cudaErrorLaunchFailure);
    void* memory = nullptr;
    CHECK(cudaMalloc(&memory, 4) == cudaErrorLaunchFailure);
    CHECK(cudaStreamSynchronize(stream) == cudaErrorLaunchFailure);
  }
}

}  // namespace test
}  // namespace tsugi
