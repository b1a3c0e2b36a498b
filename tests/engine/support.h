// What the engine tests share: a fresh seed, the message of an Error, and a small network with its program, whose loss
// and gradient are one call each.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/model/executor.h"
#include "kernels/api/error.h"
#include "kernels/api/registry.h"
#include "tests/support.h"

namespace tsugi::test {

/// Fails naming the part that `text` lacks.
inline void expect_parts(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    INFO("message: " << text << "; lacks: " << part);
    CHECK(text.find(part) != std::string::npos);
  }
}

/// The emulator as a GPU of compute capability `sm`, or null with a message where the build has none. Fails the test
/// when it cannot be made for another reason.
inline std::unique_ptr<RegistryBackend> emulator(int sm = 75) {
  try {
    return make_simt_backend(sm);
  } catch (const Error& error) {
    const std::string reason = error.what();
    REQUIRE(reason.find("this build does not have it") != std::string::npos);
    MESSAGE("without the emulator: " << reason);
    return nullptr;
  }
}

/// The description of a model on 8x8 photos with the given layers (JSON text, comma-separated objects).
std::string model_json(const std::string& layers, int size = 8);

/// Layers with all that training keeps: weights, running statistics, dropout's randomness. For 16x16 photos.
inline constexpr const char* kTinyLayers =
    R"({"type": "conv2d", "name": "conv1", "filters": 6, "kernel": 3, "stride": 2}, {"type": "batch_norm", "name": "bn1"}, {"type": "relu"},
    {"type": "dropout", "rate": 0.2}, {"type": "global_average_pool"}, {"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"})";

inline Model tiny_model() { return parse_model(model_json(kTinyLayers, 16), "tiny"); }

/// A network on a backend with random parameters, input and labels: its loss and gradient are pure functions of
/// the parameters. Everything is drawn from `seed`, the same on every backend.
class Bench {
 public:
  static constexpr int kClasses = 3;

  Bench(Backend& backend, const Model& model, int batch, std::uint64_t seed, DType dtype = DType::f32);

  const ParameterLayout& layout() const { return layout_; }
  std::vector<float>& parameters() { return parameters_; }  ///< [layout().count()], host
  std::vector<float>& statistics() { return statistics_; }  ///< [layout().statistics_count()], host: before every pass
  std::vector<float> updated_statistics();                  ///< after the last pass
  BatchNormMode mode = BatchNormMode::batch_statistics;

  /// Mean loss of the batch (label smoothing 0.1), summed in double from the logits.
  double loss();
  /// The gradient of loss(), [layout().count()]. In micro-batches of `micro` when it is not 0, gradients added up.
  std::vector<float> gradient(int micro = 0);
  std::vector<float> logits();  ///< [batch, classes] of the last pass
  /// The input and its labels can be replaced: [batch,h,w,3] and [batch].
  std::vector<float> input;
  std::vector<std::int32_t> labels;

 private:
  Pass run_forward(Executor& executor, int begin, Write write);

  Backend& backend_;
  const Model model_;
  ParameterLayout layout_;
  int batch_;
  DType dtype_;
  std::vector<float> parameters_, statistics_;
  DeviceBuffer device_parameters_, compute_, device_statistics_, gradients_, step_, sample_ids_;
  Executor executor_;
  DeviceBuffer arena_;
};

/// Square root of the sum of squares.
double norm(const float* values, std::size_t count);

}  // namespace tsugi::test
