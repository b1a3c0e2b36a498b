// Runs launches of emulated kernels: checks their limits and spreads their blocks over host threads.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "kernels/simt/block.h"

namespace tsugi {
namespace simt {

class Emulator {
 public:
  /// order: in which the threads of a block run between two barriers, and the blocks of a grid; seed: of
  /// ThreadOrder::shuffled.
  explicit Emulator(ThreadOrder order = ThreadOrder::forward, std::uint64_t seed = 1);
  ~Emulator();
  Emulator(const Emulator&) = delete;
  Emulator& operator=(const Emulator&) = delete;

  /// Host threads that run blocks, the caller's included (at least 1, the default). Results do not depend on it.
  void set_host_threads(int count);
  int host_threads() const { return static_cast<int>(helpers_.size()) + 1; }

  /// Throws Error where a GPU would refuse the launch; name: for the message.
  static void check_limits(const char* name, dim3 grid, dim3 block);

  /// Runs `thread` once for each thread of grid x block; complete on return. Throws Error naming kernel, block, thread
  /// and place where a kernel breaks a rule or throws: that of the block which runs first in order.
  void launch(const char* name, const std::function<void()>& thread, dim3 grid, dim3 block);

 private:
  void run_blocks(BlockRunner& runner);
  void help(BlockRunner& runner, std::uint64_t seen);  ///< a helper's life; seen: the last generation_ it ran
  void stop_helpers();

  ThreadOrder order_;
  std::uint64_t seed_;
  BlockRunner caller_;

  struct Helper {
    BlockRunner runner;
    std::thread thread;
  };
  std::vector<std::unique_ptr<Helper>> helpers_;

  // The launch at hand, shared with the helpers under mutex_.
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable done_;
  const Launch* launch_ = nullptr;
  std::uint64_t next_block_ = 0;
  std::uint64_t blocks_ = 0;
  std::uint64_t stride_ = 1;  ///< shuffled: block (i * stride_ + first_) mod blocks_ runs as the i-th
  std::uint64_t first_ = 0;
  std::uint64_t generation_ = 0;  ///< launches that helpers took part in
  int busy_ = 0;
  bool stopping_ = false;
  std::uint64_t failed_block_ = 0;
  std::string failure_;
};

}  // namespace simt
}  // namespace tsugi
