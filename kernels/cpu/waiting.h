// How threads that compute wait for each other. libgomp has them try again for some milliseconds (spin) before they
// sleep: best on an idle machine, ruinous on a busy one, where who spins holds the processor that the awaited thread
// needs. Which of both a machine is shows while it computes, so that is watched.
#pragma once

#include <chrono>
#include <memory>
#include <string>

namespace tsugi {
namespace cpu {

/// While one exists, looks some times a second at how long this process's threads wait for processors, and has OpenMP's
/// threads spin only briefly while they do. libgomp spins briefly by itself while it manages more threads than there
/// are processors (do_wait in its wait.h): so a team that does nothing is kept meanwhile. Results do not change.
/// Does nothing where somebody chose (waiting_is_chosen(), kernels/api/threads.h) or no thread can be started.
class WaitWatch {
 public:
  struct Settings {
    std::string root;                        ///< of the file system, for tests
    std::chrono::milliseconds every{50};     ///< between two looks
    std::chrono::milliseconds lasting{300};  ///< without waiting, before threads spin long again
  };
  explicit WaitWatch(const Settings& settings);
  ~WaitWatch();
  WaitWatch(const WaitWatch&) = delete;
  WaitWatch& operator=(const WaitWatch&) = delete;

  /// Whether threads spin only briefly now.
  bool brief() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;  // null: does nothing
};

}  // namespace cpu
}  // namespace tsugi
