// The optimizer: its settings, its moments (one flat buffer each), and one fused update a step.
#pragma once

#include <string>
#include <vector>

#include "engine/core/arena.h"
#include "engine/model/parameters.h"
#include "kernels/api/backend.h"

namespace tsugi {

enum class OptimizerKind : std::uint8_t { sgd, adam, adamw };

const char* name_of(OptimizerKind kind);
/// "sgd", "adam" or "adamw". Throws Error on any other word.
OptimizerKind parse_optimizer(const std::string& name);

struct OptimizerSettings {
  OptimizerKind kind = OptimizerKind::sgd;
  float lr = 0.05f;
  float momentum = 0.9f;                            ///< sgd
  bool nesterov = true;                             ///< sgd
  float beta1 = 0.9f, beta2 = 0.999f, eps = 1e-8f;  ///< adam, adamw
  float weight_decay = 5e-4f;                       ///< of weights only; biases and batch norm are never decayed
  float clip_norm = 0.0f;                           ///< largest norm of the whole gradient, 0 = no clipping
};

/// A named moment buffer, as checkpoints store it: "momentum", "adam_m", "adam_v".
struct MomentBuffer {
  std::string name;
  DeviceBuffer buffer;  ///< [layout.count()] float32, device
};

/// What an update leaves for the host to read. Device memory.
struct UpdateReport {
  float norm = 0.0f;   ///< of the gradient
  float scale = 1.0f;  ///< what the update multiplied the gradient by
  LossScale loss_scale;
};

class Optimizer {
 public:
  /// `count` elements in the flat buffers, of which `ranges` (in order, not empty) are trained; the others are neither
  /// read nor written.
  Optimizer(Backend& backend, const OptimizerSettings& settings, std::size_t count, std::vector<ParameterRange> ranges);

  /// One update of all trained parameters. Where some are frozen, g must be 0 there: its norm is taken over everything.
  /// w, g: [count]; compute: a copy of the new weights in `compute_dtype`, or null; step, report: device. Clips by the
  /// norm of the whole gradient first. With `scaled`, g is the gradient times report->loss_scale.scale, which follows
  /// the rule of next_loss_scale; a gradient that is not finite changes nothing else.
  void update(float* w, const float* g, void* compute, DType compute_dtype, const StepState* step, UpdateReport* report,
              bool scaled = false);

  /// Fills the fields of `state` that depend on the number of updates done so far: state.step (must be set) less
  /// `skipped`.
  void prepare(StepState& state, std::uint32_t skipped = 0) const;

  std::vector<MomentBuffer>& moments() { return moments_; }
  float* moment(const std::string& name);  ///< device, null when this optimizer has none of that name
  static std::size_t bytes(const OptimizerSettings& settings, std::size_t count);  ///< device memory of the moments
  std::size_t scratch_bytes() const { return workspace_.bytes(); }                 ///< device memory beside the moments

 private:
  void update_range(const ParameterRange& range, UpdateBuffers buffers);

  Backend& backend_;
  OptimizerSettings settings_;
  std::size_t count_;
  std::vector<ParameterRange> ranges_;
  std::vector<MomentBuffer> moments_;
  DeviceBuffer workspace_;
};

}  // namespace tsugi
