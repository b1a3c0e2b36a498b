#include "bench/plan/calibration_extras.h"

#include <algorithm>
#include <numeric>

#include "bench/measure/statistics.h"
#include "engine/data/photo.h"

namespace tsugi::bench {
namespace {

constexpr std::size_t kSmallCopy = 64, kLargeCopy = std::size_t{1} << 20;

/// One table over the bytes that its points move. from_memory: the last point exceeds every cache, and says what a byte
/// from memory costs more.
template <typename Points>
void describe_points(const Points& points, bool from_memory, DeviceDescription& device) {
  Efficiency e;
  const OpFeatures& first = points.front().features;
  e.op = first.op;
  e.dtype = first.dtype;
  e.axes = {{Axis::bytes, {}}};
  for (const auto& point : points) {
    e.axes.front().points.push_back(point.features.bytes);
    e.share.push_back(share_of(device, point.features, median(point.seconds)));
  }
  if (from_memory && !device.cache.by_bytes.empty()) {
    const double slow = e.share.back();
    e.share.pop_back(), e.axes.front().points.pop_back();
    e.cold = std::max(0.0, 1.0 / slow - 1.0 / e.share.back());
  }
  device.efficiencies.push_back(e);
}

}  // namespace

CalibrationExtras::CalibrationExtras(Backend& backend, DType dtype, bool brief)
    : backend_(backend), dtype_(dtype), host_(kLargeCopy) {
  state_ = static_cast<StepState*>(memory(sizeof(StepState)));
  const StepState state;
  backend.copy_to_device(state_, &state, sizeof state);
  AddForward tiny;
  tiny.count = 16, tiny.dtype = dtype;
  tiny.a = tiny.b = tiny.y = memory(64);
  add(call_, {}, &Backend::add_forward, tiny);
  for (const int n : {4, 32}) add_augment(48, n);
  for (const int n : {4, 64}) add_loss(n, 100);
  for (const std::size_t count : {std::size_t{1} << 14, std::size_t{1} << 18, std::size_t{1} << (brief ? 19 : 22)})
    add_updates(count);
}

void* CalibrationExtras::memory(std::size_t bytes) {
  memory_.push_back(std::make_unique<DeviceBuffer>(backend_, std::max<std::size_t>(bytes, 16)));
  return memory_.back()->data();
}

template <typename Op>
void CalibrationExtras::add(Points& points, const OpFeatures& features, void (Backend::*call)(const Op&),
                            const Op& op) {
  Backend* backend = &backend_;
  points.push_back({features, {features.op, backend, [=](int) { (backend->*call)(op); }}, {}});
}

void CalibrationExtras::add_augment(int side, int n) {
  const Preprocessing preprocessing = default_preprocessing(side);
  AugmentForward op;
  op.n = n;
  op.photo_h = op.photo_w = preprocessing.stored_size;
  op.h = op.w = side;
  op.variants = 9;
  op.step = state_;
  op.dtype = dtype_;
  std::vector<std::uint32_t> ids(static_cast<std::size_t>(n));
  std::iota(ids.begin(), ids.end(), 0u);
  auto* numbers = static_cast<std::uint32_t*>(memory(ids.size() * sizeof ids[0]));
  backend_.copy_to_device(numbers, ids.data(), ids.size() * sizeof ids[0]);
  op.photo_index = op.sample_ids = numbers;
  const auto photo =
      static_cast<std::size_t>(preprocessing.stored_size) * static_cast<std::size_t>(preprocessing.stored_size) * 3;
  op.photos = static_cast<const std::uint8_t*>(memory(photo * ids.size()));
  op.x = memory(ids.size() * static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3 * size_of(dtype_));
  op.workspace = memory(backend_.workspace_bytes(op));
  add(augment_, augment_features(n, side, side, op.photo_h, op.photo_w, dtype_), &Backend::augment_forward, op);
}

void CalibrationExtras::add_loss(int n, int classes) {
  const auto rows = static_cast<std::size_t>(n);
  SoftmaxCrossEntropy op;
  op.n = n, op.classes = classes, op.dtype = dtype_;
  op.smoothing = 0.1f;
  op.logits = memory(rows * static_cast<std::size_t>(classes) * size_of(dtype_));
  op.d_logits = memory(rows * static_cast<std::size_t>(classes) * size_of(dtype_));
  op.labels = static_cast<const std::int32_t*>(memory(rows * sizeof(std::int32_t)));
  op.sample_loss = static_cast<float*>(memory(rows * sizeof(float)));
  op.predicted = static_cast<std::int32_t*>(memory(rows * sizeof(std::int32_t)));
  add(loss_, loss_features(n, classes, dtype_), &Backend::softmax_cross_entropy, op);
}

void CalibrationExtras::add_updates(std::size_t count) {
  auto* report = static_cast<float*>(memory(64));
  const auto floats = [&] { return static_cast<float*>(memory(count * sizeof(float))); };
  float* g = floats();
  GradientNorm norm;
  norm.count = count, norm.g = g;
  norm.norm = report, norm.scale = report + 1;
  norm.workspace = memory(backend_.workspace_bytes(norm));
  add(norm_, norm_features(count), &Backend::gradient_norm, norm);
  UpdateBuffers buffers;
  buffers.count = buffers.decayed = count;
  buffers.step = state_, buffers.scale = report + 1;
  buffers.w = floats(), buffers.g = g;
  if (dtype_ != DType::f32) buffers.compute = memory(count * size_of(dtype_)), buffers.compute_dtype = dtype_;
  float *m = floats(), *v = floats();
  add(sgd_, update_features("sgd_update", count, 1, dtype_), &Backend::sgd_update, {buffers, 0.9f, true, 5e-4f, m});
  add(adam_, update_features("adam_update", count, 2, dtype_), &Backend::adam_update,
      {buffers, 0.9f, 0.999f, 1e-8f, 5e-4f, true, m, v});
}

void CalibrationExtras::turn(const TimingOptions& options, double seconds) {
  for (Points* points : {&call_, &augment_, &loss_, &norm_, &sgd_, &adam_})
    for (Point& point : *points) {
      const Turn turn = take_turn(point.contender, 1, options, seconds);
      point.seconds.insert(point.seconds.end(), turn.seconds.begin(), turn.seconds.end());
    }
  small_copies_.push_back(seconds_of_copy(kSmallCopy, options, seconds));
  large_copies_.push_back(seconds_of_copy(kLargeCopy, options, seconds));
}

/// On the host's clock: what a step waits for.
double CalibrationExtras::seconds_of_copy(std::size_t bytes, const TimingOptions& options, double seconds) {
  const DeviceBuffer device(backend_, bytes);
  std::vector<double> samples;
  const double begin = now();
  do {
    const double start = now();
    for (int i = 0; i < std::min(10, options.max_calls); ++i)
      backend_.copy_to_device(device.data(), host_.data(), bytes);
    backend_.synchronize();
    samples.push_back((now() - start) / std::min(10, options.max_calls));
  } while (now() - begin < seconds);
  return median(samples);
}

void CalibrationExtras::describe(DeviceDescription& device) const {
  device.launch_s = median(call_.front().seconds);
  device.copy_s = median(small_copies_);
  device.upload_bytes_per_s = static_cast<double>(kLargeCopy) / std::max(median(large_copies_) - device.copy_s, 1e-9);
  for (const Points* points : {&augment_, &loss_}) describe_points(*points, false, device);
  for (const Points* points : {&norm_, &sgd_, &adam_}) describe_points(*points, true, device);
}

}  // namespace tsugi::bench
