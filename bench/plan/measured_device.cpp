#include "bench/plan/measured_device.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>

#include "bench/measure/statistics.h"
#include "bench/plan/step_model.h"
#include "engine/core/version.h"

namespace tsugi::bench {
namespace {

using Kind = std::tuple<std::string, std::string, DType>;  // op, form, type
using Ratios = std::map<Kind, std::vector<double>>;        // measured time over predicted time

Kind kind_of(const OpFeatures& f) { return {f.op, f.form, f.dtype}; }

/// "cuda" for what the emulator stands for.
std::string family(const std::string& kernels) { return kernels.compare(0, 4, "simt") == 0 ? "cuda" : kernels; }

void check(const DeviceDescription& device, const ResultFile& file, const std::string& place) {
  if (family(device.kernels) != file.context.device)
    throw Error(place + ": was measured on device " + file.context.device + ", " + device.name + " computes with " +
                family(device.kernels));
  if (file.context.brief) throw Error(place + ": is of a smoke run, whose times mean nothing");
}

void take_limits(DeviceDescription& device, const Limits& measured) {
  for (double Limits::*limit : {&Limits::f32, &Limits::f16, &Limits::f16_matrix, &Limits::bf16, &Limits::copy})
    if (measured.*limit > 0.0) device.limits.*limit = measured.*limit;
}

/// The op that a point timed; nothing for models that are not at hand and points of other kinds.
std::optional<OpFeatures> features_of(const ResultEntry& e) {
  if (e.op.empty() || e.batch < 1 || (e.cache != "cold" && e.cache != "warm")) return std::nullopt;
  const std::vector<std::string> names = model_names();
  if (std::find(names.begin(), names.end(), e.model) == names.end()) return std::nullopt;
  for (const OpCase& op_case : op_cases(find_shape_list(e.model), e.batch))
    for (const OpPass pass : passes_of(op_case))
      if (op_case.layer == e.layer && op_name(op_case, pass) == e.op)
        return features_of(op_case, pass, dtype_named(e.dtype));
  return std::nullopt;
}

void compare_ops(const DeviceDescription& device, const ResultFile& file, Ratios& ratios) {
  for (const ResultEntry& e : file.entries) {
    if (!e.failure.empty()) continue;
    const std::optional<OpFeatures> f = features_of(e);
    // Another input size moves other bytes under the same name.
    if (!f || std::fabs(f->bytes - e.bytes) > 0.3 * f->bytes) continue;
    ratios[kind_of(*f)].push_back(e.seconds / seconds_of(device, *f));
  }
}

/// Every part of a step, each of which may be several ops.
void compare_parts(const DeviceDescription& device, Backend& kernels, const StepRequest& request, StepResult measured,
                   Ratios& ratios) {
  StepResult predicted = modelled_step(device, kernels, request).step;
  if (!same_layers(measured, predicted)) return;
  for (const RecordedOp& op : record_step(kernels, request).ops) {
    const double was = seconds_of_part(measured, request.list.model, op);
    const double is = seconds_of_part(predicted, request.list.model, op);
    if (was > 0.0 && is > 0.0) ratios[kind_of(op.features)].push_back(was / is);
  }
}

void compare_step(const DeviceDescription& device, Backend& kernels, const StepResult& measured, Ratios& ratios) {
  const std::vector<std::string> names = model_names();
  if (!measured.measured || std::find(names.begin(), names.end(), measured.model) == names.end() || measured.batch < 1)
    return;
  compare_parts(device, kernels,
                usual_step(find_shape_list(measured.model), measured.batch, dtype_named(measured.precision)), measured,
                ratios);
}

/// The entry of exactly this kind, made from the one that stood in for it where there is none.
Efficiency& own_entry(DeviceDescription& device, const Kind& kind) {
  OpFeatures f;
  std::tie(f.op, f.form, f.dtype) = kind;
  Efficiency made = efficiency_of(device, f);
  for (Efficiency& e : device.efficiencies)
    if (Kind(e.op, e.form, e.dtype) == kind) return e;
  made.form = f.form;
  device.efficiencies.push_back(made);
  return device.efficiencies.back();
}

void slow_down(Efficiency& e, double ratio) {
  for (double& share : e.share) share /= ratio;
  for (TileShare& tile : e.tiles) tile.share /= ratio;
  e.cold *= ratio;
  e.weights *= ratio;
}

}  // namespace

void apply_result(DeviceDescription& device, Backend& kernels, const ResultFile& file, const std::string& place) {
  check(device, file, place);
  take_limits(device, file.context.limits);
  Ratios ratios;
  compare_ops(device, file, ratios);
  compare_step(device, kernels, file.step, ratios);
  if (ratios.empty())
    throw Error(place + ": 0 of its " + std::to_string(file.entries.size()) +
                " points are ops of a known model (faces-cnn, resnet-18, …) at its own input size");
  for (const auto& [kind, values] : ratios) slow_down(own_entry(device, kind), geometric_mean(values));
  if (file.step.measured) device.measured_steps.push_back(file.step);
  const ResultContext& context = file.context;
  const bool other = context.version != version() || context.commit != commit();
  const std::string board = !context.before.board.empty() ? context.before.board
                            : !context.before.gpu.empty() ? context.before.gpu
                                                          : context.device_description;
  device.results.push_back(place + ": " + std::to_string(ratios.size()) + " kinds of op" +
                           (file.step.measured ? " and a step of " + file.step.model : "") + ", measured on " + board +
                           ", " + context.before.date + ", tsugi " + context.version + " " + context.commit +
                           (other ? std::string("; mind: this is tsugi ") + version() + " " + commit() : ""));
}

void learn_steps(DeviceDescription& device, Backend& kernels, const std::vector<TimedStep>& steps) {
  const auto known = [&](const OpFeatures& f) {
    return std::any_of(device.efficiencies.begin(), device.efficiencies.end(),
                       [&](const Efficiency& e) { return Kind(e.op, e.form, e.dtype) == kind_of(f); });
  };
  for (const TimedStep& timed : steps)
    for (const RecordedOp& op : record_step(kernels, timed.request).ops)
      if (const OpFeatures& f = op.features; !known(f))
        device.efficiencies.push_back({f.op, f.form, f.dtype, {}, {1.0}, 0.0, 0.0, 1.0, {}});
  Ratios ratios;
  for (const TimedStep& timed : steps) compare_parts(device, kernels, timed.request, timed.step, ratios);
  for (const auto& [kind, values] : ratios) slow_down(own_entry(device, kind), geometric_mean(values));
  for (const TimedStep& timed : steps) device.measured_steps.push_back(timed.step);
}

}  // namespace tsugi::bench
