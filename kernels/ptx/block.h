// A block of threads under way: what its instructions reach, and how far its warps are.
#pragma once

#include <random>
#include <string>

#include "kernels/ptx/checks.h"
#include "kernels/ptx/lanes.h"
#include "kernels/ptx/launch.h"
#include "kernels/ptx/memory.h"

namespace tsugi {
namespace ptx {

class Block {
 public:
  Block(Kernel& kernel, const Launch& launch, Memory& memory, Checks* checks);

  /// Runs block (x, y, z) from its first instruction until every thread has left.
  void run(std::uint32_t x, std::uint32_t y, std::uint32_t z);

  std::vector<std::uint8_t>& shared() { return shared_; }
  std::vector<std::uint8_t>& local() { return local_; }  ///< Kernel::local_bytes a thread, of whole warps
  const std::vector<std::uint8_t>& parameters() const { return launch_.parameters; }
  const Kernel& kernel() const { return kernel_; }
  Memory& memory() { return memory_; }
  Checks* checks() { return checks_; }  ///< null: accesses are only held against bounds
  Allocation* last_reached = nullptr;   ///< in global memory: usually the next one, too

  /// Throws Error: which thread, at which line of the PTX, and what went wrong.
  [[noreturn]] void fail(const Warp& warp, const Instruction& instruction, int lane, const std::string& what) const;
  std::string place_of(const Instruction& instruction) const;

 private:
  /// Lanes of a warp that go on together.
  struct Group {
    enum class State : std::uint8_t { runs, meets, waits };  ///< meets: for a warp's mask; waits: at a barrier
    int at;
    std::uint32_t lanes;
    State state;
  };
  struct WarpState {
    Warp warp;
    std::vector<std::uint8_t> registers;
    std::vector<Group> groups;
  };

  void start_warp(WarpState& state);
  void set_special(WarpState& state, const SpecialRegister& special);
  void run_warp(WarpState& state);
  void run_group(WarpState& state, Group group);
  bool meet(WarpState& state, const Instruction& instruction, std::uint32_t lanes, std::uint32_t& waiting);
  bool wake_meeting(WarpState& state);
  void merge(WarpState& state);
  int choose(const WarpState& state);
  void split(WarpState& state, Group& group);
  void end_barrier();
  std::uint32_t threads_of(const WarpState& state) const;

  Kernel& kernel_;
  const Launch& launch_;
  Memory& memory_;
  Checks* checks_;
  std::uint32_t threads_;
  std::uint32_t index_[3] = {0, 0, 0};
  std::vector<WarpState> warps_;
  std::vector<std::uint8_t> shared_, local_;
  std::mt19937_64 random_;
};

}  // namespace ptx
}  // namespace tsugi
