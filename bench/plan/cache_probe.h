// What the last-level cache keeps of what ops write until others read it. For calibration.cpp.
#pragma once

#include <memory>
#include <vector>

#include "bench/plan/cache_model.h"
#include "engine/core/arena.h"

namespace tsugi::bench {

/// Writes tensors that no cache holds yet, as a step's ops do, and times how fast they are read again: at once, by
/// their size, and after a pause. A loop over the same memory would find more: caches favour what was used twice.
class CacheProbe {
 public:
  /// cache: bytes of the last level.
  CacheProbe(Backend& backend, std::size_t cache, bool brief);

  /// Another turn of every size and every pause.
  void turn();
  CacheCurves curves() const;

 private:
  std::uint8_t* fresh(std::size_t bytes);
  void write(std::uint8_t* to, std::size_t bytes);
  double read(const std::uint8_t* from, std::size_t bytes);
  double pace_after(double pause, std::size_t bytes);

  Backend& backend_;
  std::size_t cache_, region_, at_ = 0;
  bool brief_;
  DeviceBuffer memory_, chunk_;
  std::vector<double> near_, far_;  // seconds a byte from the last level and from memory
  std::vector<std::vector<double>> by_size_, by_pause_;
};

}  // namespace tsugi::bench
