// The emulator's host twin of the device runtime: memory, copies, recorded graphs.
#define TSUGI_SIMT
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/simt/runtime_simt.h"

namespace tsugi {
namespace simt {
namespace {

struct StepParams {
  float* values;
  const float* step;
};

__global__ void add_step(const StepParams p) { p.values[threadIdx.x] += *p.step; }

}  // namespace

TEST_SUITE("simt runtime") {
  TEST_CASE("memory is aligned, counted, NaN at first, and runs out with both figures named") {
    SimtRuntime runtime(53, ThreadOrder::forward, 1, 1000);
    CHECK(runtime.info().sm == 53);
    CHECK_FALSE(runtime.info().integrated);
    CHECK(runtime.free_bytes() == 1000);
    float* const first = static_cast<float*>(runtime.allocate(400));
    CHECK(reinterpret_cast<std::uintptr_t>(first) % 256 == 0);
    CHECK(std::isnan(first[99]));
    CHECK(runtime.free_bytes() == 600);
    CHECK_THROWS_WITH_AS(runtime.allocate(601), "simt: out of memory: 601 bytes needed, 600 bytes free", Error);
    void* const second = runtime.allocate(600);
    CHECK(runtime.free_bytes() == 0);
    runtime.release(first);
    runtime.release(nullptr);
    CHECK(runtime.free_bytes() == 400);
    CHECK(runtime.allocations() == 2);
    runtime.release(second);
  }

  TEST_CASE("copies and fills whose device side is not device memory are errors") {
    SimtRuntime runtime(75, ThreadOrder::forward, 1);
    char host[64] = {};
    char* const device = static_cast<char*>(runtime.allocate(64));
    runtime.copy_to_device(device, host, 64);
    runtime.copy_to_host(host, device + 32, 32);
    CHECK_THROWS_AS(runtime.copy_to_device(host, host, 64), Error);
    CHECK_THROWS_AS(runtime.copy_to_device(device + 1, host, 64), Error);
    CHECK_THROWS_AS(runtime.copy_to_host(host, host, 64), Error);
    CHECK_THROWS_AS(runtime.fill_zero(host, 64), Error);
    CHECK_THROWS_AS(runtime.fill_zero(device, 65), Error);
    runtime.release(device);
    CHECK_THROWS_AS(runtime.fill_zero(device, 64), Error);
  }

  TEST_CASE("a graph records without running, and reads what its pointers point to at replay") {
    SimtRuntime runtime(75, ThreadOrder::forward, 1);
    float* const values = static_cast<float*>(runtime.allocate(32 * sizeof(float)));
    float* const step = static_cast<float*>(runtime.allocate(sizeof(float)));
    float host = 1.0f;
    runtime.copy_to_device(step, &host, sizeof(host));

    runtime.begin_capture();
    runtime.fill_zero(values, 32 * sizeof(float));
    runtime.launch("add_step", &add_step, dim3(1), dim3(32), StepParams{values, step});
    runtime.launch("add_step", &add_step, dim3(1), dim3(32), StepParams{values, step});
    CHECK_THROWS_AS(runtime.copy_to_device(step, &host, sizeof(host)), Error);
    CHECK_THROWS_AS(runtime.copy_to_host(&host, step, sizeof(host)), Error);
    CHECK_THROWS_AS(runtime.synchronize(), Error);
    CHECK_THROWS_AS(runtime.allocate(4), Error);
    CHECK_THROWS_AS(runtime.begin_capture(), Error);
    CHECK_THROWS_AS(runtime.launch("too_big", &add_step, dim3(1), dim3(2000), StepParams{values, step}), Error);
    const std::unique_ptr<Graph> graph = runtime.end_capture();
    CHECK_THROWS_AS(runtime.end_capture(), Error);

    CHECK(std::isnan(values[31]));  // nothing has run yet
    for (const float value : {1.0f, 2.5f}) {
      runtime.copy_to_device(step, &value, sizeof(value));
      graph->launch();
      CHECK(values[0] == 2.0f * value);
      CHECK(values[31] == 2.0f * value);
    }
  }
}

}  // namespace simt
}  // namespace tsugi
