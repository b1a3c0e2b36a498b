// What calibration measures beside the ops of layers: augmentation, loss and updates, a call's own cost, copies. For
// calibration.cpp.
#pragma once

#include <memory>
#include <vector>

#include "bench/measure/timing.h"
#include "bench/plan/device_description.h"
#include "engine/core/arena.h"

namespace tsugi::bench {

/// Of the roofline, what a call of `seconds` reached, its launch apart.
double share_of(const DeviceDescription& device, const OpFeatures& features, double seconds);

class CalibrationExtras {
 public:
  CalibrationExtras(Backend& backend, DType dtype, bool brief);

  /// Another turn of every point.
  void turn(const TimingOptions& options, double seconds);
  /// Fills in launch_s, copy_s and upload_bytes_per_s, and adds entries. device.limits and .cache must be there.
  void describe(DeviceDescription& device) const;

 private:
  struct Point {
    OpFeatures features;
    Contender contender;
    std::vector<double> seconds;
  };
  /// Points of one op, which become one table over the bytes that they move.
  using Points = std::vector<Point>;

  void* memory(std::size_t bytes);
  template <typename Op>
  void add(Points& points, const OpFeatures& features, void (Backend::*call)(const Op&), const Op& op);
  void add_augment(int side, int n);
  void add_loss(int n, int classes);
  void add_updates(std::size_t count);
  double seconds_of_copy(std::size_t bytes, const TimingOptions& options, double seconds);

  Backend& backend_;
  DType dtype_;
  std::vector<std::unique_ptr<DeviceBuffer>> memory_;
  std::vector<std::uint8_t> host_;
  StepState* state_ = nullptr;
  Points call_, augment_, loss_, norm_, sgd_, adam_;
  std::vector<double> small_copies_, large_copies_;
};

}  // namespace tsugi::bench
