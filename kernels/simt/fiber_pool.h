// Fibers of one host thread: stacks that are kept and reused, and switches between any two of them. The only file that
// knows Boost.Context and the sanitizers' notes about switches. Source: Boost.Context, "Class fiber",
// https://www.boost.org/doc/libs/1_74_0/libs/context/doc/html/context/ff.html
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace tsugi {
namespace simt {

/// A fiber runs `Main::run_fiber` each time somebody switches to it while it is idle. Fiber 0 is the host thread.
class FiberPool {
 public:
  static constexpr int kHost = 0;

  class Main {
   public:
    virtual ~Main() = default;
    /// One piece of work on the running fiber; returns the fiber to switch to. Must not throw.
    virtual int run_fiber(int fiber) = 0;
  };

  explicit FiberPool(Main& main);
  ~FiberPool();  ///< every fiber must be idle: nothing runs on them again
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  /// A new idle fiber. Throws Error where no memory is left for its stack.
  int create();
  int size() const { return static_cast<int>(fibers_.size()); }
  int running() const { return running_; }
  /// Suspends the running fiber and continues another. Returns when somebody switches back.
  void switch_to(int fiber);

 private:
  struct Fiber;

  Fiber& at(int fiber) { return *fibers_[static_cast<std::size_t>(fiber)]; }
  void arrive(int fiber, void* from);

  Main& main_;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  int running_ = kHost;
  int previous_ = kHost;
};

}  // namespace simt
}  // namespace tsugi
