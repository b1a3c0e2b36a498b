// Batches of variants through the lower part, then one table of levels for all of them.
#include "engine/handover/activate.h"

#include <algorithm>
#include <cstring>

#include "engine/data/pixel_block.h"
#include "engine/model/program.h"

namespace tsugi {
namespace {

constexpr int kBatch = 16;  // small, for small devices
constexpr std::size_t kResidentBytes = std::size_t{2} << 30;

/// Computes rows batch by batch. The last batch is filled up with its first sample and cut.
class Activator {
 public:
  Activator(const Network& lower, const SampleSource& source, const ActivateRequest& request)
      : lower_(lower),
        source_(source),
        request_(request),
        backend_(lower.backend()),
        program_(backend_, lower.model(), lower.layout(), lower.classes(), kBatch, DType::f32, ProgramMode::inference),
        arena_(backend_, program_.arena_bytes()),
        staging_(backend_, sizeof(StepState) + 2 * kBatch * sizeof(std::uint32_t)),
        batch_(backend_, source, kBatch) {
    program_.bind(arena_.data());
    workspace_ = DeviceBuffer(
        backend_, source.workspace_bytes(samples(2)));  // blur and warp need scratch, the photo itself does not
  }

  /// Rows of variants [0, variants) of `items`; to: [items, variants, count], host. Draws are keyed by the row's
  /// number.
  void run(const std::vector<std::uint32_t>& items, std::uint32_t variants, std::size_t count, float* to) {
    const std::size_t total = items.size() * variants;
    for (std::size_t begin = 0; begin < total; begin += kBatch) {
      const std::size_t n = std::min<std::size_t>(kBatch, total - begin);
      if (request_.before_batch) request_.before_batch();
      upload(items, variants, begin, n);
      SampleRequest request = samples(variants);
      request.x = program_.input();
      request.workspace = workspace_.data();
      source_.make_batch(request);
      Pass pass;
      pass.parameters = lower_.parameters();
      pass.compute = pass.parameters;
      pass.statistics = lower_.statistics();
      program_.forward(pass);
      backend_.copy_to_host(to + begin * count, program_.logits(), n * count * sizeof(float));
    }
  }

 private:
  SampleRequest samples(std::uint32_t variants) const {
    SampleRequest request;
    request.n = kBatch;
    request.variants = variants;
    request.strength = request_.strength;
    request.rows = batch_.device();
    request.step = staging_.as<StepState>();
    request.index = reinterpret_cast<const std::uint32_t*>(staging_.as<std::uint8_t>() + sizeof(StepState));
    request.sample_ids = request.index + kBatch;
    return request;
  }

  void upload(const std::vector<std::uint32_t>& items, std::uint32_t variants, std::size_t begin, std::size_t n) {
    std::vector<std::uint8_t> host(staging_.bytes());
    StepState state;
    state.seed = request_.seed;
    std::memcpy(host.data(), &state, sizeof state);
    auto* index = reinterpret_cast<std::uint32_t*>(host.data() + sizeof state);
    for (std::size_t i = 0; i < kBatch; ++i) {
      const std::size_t sample = begin + (i < n ? i : 0);
      const auto variant = static_cast<std::uint32_t>(sample % variants);
      index[i] = source_.row(items[sample / variants], variant);
      index[kBatch + i] = static_cast<std::uint32_t>(sample);
    }
    batch_.fetch(index, kBatch);
    backend_.copy_to_device(staging_.data(), host.data(), host.size());
  }

  const Network& lower_;
  const SampleSource& source_;
  const ActivateRequest& request_;
  Backend& backend_;
  Program program_;
  DeviceBuffer arena_, staging_, workspace_;
  SampleBatch batch_;
};

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
  Activator activator(lower, source, request);
  std::size_t row = 0;
  for (const ActivateRequest::Photos& group : request.groups) {
    activator.run(group.items, group.variants, count, values + row * count);
    row += group.items.size() * group.variants;
  }
  Activated result;
  result.quantization = quantization_of(values, rows * count, static_cast<std::size_t>(shape.c), place);
  result.rows.resize(rows * count);
  encode(values, rows * count, result.quantization, result.rows.data());
  return result;
}

}  // namespace tsugi
