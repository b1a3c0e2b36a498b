// Who wants to know what a training step is doing right now: one call at each border between two parts. Profiles and
// benchmarks of steps listen; everybody else pays for a null pointer.
#pragma once

#include <cstdint>

namespace tsugi {

/// The parts of a step, in the order in which they first come. `data` is the host's work: choosing, gathering and
/// sending photos and labels; `augment` makes the input of them (or dequantises features); `results` waits for the
/// device, fetches losses and checks them.
enum class StepPart : std::uint8_t { data, augment, forward, loss, backward, update, results };

/// "data", "augment", "forward", ...
inline const char* name_of(StepPart part) {
  constexpr const char* kNames[] = {"data", "augment", "forward", "loss", "backward", "update", "results"};
  return kNames[static_cast<int>(part)];
}

class StepProbe {
 public:
  virtual ~StepProbe() = default;
  /// A part begins, and the one before it ends: parts leave no gap. layer: index into Model::layers in forward and
  /// backward, -1 in other parts. Parts come back: once a micro-batch, and `data` for what the host does ahead.
  virtual void enter(StepPart part, int layer) = 0;
  /// The step's last part ends.
  virtual void leave() = 0;
};

}  // namespace tsugi
