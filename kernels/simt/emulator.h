// Runs launches of emulated kernels: checks their limits and goes through their blocks.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/simt/block.h"

namespace tsugi {
namespace simt {

class Emulator {
 public:
  /// order: in which the threads of a block run between two barriers, and the blocks of a grid; seed: of
  /// ThreadOrder::shuffled.
  explicit Emulator(ThreadOrder order = ThreadOrder::forward, std::uint64_t seed = 1) : order_(order), seed_(seed) {}

  /// Throws Error where a GPU would refuse the launch; name: for the message.
  static void check_limits(const char* name, dim3 grid, dim3 block);

  /// Runs `thread` once for each thread of grid x block; complete on return. Throws Error naming kernel, block, thread
  /// and place where a kernel breaks a rule or throws: that of the block which runs first in order.
  void launch(const char* name, const std::function<void()>& thread, dim3 grid, dim3 block);

 private:
  ThreadOrder order_;
  std::uint64_t seed_;
  BlockRunner runner_;
};

}  // namespace simt
}  // namespace tsugi
