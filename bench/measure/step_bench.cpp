#include "bench/measure/step_bench.h"

#include <cmath>
#include <map>
#include <numeric>

#include "bench/measure/noise_training.h"
#include "bench/measure/op_cases.h"
#include "bench/measure/statistics.h"
#include "engine/core/device.h"
#include "engine/model/graph.h"
#include "engine/train/inference.h"
#include "engine/train/pretrain.h"
#include "engine/train/step_recorder.h"
#include "kernels/api/threads.h"

namespace tsugi::bench {
namespace {

constexpr int kWarmUp = 3;  // a GPU records the second step; caches are filled

bool enough(const StepBenchOptions& options, const std::vector<double>& steps, double seconds) {
  if (options.brief) return !steps.empty();
  const bool many = static_cast<int>(steps.size()) >= options.min_steps;
  if (options.settled == 0.0) return many && seconds >= options.min_seconds;
  if (seconds >= options.min_seconds) return true;
  // The standard error of a median, of deviations that are normal but for outliers: 1.2533 sigma / sqrt(n), and sigma =
  // 1.4826 median absolute deviations. A quarter of the time at least: a machine that just woke up is not settled.
  const double error = 1.2533 * 1.4826 * median_deviation(steps) / std::sqrt(static_cast<double>(steps.size()));
  return many && seconds >= options.min_seconds / 4.0 && error <= options.settled * median(steps);
}

using PartKey = std::pair<StepPart, int>;

/// Seconds a step of each part, over the watched steps.
class Parts {
 public:
  void add(const std::vector<StepSlice>& slices) {
    std::map<PartKey, double> sums;
    for (const StepSlice& slice : slices) sums[{slice.part, slice.layer}] += slice.seconds;
    for (const auto& [key, seconds] : sums) steps_[key].push_back(seconds);
  }
  double median_of(StepPart part, int layer = -1) const {
    const auto found = steps_.find({part, layer});
    return found == steps_.end() ? 0.0 : median(found->second);
  }
  double deviation_of(StepPart part, int layer = -1) const {
    const auto found = steps_.find({part, layer});
    return found == steps_.end() ? 0.0 : median_deviation(found->second);
  }

