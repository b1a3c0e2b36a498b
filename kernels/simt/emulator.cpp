#include "kernels/simt/emulator.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "kernels/api/error.h"

namespace tsugi {
namespace simt {
namespace {

std::string text_of(dim3 v) { return std::to_string(v.x) + "x" + std::to_string(v.y) + "x" + std::to_string(v.z); }

}  // namespace

void Emulator::check_limits(const char* name, dim3 grid, dim3 block) {
  const std::string place = std::string("simt: kernel ") + name + ": ";
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 || threads > kMaxThreads) {
    throw Error(place + "a block of " + text_of(block) + " threads, expected 1 to 1024 in all, 64 in z");
  }
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    throw Error(place + "a grid of " + text_of(grid) + " blocks, expected at most 2147483647x65535x65535, none 0");
  }
}

void Emulator::launch(const char* name, const std::function<void()>& thread, dim3 grid, dim3 block) {
  check_limits(name, grid, block);
  const Launch launch{name, &thread, grid, block, order_, seed_};
  const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z;
  // Shuffled: block (i * stride + first) mod blocks runs as the i-th.
  const std::uint64_t first = seed_ % blocks;
  std::uint64_t stride = std::max<std::uint64_t>(blocks * 5 / 8, 1);
  while (std::gcd(stride, blocks) != 1) ++stride;
  for (std::uint64_t turn = 0; turn < blocks; ++turn) {
    const std::uint64_t index = order_ == ThreadOrder::reverse    ? blocks - 1 - turn
                                : order_ == ThreadOrder::shuffled ? (turn * stride + first) % blocks
                                                                  : turn;
    runner_.run(launch, {static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index / grid.x % grid.y),
                         static_cast<unsigned>(index / grid.x / grid.y)});
  }
}

}  // namespace simt
}  // namespace tsugi
