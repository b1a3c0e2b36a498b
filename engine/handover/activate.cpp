// Batches of variants through the lower part, then one table of levels for all of them.
#include "engine/handover/activate.h"

#include "engine/data/pixel_block.h"
#include "engine/train/inference.h"

namespace tsugi {
namespace {

constexpr std::size_t kResidentBytes = std::size_t{2} << 30;

}  // namespace

Activated activate(const Network& lower, const SampleSource& source, const ActivateRequest& request,
                   const std::string& place) {
  check_shape(source, lower.model(), place);
  const SampleShape shape = infer_shapes(lower.model(), lower.classes()).back();
  const std::size_t count = shape.count();
  std::size_t rows = 0;
  for (const ActivateRequest::Photos& group : request.groups) rows += group.items.size() * group.variants;
  if (rows == 0) return {};
  PixelBlock block(rows * count * sizeof(float), kResidentBytes, request.files);
  auto* values = reinterpret_cast<float*>(block.data());
  Inference inference(lower, kSmallBatch);
  inference.before_each_batch(request.before_batch);
  InferenceOptions options;
  options.strength = request.strength;
  options.seed = request.seed;
  std::size_t row = 0;
  for (const ActivateRequest::Photos& group : request.groups) {
    options.variants = group.variants;
    inference.run_variants(source, group.items, options, count, values + row * count);
    row += group.items.size() * group.variants;
  }
  Activated result;
  result.quantization = quantization_of(values, rows * count, static_cast<std::size_t>(shape.c), place);
  result.rows.resize(rows * count);
  encode(values, rows * count, result.quantization, result.rows.data());
  return result;
}

}  // namespace tsugi
