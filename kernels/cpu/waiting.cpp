#include "kernels/cpu/waiting.h"

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "kernels/api/threads.h"
#include "kernels/cpu/headroom.h"

namespace tsugi {
namespace cpu {
namespace {

/// Of the time that threads could have run. Measured on two processors: up to 0.08 in training alone, with single looks
/// up to 0.2 while photos are decoded; 0.42 to 0.6 beside two busy processes. One beside brings 0.25 (derived).
constexpr double kMuchWaiting = 0.15;

/// A thread with a team of its own until it is told to end. libgomp keeps a team's threads for as long as the thread
/// that started them lives.
class SpareTeam {
 public:
  /// Throws where memory is too short for two threads: the runtime would end the process.
  SpareTeam() {
    require_headroom();
    thread_ = std::thread([this] { keep(); });
  }
  ~SpareTeam() {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

 private:
  void keep() {
#pragma omp parallel num_threads(2)
    ++arrived_;  // the compiler takes a region away that does nothing
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<int> arrived_{0};
  bool ended_ = false;
  std::thread thread_;
};

}  // namespace

struct WaitWatch::Impl {
  explicit Impl(const Settings& s) : settings(s), thread([this] { watch(); }) {}
  ~Impl() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      ended = true;
    }
    changed.notify_one();
    thread.join();
  }

  /// Without memory or threads for looking, all stays as it is: nothing that is computed depends on it.
  void watch() noexcept {
    try {
      look();
    } catch (const std::exception&) {
    }
    brief = false;
  }

  void look() {
    using Clock = std::chrono::steady_clock;
    std::unique_ptr<SpareTeam> spare;
    ProcessorWait wait(settings.root);
    Clock::time_point last_waited;
    std::unique_lock<std::mutex> lock(mutex);
    while (!changed.wait_for(lock, settings.every, [this] { return ended; })) {
      const bool waited = wait.share() > kMuchWaiting;
      wait = ProcessorWait(settings.root);
      if (waited) last_waited = Clock::now();
      if (waited && !spare) spare = std::make_unique<SpareTeam>();
      if (spare && Clock::now() - last_waited > settings.lasting) spare.reset();
      brief = spare != nullptr;
    }
  }

  const Settings settings;
  std::mutex mutex;
  std::condition_variable changed;
  bool ended = false;
  std::atomic<bool> brief{false};
  std::thread thread;  // last: it uses the others
};

WaitWatch::WaitWatch(const Settings& settings) {
  if (waiting_is_chosen()) return;
  try {
    impl_ = std::make_unique<Impl>(settings);
  } catch (const std::exception&) {  // no thread or memory: as the runtime does by itself
  }
}

WaitWatch::~WaitWatch() = default;

bool WaitWatch::brief() const { return impl_ != nullptr && impl_->brief; }

}  // namespace cpu
}  // namespace tsugi
