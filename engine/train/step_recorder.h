// Times the parts of training steps: a mark in the device's stream at every border, read once the step has ended, so
// that watching makes no step wait in its middle.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/model/description.h"
#include "engine/model/step_probe.h"
#include "kernels/api/backend.h"

namespace tsugi {

/// One stay in one part.
struct StepSlice {
  StepPart part = StepPart::data;
  int layer = -1;      ///< index into Model::layers, -1 outside forward and backward
  double begin = 0.0;  ///< seconds since the step began, on the device's clock
  double seconds = 0.0;
};

class StepRecorder : public StepProbe {
 public:
  /// Both must outlive the recorder. Layer names go to profilers that watch the device (Backend::begin_range).
  StepRecorder(Backend& backend, const Model& model);

  void enter(StepPart part, int layer) override;
  void leave() override;

  /// Of the last step that ended, in order and without gaps.
  const std::vector<StepSlice>& slices() const { return slices_; }
  /// From the begin of its first slice to the end of its last.
  double seconds() const { return seconds_; }

 private:
  void mark();

  Backend& backend_;
  std::vector<std::string> names_;  // of layers
  std::vector<std::unique_ptr<TimeMark>> marks_;
  std::size_t used_ = 0;
  std::vector<StepSlice> open_, slices_;
  double seconds_ = 0.0;
};

}  // namespace tsugi
