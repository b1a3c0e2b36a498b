// A launch, block by block, and where in it something failed.
#include "kernels/ptx/launch.h"

#include <algorithm>
#include <random>

#include "kernels/ptx/block.h"

namespace tsugi {
namespace ptx {
namespace {

std::string triple(std::uint32_t x, std::uint32_t y, std::uint32_t z) {
  return "(" + std::to_string(x) + ", " + std::to_string(y) + ", " + std::to_string(z) + ")";
}

}  // namespace

std::string Block::place_of(const Instruction& instruction) const {
  const std::size_t index = static_cast<std::size_t>(&instruction - kernel_.code.data());
  if (index >= kernel_.source.statements.size()) return "the end of " + kernel_.source.name;
  const Statement& statement = kernel_.source.statements[index];
  return kernel_.source.module + " line " + std::to_string(statement.line) + " (" + statement.text + ")";
}

void Block::fail(const Warp& warp, const Instruction& instruction, int lane, const std::string& what) const {
  const std::uint32_t thread = warp.index * kWarp + static_cast<std::uint32_t>(lane);
  const std::uint32_t x = launch_.block[0], y = launch_.block[1];
  throw Error("ptx: " + kernel_.source.name + ": block " + triple(index_[0], index_[1], index_[2]) + " thread " +
              triple(thread % x, thread / x % y, thread / x / y) + " at " + place_of(instruction) + ": " + what);
}

void run(Kernel& kernel, const Launch& launch, Memory& memory, Checks* checks) {
  if (launch.parameters.size() != kernel.source.parameter_bytes) {
    throw Error("ptx: " + kernel.source.name + ": " + std::to_string(launch.parameters.size()) +
                " bytes of parameters, expected " + std::to_string(kernel.source.parameter_bytes));
  }
  if (checks != nullptr) checks->begin_launch();
  Block block(kernel, launch, memory, checks);
  const std::uint32_t *grid = launch.grid, blocks = grid[0] * grid[1] * grid[2];
  std::vector<std::uint32_t> order(blocks);
  for (std::uint32_t b = 0; b < blocks; ++b) order[b] = b;
  std::mt19937_64 random(launch.shuffle);
  if (launch.shuffle != 0) std::shuffle(order.begin(), order.end(), random);
  for (const std::uint32_t b : order) block.run(b % grid[0], b / grid[0] % grid[1], b / grid[0] / grid[1]);
}

}  // namespace ptx
}  // namespace tsugi
