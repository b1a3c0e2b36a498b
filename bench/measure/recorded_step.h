// A training step's ops without running any: the trainer itself issues a step to a backend that computes nothing, and
// plans its memory there. What is recorded is therefore what training does, fusion, masks, frozen layers and
// micro-batches included.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bench/measure/op_features.h"
#include "bench/measure/shape_lists.h"
#include "engine/data/photo.h"
#include "engine/train/trainer.h"

namespace tsugi::bench {

struct RecordedOp {
  OpFeatures features;
  StepPart part = StepPart::data;
  int layer = -1;  ///< index into Model::layers in forward and backward, -1 in other parts
  /// Of a layer: the op, a product with what is fused into it, and its direction.
  std::optional<OpCase> op_case;
  OpPass pass = OpPass::forward;
};

struct RecordedStep {
  MemoryLayout memory;  ///< as the trainer planned it: exact
  int batch = 0;        ///< samples a step: fewer than asked for where an epoch has fewer
  std::uint32_t steps_per_epoch = 0;
  std::vector<RecordedOp> ops;                       ///< in order
  std::size_t upload_bytes = 0, download_bytes = 0;  ///< between host and device
  int copies = 0;                                    ///< calls that moved them
};

/// What is to be trained.
struct StepRequest {
  std::string device;  ///< its name in messages, "" = the kernels'
  ShapeList list;
  TrainSettings settings;
  DType dtype = DType::f32;
  std::size_t photos = 0;         ///< training photos
  std::size_t other_photos = 0;   ///< held beside them: those that test
  std::size_t memory_budget = 0;  ///< as of training: 0 = no limit
  std::size_t device_memory = 0;  ///< bytes that the device can give, 0 = nobody knows
  Preprocessing preprocessing;    ///< of photos; its size is the model's
};

/// What `tsugi bench --step` runs of a model: settings as pretrain takes them, two batches of photos.
StepRequest usual_step(const ShapeList& list, int batch, DType dtype);

/// kernels: the backend whose ops would run; asked for scratch memory and types alone. Throws what training throws: no
/// photos, a type that the device lacks, a batch that does not fit.
RecordedStep record_step(Backend& kernels, const StepRequest& request);

}  // namespace tsugi::bench
