#include "bench/plan/timed_steps.h"

#include <algorithm>

#include "bench/measure/noise.h"
#include "engine/core/device.h"
#include "kernels/api/threads.h"

namespace tsugi::bench {
namespace {

/// Seconds of unwatched steps at most; about as many are watched.
constexpr double kMostSeconds = 3.0;
constexpr double kSettled = 0.01;

/// Photos of noise do not compress: their files are as large as their pixels.
std::size_t noise_bytes(const StepRequest& request, int batch) {
  const auto side = static_cast<std::size_t>(request.preprocessing.stored_size);
  return 2 * static_cast<std::size_t>(batch) * side * side * 3;
}

/// Parts come from watched steps and whole steps from others: the parts share out the step.
void share_out(StepResult& step) {
  const double share = step.step_s / step.parts_s;
  for (StepLayer& layer : step.layers) layer.forward_s *= share, layer.backward_s *= share;
  for (double StepResult::*phase : {&StepResult::data_s, &StepResult::augment_s, &StepResult::loss_s,
                                    &StepResult::update_s, &StepResult::results_s})
    step.*phase *= share;
  step.parts_s = step.step_s;
}

StepRequest alone(StepRequest request) {
  request.photos = 2 * static_cast<std::size_t>(request.settings.batch);
  request.other_photos = 0;
  return request;
}

}  // namespace

TimedSteps::TimedSteps(Backend& backend, const StepRequest& asked, const TimedStepsOptions& options)
    : backend_(backend), options_(options) {
  const StepRequest request = alone(asked);
  const std::size_t free = backend.free_bytes();
  const ProcessorWait wait;
  const StepResult& step = time(request, record_step(backend, request));
  const double waited = wait.share();
  const Environment environment = read_environment();
  device_.name = "this";
  device_.kernels = backend.name();
  device_.measured = true;
  device_.precision = precision_name(asked.dtype);
  device_.about = backend.description() + (environment.gpu.empty() ? "" : ", " + environment.gpu);
  device_.shared_memory = backend.shares_host_memory();
  const std::size_t planned = step.device_bytes + (device_.shared_memory ? noise_bytes(request, step.batch) : 0);
  device_.process_bytes = step.peak_memory_bytes - std::min(step.peak_memory_bytes, planned);
  device_.memory_bytes = free == static_cast<std::size_t>(-1) ? 0 : free;
  device_.limits = measure_limits(backend, nullptr, options.brief);
  device_.sources.push_back({"all", "steps timed on this machine, " + environment.date});
  ResultFile file;  // of what the step itself says; its small parts spread on any machine
  file.context.limits = device_.limits;
  file.context.processor_wait = waited;
  file.context.brief = options.brief;
  file.step = step;
  std::string noise;
  for (const std::string& note : noise_of(file)) noise += (noise.empty() ? "" : "; ") + note;
  if (!noise.empty()) device_.sources.push_back({kNoiseSource, noise});
}

StepPrediction TimedSteps::predict(const StepRequest& request) {
  const RecordedStep recorded = record_step(backend_, request);
  StepPrediction prediction;
  prediction.step = time(request, recorded);
  prediction.step.arena_bytes = recorded.memory.arena;
  prediction.step.device_bytes = recorded.memory.total();
  prediction.memory = recorded.memory;
  prediction.steps_per_epoch = recorded.steps_per_epoch;
  for (const StepLayer& layer : prediction.step.layers) prediction.forward_s += layer.forward_s;
  return prediction;
}

DeviceDescription TimedSteps::describe(const std::vector<ShapeList>& lists, int batch, DType dtype) {
  std::vector<TimedStep> steps;
  for (const ShapeList& list : lists) {
    const StepRequest request = usual_step(list, batch, dtype);
    steps.push_back({request, time(request, record_step(backend_, request))});
  }
  DeviceDescription described = device_;
  learn_steps(described, backend_, steps);
  return described;
}

const StepResult& TimedSteps::time(const StepRequest& request, const RecordedStep& recorded) {
  const MemoryLayout& memory = recorded.memory;
  const TrainSettings& settings = request.settings;
  const Kind kind{request.list.model.name, recorded.batch,        memory.micro_batch,
                  settings.optimizer.kind, settings.freeze_until, settings.frozen_batch_norm};
  if (const auto known = timed_.find(kind); known != timed_.end()) return known->second;
  StepBenchOptions options;
  options.dtype = request.dtype;
  options.settings = settings;
  options.settings->batch = recorded.batch;
  if (memory.micro_batch < recorded.batch) {  // what splits the batch there splits it here, whatever the photos take
    const auto photos = memory.photos_resident ? noise_bytes(request, recorded.batch) : memory.photos;
    options.memory_budget = memory.total() - memory.photos + photos;
  }
  options.min_seconds = kMostSeconds;
  options.settled = kSettled;
  options.brief = options_.brief;
  options.progress = options_.progress;
  options.should_stop = options_.should_stop;
  ResultFile file;
  bench_step(backend_, request.list, options, file);
  if (options_.should_stop && options_.should_stop()) throw Error("plan: stopped while steps were timed");
  share_out(file.step);
  return timed_.emplace(kind, file.step).first->second;
}

}  // namespace tsugi::bench
