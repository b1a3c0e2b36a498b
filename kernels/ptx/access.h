// From the addresses of a warp's lanes to memory of the host.
#pragma once

#include "kernels/ptx/block.h"

namespace tsugi {
namespace ptx {

/// Lanes whose accesses lie in one stretch of memory. The offset of another lane is 0, where it may be read.
struct Reached {
  std::uint32_t lanes = 0;
  std::uint8_t* base = nullptr;
  std::int32_t offsets[kWarp];
};

/// from[0] + immediate of every lane.
void read_addresses(Warp& warp, const Instruction& instruction, std::uint64_t* addresses);

/// The first of `lanes` and those that reach the same stretch: usually all. Throws Error where one reaches no memory of
/// the space, or is not aligned to `bytes`, or where the checks of the block find something.
void reach(Warp& warp, const Instruction& instruction, const std::uint64_t* addresses, std::uint32_t lanes,
           std::size_t bytes, bool write, Reached& reached);

}  // namespace ptx
}  // namespace tsugi
