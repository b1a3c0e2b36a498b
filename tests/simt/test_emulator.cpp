// What the emulator must do right and what it must find: barriers, orders, shared memory, warp calls.
#define TSUGI_SIMT
#include <doctest/doctest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "kernels/cuda/device/element.h"
#include "kernels/simt/runtime_simt.h"

namespace tsugi {
namespace simt {
namespace {

constexpr unsigned kAll = 0xffffffffu;
const ThreadOrder kOrders[] = {ThreadOrder::forward, ThreadOrder::reverse, ThreadOrder::shuffled};

struct Params {
  float* out;
  int mode;
};

/// out (floats, NaN before) after a launch of `kernel`; fresh runtime.
std::vector<float> run(void (*kernel)(Params), dim3 grid, dim3 block, std::size_t floats, int mode = 0,
                       ThreadOrder order = ThreadOrder::forward, std::uint64_t seed = 1) {
  SimtRuntime runtime(75, order, seed);
  Params params{static_cast<float*>(runtime.allocate(floats * sizeof(float))), mode};
  runtime.launch("planted", kernel, grid, block, params);
  std::vector<float> out(floats);
  runtime.copy_to_host(out.data(), params.out, floats * sizeof(float));
  return out;
}

/// What a launch throws; "" where it does not.
std::string error_of(void (*kernel)(Params), dim3 block, int mode = 0, ThreadOrder order = ThreadOrder::forward) {
  try {
    run(kernel, dim3(2), block, 4096, mode, order);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

__global__ void write_index(const Params p) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const unsigned at = thread + block * blockDim.x * blockDim.y * blockDim.z;
  p.out[at] = static_cast<float>(at);
}

struct Row {
  float v[256];
};

/// out[t] = v[t + 1] of v[t] = t, over `mode` rounds; a barrier is missing where mode is negative.
__global__ void rotate(const Params p) {
  Row& row = shared_memory<Row>();
  const int t = static_cast<int>(threadIdx.x), n = static_cast<int>(blockDim.x);
  row.v[t] = static_cast<float>(t);
  for (int round = 0; round < std::abs(p.mode); ++round) {
    __syncthreads();
    const float next = row.v[(t + 1) % n];
    if (p.mode > 0) __syncthreads();
    row.v[t] = next;
  }
  p.out[static_cast<int>(blockIdx.x) * n + t] = row.v[t];
}

__global__ void read_unwritten(const Params p) {
  Row& row = shared_memory<Row>();
  const unsigned t = threadIdx.x;
  if (t != 7 || blockIdx.x == 0) row.v[t] = 1.0f;
  __syncthreads();
  p.out[blockIdx.x * blockDim.x + t] = row.v[t];
}

__global__ void diverge(const Params p) {
  const int t = static_cast<int>(threadIdx.x);
  if (p.mode == 0) {  // two places
    if (t < 5) {
      __syncthreads();
    } else {
      __syncthreads();
    }
  }
  if (p.mode == 1) {  // a thread leaves
    if (t == 5) return;
    __syncthreads();
  }
  if (p.mode == 2) {  // one barrier more
    for (int i = 0; i < (t == 5 ? 3 : 2); ++i) __syncthreads();
  }
  if (p.mode == 3) {  // barrier and warp call
    if (t == 5) {
      __syncthreads();
    } else {
      __syncwarp();
    }
  }
  p.out[t] = 1.0f;
}

__global__ void vote_wrongly(const Params p) {
  const unsigned t = threadIdx.x;
  if (p.mode == 0 && t < 16) __ballot_sync(kAll, 1);                     // half of the lanes only
  if (p.mode == 1) __ballot_sync(0xffff0000u, 1);                        // lanes that the mask leaves out
  if (p.mode == 2) __ballot_sync(t < 16 ? 0xffffu : kAll, 1);            // masks that disagree
  if (p.mode == 3) __shfl_down_sync(0xffffu << (t / 16 * 16), 1.0f, 4);  // reads across its mask
  if (p.mode == 4) {                                                     // the same mask, two calls
    if (t < 16) {
      __any_sync(kAll, 1);
    } else {
      __all_sync(kAll, 1);
    }
  }
  p.out[t] = 1.0f;
}

__global__ void throw_in_one(const Params p) {
  Row& row = shared_memory<Row>();
  row.v[threadIdx.x] = 1.0f;
  const std::vector<float> owned(100, 1.0f);  // LeakSanitizer sees whether waiting threads are unwound
  if (p.mode == 1) __syncthreads();
  if (threadIdx.x == 3) throw std::runtime_error("planted");
  __syncthreads();
  p.out[threadIdx.x] = owned[0];
}

__global__ void two_sizes(const Params p) {
  p.out[0] = shared_memory<Row>().v[0];
  shared_memory<float>() = 1.0f;
}

/// Loads (mode below 4) or stores four floats mode % 4 elements past an aligned address.
__global__ void move_four(const Params p) {
  float* at = p.out + 8 * threadIdx.x + p.mode % 4;
  if (p.mode < 4) {
    at[0] = load_vec<float, 4>(at).v[0];
  } else {
    store_vec<float, 4>(at, {});
  }
}

}  // namespace

TEST_SUITE("simt emulator") {
  TEST_CASE("every thread of every block runs once, in every order") {
    for (const ThreadOrder order : kOrders) {
      const std::vector<float> out = run(&write_index, dim3(3, 5, 2), dim3(5, 3, 7), 30 * 105, 0, order, 9);
      for (std::size_t i = 0; i < out.size(); ++i) REQUIRE(out[i] == static_cast<float>(i));
    }
  }

  TEST_CASE("barriers order shared memory, whatever the order of threads") {
    for (const ThreadOrder order : kOrders) {
      for (const unsigned block : {1u, 2u, 31u, 33u, 64u, 65u, 128u, 200u, 256u}) {
        const std::vector<float> out = run(&rotate, dim3(6), dim3(block), 6 * block, 5, order, block);
        for (unsigned i = 0; i < 6 * block; ++i) REQUIRE(out[i] == static_cast<float>((i + 5) % block));
      }
    }
  }

  TEST_CASE("a missing barrier makes thread orders disagree") {
    const std::vector<float> forward = run(&rotate, dim3(1), dim3(64), 64, -1, ThreadOrder::forward);
    const std::vector<float> reverse = run(&rotate, dim3(1), dim3(64), 64, -1, ThreadOrder::reverse);
    const std::vector<float> shuffled = run(&rotate, dim3(1), dim3(64), 64, -1, ThreadOrder::shuffled, 1);
    CHECK(forward != reverse);
    CHECK(forward != shuffled);
    CHECK(shuffled != run(&rotate, dim3(1), dim3(64), 64, -1, ThreadOrder::shuffled, 2));
    CHECK(shuffled == run(&rotate, dim3(1), dim3(64), 64, -1, ThreadOrder::shuffled, 1));
  }

  TEST_CASE("a read of shared memory that nothing wrote gives NaN, whatever an earlier block left") {
    const std::vector<float> out = run(&read_unwritten, dim3(2), dim3(64), 128);  // the first block writes it all
    for (std::size_t i = 0; i < 128; ++i) CHECK(std::isnan(out[i]) == (i == 64 + 7));
  }

  TEST_CASE("divergent barriers are errors that name kernel, block, threads and both places") {
    for (const ThreadOrder order : kOrders) {
      const std::string places = error_of(&diverge, dim3(64), 0, order);
      CAPTURE(places);
      CHECK(contains(places, "kernel planted, block ("));
      CHECK(contains(places, "thread ("));
      CHECK(contains(places, "waits at __syncthreads() of tests/simt/test_emulator.cpp:"));
      CHECK(places.find("test_emulator.cpp:") != places.rfind("test_emulator.cpp:"));

      const std::string exited = error_of(&diverge, dim3(64), 1, order);
      CHECK_MESSAGE(contains(exited, "but thread (5,0,0) has exited"), exited);
      const std::string extra = error_of(&diverge, dim3(64), 2, order);
      CHECK_MESSAGE(contains(extra, "thread (5,0,0) waits at __syncthreads()"), extra);
      CHECK_MESSAGE(contains(extra, "has exited, last seen at tests/simt/test_emulator.cpp:"), extra);
      const std::string mixed = error_of(&diverge, dim3(64), 3, order);
      CHECK_MESSAGE(contains(mixed, "waits at __syncwarp"), mixed);
      CHECK_MESSAGE(contains(mixed, "thread (5,0,0) waits at __syncthreads()"), mixed);
    }
  }

  TEST_CASE("warp calls whose mask is not the set of lanes that call are errors") {
    for (const ThreadOrder order : kOrders) {
      CHECK(contains(error_of(&vote_wrongly, dim3(32), 0, order),
                     "with the mask 0xffffffff, but thread (16,0,0) has exited"));
      CHECK(contains(error_of(&vote_wrongly, dim3(32), 1, order), "which leaves out lane"));
      CHECK(contains(error_of(&vote_wrongly, dim3(32), 2, order), "with the mask 0x"));
      CHECK(contains(error_of(&vote_wrongly, dim3(32), 3, order), "reads from a lane outside of the mask"));
      CHECK(contains(error_of(&vote_wrongly, dim3(32), 4, order), "with the mask 0xffffffff, but thread ("));
      CHECK(contains(error_of(&diverge, dim3(40), 3, order), "__sync"));
    }
    CHECK(contains(error_of(&vote_wrongly, dim3(24), 4), "lane 24 does not exist: the block has 24 threads"));
  }

  TEST_CASE("a kernel's exception becomes an Error, and the emulator goes on") {
    for (const ThreadOrder order : kOrders) {
      SimtRuntime runtime(75, order, 1);
      Params params{static_cast<float*>(runtime.allocate(64 * sizeof(float))), 0};
      for (const int mode : {0, 1, 0, 1}) {
        params.mode = mode;
        CHECK_THROWS_WITH_AS(runtime.launch("planted", &throw_in_one, dim3(1), dim3(64), params),
                             "simt: kernel planted, block (0,0,0), thread (3,0,0) the kernel threw: planted", Error);
        params.mode = 3;
        runtime.launch("rotate", &rotate, dim3(1), dim3(64), params);
        CHECK(params.out[0] == 3.0f);
      }
    }
  }

  TEST_CASE("the failure that is reported is that of the block which runs first") {
    CHECK_THROWS_WITH_AS(run(&throw_in_one, dim3(50), dim3(64), 64, 0, ThreadOrder::reverse),
                         "simt: kernel planted, block (49,0,0), thread (3,0,0) the kernel threw: planted", Error);
  }

  TEST_CASE("an access that is not aligned to its size is an error, as it is on a device") {
    for (const int aligned : {0, 4}) CHECK(error_of(&move_four, dim3(8), aligned) == "");
    for (const int two_past : {2, 6}) {
      const std::string error = error_of(&move_four, dim3(8), two_past);
      CHECK_MESSAGE(contains(error, "kernel planted, block ("), error);
      CHECK_MESSAGE(contains(error, "16 bytes at an address 8 bytes past a multiple of 16"), error);
    }
  }

  TEST_CASE("one kernel has one layout of shared memory") {
    CHECK(contains(error_of(&two_sizes, dim3(1)), "asks for 4 bytes of shared memory"));
  }

  TEST_CASE("calls that only a kernel may make are errors elsewhere") {
    CHECK_THROWS_AS(__syncthreads(), Error);
    CHECK_THROWS_AS(shared_memory<Row>(), Error);
    CHECK_THROWS_AS(__ballot_sync(kAll, 1), Error);
  }

  TEST_CASE("a launch that a GPU would refuse is refused") {
    CHECK_THROWS_AS(run(&write_index, dim3(1), dim3(1025), 1), Error);
    CHECK_THROWS_AS(run(&write_index, dim3(1), dim3(64, 32), 1), Error);
    CHECK_THROWS_AS(run(&write_index, dim3(1), dim3(1, 1, 65), 1), Error);
    CHECK_THROWS_AS(run(&write_index, dim3(1), dim3(0), 1), Error);
    CHECK_THROWS_AS(run(&write_index, dim3(1, 65536), dim3(1), 1), Error);
    CHECK_THROWS_AS(run(&write_index, dim3(1, 1, 65536), dim3(1), 1), Error);
    CHECK(run(&write_index, dim3(1), dim3(1024), 1024).back() == 1023.0f);
    CHECK(std::isnan(run(&write_index, dim3(1, 0), dim3(1), 1)[0]));  // an empty grid is no work, as the launcher says
  }
}

}  // namespace simt
}  // namespace tsugi
