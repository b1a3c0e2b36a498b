// The emulation of a CUDA block on a host thread: which of its threads runs next, barriers, warp calls, shared memory,
// and what is wrong with a kernel that breaks their rules.
//
// A CUDA thread that has to wait keeps its fiber; one that ends hands its fiber to the next that starts, so a kernel
// without barriers runs on one fiber and without a switch.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/api/registry.h"
#include "kernels/simt/fiber_pool.h"
#include "kernels/simt/simt.h"

namespace tsugi {
namespace simt {

constexpr int kMaxThreads = 1024;  ///< of a block, on every architecture

/// A launch as its blocks see it.
struct Launch {
  const char* name;
  const std::function<void()>* thread;  ///< what each CUDA thread runs
  dim3 grid;
  dim3 block;
  ThreadOrder order;
  std::uint64_t seed;
};

class BlockRunner : private FiberPool::Main {
 public:
  BlockRunner();
  ~BlockRunner() override;

  /// Runs every thread of one block to its end. Throws Error with kernel, block, thread and place when the kernel
  /// breaks a rule or throws; the runner can be used again afterwards.
  void run(const Launch& launch, uint3 block);

  // Called by the running CUDA thread:
  void barrier(detail::Place place);
  void warp_call(detail::WarpCall& call);
  void* shared_memory(std::size_t bytes);

 private:
  enum class State : std::uint8_t { unstarted, ready, at_barrier, at_warp_call, exited };
  struct Abandon {};  ///< thrown through a kernel's frames once its block has failed
  struct Warp {
    unsigned arrived = 0;
    std::array<detail::WarpCall*, 32> calls{};
  };

  int run_fiber(int fiber) override;
  void run_thread();
  int next_ready();       ///< takes the next ready thread in order; -1: none
  int next_after_exit();  ///< the thread to go on with; -1: the block is over
  void enter(int thread);
  void wait();  ///< suspends the running thread until its state is ready again
  void make_ready(int thread);
  void set_order();  ///< for the next interval between barriers
  void all_ready();
  std::uint32_t random(std::uint32_t below);

  [[noreturn]] void fail(const std::string& what);
  void note_failure(int thread, const std::string& what);
  void explain_deadlock();
  std::string name_of_thread(int thread) const;
  std::string where(int thread) const;

  FiberPool pool_;
  std::vector<int> idle_fibers_;
  const Launch* launch_ = nullptr;
  uint3 block_{};
  dim3 shape_;     ///< block size that indices_ is for
  int count_ = 0;  ///< threads of a block
  std::vector<uint3> indices_;

  int running_ = 0;  ///< thread
  std::array<State, kMaxThreads> states_{};
  std::array<int, kMaxThreads> fibers_{};
  std::array<detail::Place, kMaxThreads> places_{};  ///< where a thread waits, or passed a barrier last
  std::array<Warp, kMaxThreads / 32> warps_{};
  int at_barrier_ = 0;
  int exited_ = 0;

  std::array<std::uint16_t, kMaxThreads> order_{};       ///< thread at a position
  std::array<std::uint16_t, kMaxThreads> position_{};    ///< of a thread
  std::array<std::uint64_t, kMaxThreads / 64> ready_{};  ///< a bit a position
  int cursor_ = 0;                                       ///< position after the one taken last
  std::uint64_t random_state_ = 0;

  bool failed_ = false;
  std::string failure_;

  std::unique_ptr<unsigned char[]> shared_storage_;
  unsigned char* shared_ = nullptr;
  std::size_t shared_bytes_ = 0;  ///< that this block asked for
};

namespace detail {
/// Fills in the results of a complete call: every lane of calls[lane]->mask has arrived. Returns a lane that read from
/// a lane outside of the mask, or -1.
int complete_warp_call(const std::array<WarpCall*, 32>& calls, unsigned mask);
/// "__shfl_xor_sync".
const char* name_of(WarpOp op);
}  // namespace detail

}  // namespace simt
}  // namespace tsugi
