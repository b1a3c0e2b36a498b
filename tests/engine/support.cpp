// A small network on a backend, as the gradient tests use it.
#include "tests/engine/support.h"

#include <cmath>
#include <numeric>

#include "kernels/api/loss.h"

namespace tsugi::test {
namespace {

constexpr float kSmoothing = 0.1f;

/// Random values that suit a parameter: weights He-normal, gamma near 1 and of both signs now and then, the rest small.
void draw_parameters(const ParameterLayout& layout, std::uint64_t seed, std::vector<float>& values) {
  std::mt19937_64 random(seed);
  for (const ParameterInfo& info : layout.parameters()) {
    const std::string kind = info.name.substr(info.name.rfind('.') + 1);
    const double fan_in = static_cast<double>(info.count) / static_cast<double>(info.shape[0]);
    const double spread = kind == "weight" ? std::sqrt(2.0 / fan_in) : 0.3;
    std::normal_distribution<double> draw(kind == "gamma" ? 1.0 : 0.0, spread);
    for (std::size_t i = 0; i < info.count; ++i) values[info.offset + i] = static_cast<float>(draw(random));
  }
}

}  // namespace

std::string model_json(const std::string& layers, int size) {
  const std::string side = std::to_string(size);
  return R"({"name": "test", "input": [)" + side + ", " + side + R"(, 3], "layers": [)" + layers + "]}";
}

Bench::Bench(Backend& backend, const Model& model, int batch, std::uint64_t seed, DType dtype)
    : input(model.input.count() * static_cast<std::size_t>(batch)),
      labels(static_cast<std::size_t>(batch)),
      backend_(backend),
      model_(model),
      layout_(model_, kClasses),
      batch_(batch),
      dtype_(dtype),
      parameters_(layout_.count(), 0.0f),
      statistics_(layout_.statistics_count(), 0.0f),
      device_parameters_(backend, layout_.count() * sizeof(float)),
      compute_(backend, layout_.count() * size_of(dtype)),
      device_statistics_(backend, layout_.statistics_count() * sizeof(float)),
      gradients_(backend, layout_.count() * sizeof(float)),
      step_(backend, sizeof(StepState)),
      sample_ids_(backend, static_cast<std::size_t>(batch) * sizeof(std::uint32_t)),
      executor_(backend, model_, layout_, kClasses, batch, dtype, ExecutorMode::training),
      arena_(backend, executor_.arena_bytes()) {
  executor_.bind(arena_.data());
  draw_parameters(layout_, seed, parameters_);
  std::mt19937_64 random(seed + 1);
  std::normal_distribution<float> draw(0.0f, 1.0f);
  for (float& value : input) value = draw(random);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % kClasses);
  for (const ParameterInfo& info : layout_.statistics())  // means near 0, variances near 1
    for (std::size_t i = 0; i < info.count; ++i)
      statistics_[info.offset + i] =
          (info.name.find("running_var") == std::string::npos ? 0.0f : 1.0f) + 0.01f * static_cast<float>(i % 7);
  StepState state;
  state.seed = 77;
  state.epoch = 2;
  backend.copy_to_device(step_.data(), &state, sizeof state);
  std::vector<std::uint32_t> ids(labels.size());
  std::iota(ids.begin(), ids.end(), 100u);
  backend.copy_to_device(sample_ids_.data(), ids.data(), ids.size() * sizeof(std::uint32_t));
}

