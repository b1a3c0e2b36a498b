// Running a kernel: the interpreter's one entry behind decode().
#pragma once

#include "kernels/ptx/checks.h"
#include "kernels/ptx/code.h"
#include "kernels/ptx/memory.h"

namespace tsugi {
namespace ptx {

struct Launch {
  std::uint32_t grid[3] = {1, 1, 1}, block[3] = {1, 1, 1};
  std::vector<std::uint8_t> parameters;  ///< as the kernel's parameters lie: Kernel::source.parameters
  /// 0: blocks and warps in order, lanes of a warp together for as long as they can. Otherwise the seed of another
  /// order: blocks and warps shuffled, warps split at random. Whatever follows is allowed on sm_70 and newer.
  std::uint64_t shuffle = 0;
};

/// Runs every block of the launch. Throws Error, naming thread and line, at what a GPU would punish: an access outside
/// of memory or not aligned, a barrier that not every thread reaches, a warp-level instruction whose lanes never meet;
/// and with `checks` (may be null) at races and reads of what nothing wrote.
void run(Kernel& kernel, const Launch& launch, Memory& memory, Checks* checks);

}  // namespace ptx
}  // namespace tsugi