 private:
  std::map<PartKey, std::vector<double>> steps_;
};

ResultEntry entry(const StepResult& step, const std::string& layer, const std::string& op, double seconds,
                  double deviation) {
  ResultEntry e;
  e.model = step.model;
  e.batch = step.batch;
  e.layer = layer;
  e.op = op;
  e.dtype = name_of(dtype_named(step.precision));
  e.cache = "step";
  e.name = e.model + "/b" + std::to_string(e.batch) + "/" + layer + "/" + op + "/" + e.dtype + "/step";
  e.seconds = seconds;
  e.deviation = deviation;
  e.samples = step.steps;
  e.calls = 1;
  return e;
}

/// Layers that the graph fused away are part of the one before; what runs has a node.
void add_layers(const ShapeList& list, const StepBenchOptions& options, const Parts& parts, ResultFile& file) {
  StepResult& step = file.step;
  for (const Node& node : build_graph(list.model, list.classes, true).nodes) {
    const OpCase op_case = case_of(list.model, node, options.batch);
    StepLayer layer;
    layer.layer = op_case.layer;
    layer.op = list.model.layers[static_cast<std::size_t>(node.layer)].kind->name;
    layer.forward_s = parts.median_of(StepPart::forward, node.layer);
    layer.backward_s = parts.median_of(StepPart::backward, node.layer);
    step.parts_s += layer.forward_s + layer.backward_s;
    OpCost forward, backward;
    for (const OpPass pass : passes_of(op_case)) {
      const OpCost cost = cost_of(op_case, pass, options.dtype);
      OpCost& sum = pass == OpPass::forward ? forward : backward;
      sum.flops += cost.flops;
      sum.bytes += cost.bytes;
    }
    layer.forward_flops = forward.flops;
    step.layers.push_back(layer);
    for (const StepPart part : {StepPart::forward, StepPart::backward}) {
      const bool is_forward = part == StepPart::forward;
      ResultEntry e = entry(step, layer.layer, name_of(part), is_forward ? layer.forward_s : layer.backward_s,
                            parts.deviation_of(part, node.layer));
      e.flops = (is_forward ? forward : backward).flops;
      e.bytes = (is_forward ? forward : backward).bytes;
      if (e.seconds > 0.0) file.entries.push_back(e);
    }
  }
}

void add_phases(const Parts& parts, ResultFile& file) {
  StepResult& step = file.step;
  for (const auto& [part, member] : kStepPhases) {
    step.*member = parts.median_of(part);
    step.parts_s += step.*member;
    if (step.*member > 0.0)
      file.entries.push_back(entry(step, "-", name_of(part), step.*member, parts.deviation_of(part)));
  }
}

/// As a run does after an epoch: kernels and scratch of that are part of what its process holds.
void evaluate(NoiseTraining& training, const PhotoSource& source) {
  std::vector<std::uint32_t> photos(source.size());
  std::iota(photos.begin(), photos.end(), 0u);
  Inference inference(training.network(), static_cast<int>(photos.size()), &training.trainer().arena());
  (void)inference.run(source, photos);
}

}  // namespace

void bench_step(Backend& backend, const ShapeList& list, const StepBenchOptions& asked, ResultFile& file) {
  const ProcessorWait wait;
  StepBenchOptions options = asked;
  if (!options.settings) {
    options.settings = pretrain_settings(list.model, "model " + list.model.name);
    if (options.batch > 0) options.settings->batch = options.batch;
  }
  options.batch = options.settings->batch;
  const PhotoStore store = training_photos(list, options.batch);
  PhotoSource source(backend, store);
  StepRecorder recorder(backend, list.model);
  Parts parts;
  StepResult& step = file.step;
  {
    const TrainerOptions trainer{options.dtype, options.memory_budget, true};
    NoiseTraining plain(backend, list, source, *options.settings, trainer);
    const MemoryLayout& memory = plain.trainer().memory();
    step.micro_batch = memory.micro_batch;
    step.arena_bytes = memory.arena;
    step.device_bytes = memory.total();
    for (int i = 0; i < (options.brief ? 1 : kWarmUp); ++i) plain.trainer().step();
    evaluate(plain, source);
    step.peak_memory_bytes = peak_process_bytes();  // of one training run: the watched one comes on top
    NoiseTraining watched(backend, list, source, *options.settings, trainer);
    watched.trainer().watch(&recorder);
    for (int i = 0; i < (options.brief ? 1 : kWarmUp); ++i) watched.trainer().step();
    std::vector<double> plain_steps, watched_steps;
    for (double plain_seconds = 0.0; !enough(options, plain_steps, plain_seconds);) {
      if (options.should_stop && options.should_stop() && !plain_steps.empty()) break;
      plain_steps.push_back(plain.timed_step());
      plain_seconds += plain_steps.back();
      watched.trainer().step();
      watched_steps.push_back(recorder.seconds());
      parts.add(recorder.slices());
      if (options.progress) options.progress(plain_seconds / options.min_seconds);
    }
    step.step_s = median(plain_steps);
    step.step_deviation_s = median_deviation(plain_steps);
    step.watched_step_s = median(watched_steps);
    step.steps = static_cast<int>(plain_steps.size());
  }
  step.measured = true;
  step.model = list.model.name;
  step.precision = precision_name(options.dtype);
  step.batch = options.batch;
  add_layers(list, options, parts, file);
  add_phases(parts, file);
  file.entries.push_back(entry(step, "-", "step", step.step_s, step.step_deviation_s));
  file.context.brief = options.brief;
  file.context.processor_wait = wait.share();
  file.context.after = read_environment();
}

}  // namespace tsugi::bench
