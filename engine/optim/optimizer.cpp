// Holds the moments and issues the fused update.
#include "engine/optim/optimizer.h"

#include <cmath>

namespace tsugi {
namespace {

std::vector<std::string> moment_names(const OptimizerSettings& settings) {
  std::vector<std::string> names;
  if (settings.kind == OptimizerKind::sgd) {
    if (settings.momentum != 0.0f) names.emplace_back("momentum");
  } else {
    names.emplace_back("adam_m");
    names.emplace_back("adam_v");
  }
  return names;
}

}  // namespace

const char* name_of(OptimizerKind kind) {
  constexpr const char* kNames[] = {"sgd", "adam", "adamw"};
  return kNames[static_cast<int>(kind)];
}

OptimizerKind parse_optimizer(const std::string& name) {
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw})
    if (name == name_of(kind)) return kind;
  throw Error("optimizer: unknown \"" + name + "\", known are sgd, adam, adamw");
}

Optimizer::Optimizer(Backend& backend, const OptimizerSettings& settings, std::size_t count,
                     std::vector<ParameterRange> ranges)
    : backend_(backend), settings_(settings), count_(count), ranges_(std::move(ranges)) {
  for (const std::string& name : moment_names(settings))
    moments_.push_back({name, DeviceBuffer(backend, count * sizeof(float))});
  GradientNorm norm;
  norm.count = count;
  workspace_ = DeviceBuffer(backend, backend.workspace_bytes(norm));
}

std::size_t Optimizer::bytes(const OptimizerSettings& settings, std::size_t count) {
  return moment_names(settings).size() * count * sizeof(float);
}

float* Optimizer::moment(const std::string& name) {
  for (MomentBuffer& moment : moments_)
    if (moment.name == name) return moment.buffer.as<float>();
  return nullptr;
}

void Optimizer::prepare(StepState& state, std::uint32_t skipped) const {
  const double steps = static_cast<double>(state.step) - static_cast<double>(skipped) + 1.0;
  state.adam_correction1 = static_cast<float>(1.0 - std::pow(static_cast<double>(settings_.beta1), steps));
  state.adam_correction2 = static_cast<float>(1.0 - std::pow(static_cast<double>(settings_.beta2), steps));
}

void Optimizer::update(float* w, const float* g, void* compute, DType compute_dtype, const StepState* step,
                       UpdateReport* report, bool scaled) {
  GradientNorm norm;
  norm.count = count_ - ranges_.front().begin;
  norm.g = g + ranges_.front().begin;
  norm.max_norm = settings_.clip_norm;
  norm.norm = &report->norm;
  norm.scale = &report->scale;
  norm.workspace = workspace_.data();
  norm.loss_scale = scaled ? &report->loss_scale : nullptr;
  backend_.gradient_norm(norm);

  UpdateBuffers buffers;
  buffers.step = step;
  buffers.scale = norm.scale;
  buffers.w = w;
  buffers.g = g;
  buffers.compute = compute;
  buffers.compute_dtype = compute_dtype;
  buffers.loss_scale = norm.loss_scale;
  for (const ParameterRange& range : ranges_) update_range(range, buffers);
}

/// buffers: of everything; this updates the part in `range`.
void Optimizer::update_range(const ParameterRange& range, UpdateBuffers buffers) {
  const auto part = [&](float* all) { return all == nullptr ? nullptr : all + range.begin; };
  buffers.count = range.count;
  buffers.decayed = range.decayed;
  buffers.w += range.begin;
  buffers.g += range.begin;
  if (buffers.compute != nullptr)
    buffers.compute = static_cast<std::uint8_t*>(buffers.compute) + range.begin * size_of(buffers.compute_dtype);
  if (settings_.kind == OptimizerKind::sgd) {
    backend_.sgd_update(
        {buffers, settings_.momentum, settings_.nesterov, settings_.weight_decay, part(moment("momentum"))});
  } else {
    backend_.adam_update({buffers, settings_.beta1, settings_.beta2, settings_.eps, settings_.weight_decay,
                          settings_.kind == OptimizerKind::adamw, part(moment("adam_m")), part(moment("adam_v"))});
  }
}

}  // namespace tsugi
