#include "kernels/simt/runtime_simt.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace tsugi {
namespace simt {
namespace {

constexpr std::size_t kAlignment = 256;

class RecordedGraph : public Graph {
 public:
  explicit RecordedGraph(std::vector<std::function<void()>> calls) : calls_(std::move(calls)) {}
  void launch() override {
    for (const auto& call : calls_) call();
  }

 private:
  std::vector<std::function<void()>> calls_;
};

}  // namespace

SimtRuntime::SimtRuntime(int sm, ThreadOrder order, std::uint64_t seed, std::size_t memory_limit)
    : emulator_(order, seed) {
  info_.name = "emulated sm_" + std::to_string(sm);
  info_.sm = sm;
  info_.multiprocessors = sm == 53 ? 1 : sm == 75 ? 68 : 4;
  info_.integrated = false;
  info_.total_memory = memory_limit;
  info_.versions = "tsugi simt";
}

SimtRuntime::~SimtRuntime() {
  for (const auto& block : memory_) std::free(const_cast<char*>(block.first));
}

void* SimtRuntime::allocate(std::size_t bytes) {
  refuse_in_capture("allocate");
  if (bytes > free_bytes()) {
    throw Error("simt: out of memory: " + std::to_string(bytes) + " bytes needed, " + std::to_string(free_bytes()) +
                " bytes free");
  }
  void* memory = nullptr;
  // posix_memalign, because it takes sizes that are no multiple of the alignment: AddressSanitizer's red zone then
  // begins with the first byte behind the last.
  if (posix_memalign(&memory, kAlignment, std::max<std::size_t>(bytes, 1)) != 0) {
    throw Error("simt: out of memory: " + std::to_string(bytes) + " bytes needed, the host has no more");
  }
  std::memset(memory, 0xff, bytes);  // NaN: a GPU leaves whatever was there
  memory_[static_cast<const char*>(memory)] = bytes;
  allocated_ += bytes;
  ++allocations_;
  return memory;
}

void SimtRuntime::release(void* memory) noexcept {
  const auto found = memory_.find(static_cast<const char*>(memory));
  if (found != memory_.end()) {
    allocated_ -= found->second;
    memory_.erase(found);
  }
  std::free(memory);
}

void SimtRuntime::copy_to_device(void* to, const void* from, std::size_t bytes) {
  refuse_in_capture("copy_to_device");
  check_device_range("copy_to_device", to, bytes);
  if (bytes != 0) std::memcpy(to, from, bytes);
}

void SimtRuntime::copy_to_host(void* to, const void* from, std::size_t bytes) {
  refuse_in_capture("copy_to_host");
  check_device_range("copy_to_host", from, bytes);
  if (bytes != 0) std::memcpy(to, from, bytes);
}

void SimtRuntime::fill_zero(void* memory, std::size_t bytes) {
  check_device_range("fill_zero", memory, bytes);
  if (bytes == 0) return;
  if (capturing_) {
    recorded_.push_back([memory, bytes] { std::memset(memory, 0, bytes); });
  } else {
    std::memset(memory, 0, bytes);
  }
}

void SimtRuntime::begin_capture() {
  refuse_in_capture("begin_capture");
  capturing_ = true;
  recorded_.clear();
}

std::unique_ptr<Graph> SimtRuntime::end_capture() {
  if (!capturing_) throw Error("simt: end_capture without begin_capture");
  capturing_ = false;
  return std::unique_ptr<Graph>(new RecordedGraph(std::move(recorded_)));
}

void SimtRuntime::launch_function(const char* name, std::function<void()> thread, dim3 grid, dim3 block) {
  if (!capturing_) {
    emulator_.launch(name, thread, grid, block);
    return;
  }
  Emulator::check_limits(name, grid, block);
  recorded_.push_back([this, kernel = std::string(name), thread, grid, block] {
    emulator_.launch(kernel.c_str(), thread, grid, block);
  });
}

void SimtRuntime::refuse_in_capture(const char* call) const {
  if (capturing_) throw Error(std::string("simt: ") + call + " while a graph is captured: a graph cannot hold it");
}

void SimtRuntime::check_device_range(const char* call, const void* memory, std::size_t bytes) const {
  if (bytes == 0) return;
  const char* const first = static_cast<const char*>(memory);
  auto block = memory_.upper_bound(first);
  if (block != memory_.begin()) {
    --block;
    const std::size_t offset = static_cast<std::size_t>(first - block->first);
    if (offset < block->second && bytes <= block->second - offset) return;
  }
  throw Error(std::string("simt: ") + call + " of " + std::to_string(bytes) +
              " bytes: the device's side is not inside memory from allocate()");
}

std::unique_ptr<Runtime> make_runtime(int sm, ThreadOrder order, std::uint64_t seed) {
  return std::unique_ptr<Runtime>(new SimtRuntime(sm, order, seed));
}

}  // namespace simt
}  // namespace tsugi