Pass Bench::run_forward(Executor& executor, int begin, Write write) {
  backend_.copy_to_device(device_parameters_.data(), parameters_.data(), parameters_.size() * sizeof(float));
  backend_.copy_to_device(device_statistics_.data(), statistics_.data(), statistics_.size() * sizeof(float));
  backend_.cast({parameters_.size(), DType::f32, dtype_, device_parameters_.data(), compute_.data()});
  const std::size_t count = model_.input.count() * static_cast<std::size_t>(executor.batch());
  const float* from = input.data() + model_.input.count() * static_cast<std::size_t>(begin);
  DeviceBuffer staged(backend_, count * sizeof(float));
  backend_.copy_to_device(staged.data(), from, count * sizeof(float));
  backend_.cast({count, DType::f32, dtype_, staged.data(), executor.input()});
  Pass pass;
  pass.parameters = device_parameters_.as<float>();
  pass.compute = compute_.data();
  pass.statistics = device_statistics_.as<float>();
  pass.gradients = gradients_.as<float>();
  pass.write = write;
  pass.batch_norm = mode;
  pass.step = step_.as<StepState>();
  pass.sample_ids = sample_ids_.as<std::uint32_t>() + begin;
  executor.forward(pass);
  return pass;
}

std::vector<float> Bench::updated_statistics() {
  std::vector<float> host(statistics_.size());
  backend_.copy_to_host(host.data(), device_statistics_.data(), host.size() * sizeof(float));
  return host;
}

std::vector<float> Bench::logits() {
  const std::size_t count = labels.size() * kClasses;
  DeviceBuffer wide(backend_, count * sizeof(float));
  backend_.cast({count, dtype_, DType::f32, executor_.logits(), wide.data()});
  std::vector<float> host(count);
  backend_.copy_to_host(host.data(), wide.data(), count * sizeof(float));
  return host;
}

double Bench::loss() {
  run_forward(executor_, 0, Write::overwrite);
  const std::vector<float> rows = logits();
  double total = 0.0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const float* row = &rows[i * kClasses];
    double sum = 0.0;
    for (int j = 0; j < kClasses; ++j) sum += std::exp(static_cast<double>(row[j]));
    for (int j = 0; j < kClasses; ++j) {
      const double target =
          (j == labels[i] ? 1.0 - static_cast<double>(kSmoothing) : 0.0) + static_cast<double>(kSmoothing) / kClasses;
      total -= target * (static_cast<double>(row[j]) - std::log(sum));
    }
  }
  return total / static_cast<double>(labels.size());
}

std::vector<float> Bench::gradient(int micro) {
  if (micro == 0) micro = batch_;
  // Poison: an overwriting pass must not read what was there, and the arena holds garbage.
  std::vector<float> poison(layout_.count(), std::nanf(""));
  backend_.copy_to_device(gradients_.data(), poison.data(), poison.size() * sizeof(float));
  Executor part(backend_, model_, layout_, kClasses, micro, dtype_, ExecutorMode::training);
  DeviceBuffer arena(backend_, part.arena_bytes()), losses(backend_, static_cast<std::size_t>(micro) * sizeof(float)),
      part_labels(backend_, static_cast<std::size_t>(micro) * sizeof(std::int32_t));
  const std::vector<std::uint8_t> garbage(part.arena_bytes(), 0xFF);  // NaN in every floating type
  backend_.copy_to_device(arena.data(), garbage.data(), garbage.size());
  part.bind(arena.data());
  for (int begin = 0; begin < batch_; begin += micro) {
    const Pass pass = run_forward(part, begin, begin == 0 ? Write::overwrite : Write::accumulate);
    backend_.copy_to_device(part_labels.data(), labels.data() + begin,
                            static_cast<std::size_t>(micro) * sizeof(std::int32_t));
    SoftmaxCrossEntropy op;
    op.n = micro;
    op.classes = kClasses;
    op.dtype = dtype_;
    op.smoothing = kSmoothing;
    op.grad_scale = 1.0f / static_cast<float>(batch_);
    op.logits = part.logits();
    op.labels = part_labels.as<std::int32_t>();
    op.sample_loss = losses.as<float>();
    op.d_logits = part.d_logits();
    backend_.softmax_cross_entropy(op);
    part.backward(pass);
  }
  std::vector<float> result(layout_.count());
  backend_.copy_to_host(result.data(), gradients_.data(), result.size() * sizeof(float));
  return result;
}

double norm(const float* values, std::size_t count) {
  double sum = 0.0;
  for (std::size_t i = 0; i < count; ++i) sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum);
}

}  // namespace tsugi::test
