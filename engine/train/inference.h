// Runs a network forward over chosen photos: evaluation, prediction, logits and features. Unaugmented unless asked
// otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/model/executor.h"
#include "engine/train/network.h"
#include "engine/train/sample_source.h"

namespace tsugi {

/// Results in the order of the photos that were asked for.
struct Predictions {
  std::vector<std::int32_t> predicted;  ///< [photos] class index
  std::vector<float> loss;              ///< [photos] cross-entropy without smoothing
  std::vector<float> probabilities;     ///< [photos, classes]
  std::vector<float> logits;            ///< [photos, classes]; empty unless asked for
  std::vector<float> features;          ///< [photos, features_count]; empty unless asked for
};

/// What a run gives beside predictions, and which variant of its photos it sees.
struct InferenceOptions {
  bool logits = false, features = false;
  std::uint32_t variant =
      0;  ///< 0: the photos themselves; others below `variants`: a random draw, as training makes them
  std::uint32_t variants = 1;
  AugmentStrength strength;  ///< of the draws, and their seed
  std::uint64_t seed = 0;
};

inline constexpr int kSmallBatch = 16;  ///< photos in a batch where a device of little memory runs forward only

class Inference {
 public:
  /// Computes in float32, in batches of at most `batch` photos. With `scratch` (a trainer's arena, unused between
  /// steps) the batch is halved until its tensors fit there; they get memory of their own only where not even one photo
  /// fits.
  Inference(const Network& network, int batch, const DeviceBuffer* scratch = nullptr);

  std::size_t arena_bytes() const { return executor_->arena_bytes(); }
  std::size_t features_count() const { return executor_->features_count(); }

  /// What is called before each batch; what it throws leaves the run.
  void before_each_batch(std::function<void()> call) { before_batch_ = std::move(call); }

  /// Photos that run together.
  int batch() const { return executor_->batch(); }

  /// photos: items of the source, which has their labels. Throws Error when its shape is not what the model reads, and
  /// naming the photo where the network's outputs are not numbers.
  Predictions run(const SampleSource& source, const std::vector<std::uint32_t>& photos,
                  const InferenceOptions& options = {});

  /// The last layer's values of variants 0 to options.variants - 1 of the photos, `count` each: to[photos, variants,
  /// count], host. Draws are keyed by the row's number.
  void run_variants(const SampleSource& source, const std::vector<std::uint32_t>& photos,
                    const InferenceOptions& options, std::size_t count, float* to);

 private:
  void start(const SampleSource& source, const InferenceOptions& options);
  void forward(const SampleSource& source, const InferenceOptions& options);

  const Network& network_;
  std::function<void()> before_batch_;
  std::unique_ptr<Executor> executor_;
  std::vector<std::uint32_t> staged_;  // rows, labels and numbers of samples of a batch, as indices_ gets them
  DeviceBuffer arena_, indices_, results_, step_, sample_workspace_;
  SampleBatch rows_;  // of the run's source
};

}  // namespace tsugi
