// What tsugi plan prints, and its JSON object.
#include <cstdio>

#include "tools/bench.h"
#include "tools/console.h"
#include "tools/plan.h"

namespace tsugi::tools {
namespace {

/// What the figures are, in one line.
std::string basis(const perf::DeviceDescription& device) {
  if (!device.results.empty())
    return device.measured ? "measured by the device itself, and by these runs" : "measured where these runs of the board say so, derived elsewhere";
  return device.measured ? "measured by the device itself" : "derived, not measured";
}

std::string limits_text(const perf::DeviceDescription& device) {
  const std::string text = perf::text(device.limits), measured = "measured limits:";
  return "limits:" + text.substr(measured.size());
}

void print_device(const perf::DeviceDescription& device) {
  std::printf("device %s: %s\n%s; a call costs %s, a copy %s\n", device.name.c_str(), device.about.c_str(), limits_text(device).c_str(),
              time_text(device.launch_s).c_str(), time_text(device.copy_s).c_str());
  std::printf("its figures are %s\n", basis(device).c_str());
  for (const std::string& result : device.results) std::printf("  %s\n", result.c_str());
  if (!device.measured)
    for (const perf::FigureSource& source : device.sources) std::printf("  %s: %s\n", source.figure.c_str(), source.source.c_str());
  std::printf("\n");
}

void print_layers(const perf::StepResult& step) {
  const auto share = [&](double seconds) { return figure_text(100.0 * seconds / step.step_s); };
  std::vector<std::vector<std::string>> table = {{"layer", "op", "forward", "backward", "% of step"}};
  for (const perf::StepLayer& layer : step.layers)
    table.push_back({layer.layer, layer.op, time_text(layer.forward_s), time_text(layer.backward_s), share(layer.forward_s + layer.backward_s)});
  for (const auto& [phase, seconds] :
       {std::pair{"augment", step.augment_s}, {"loss", step.loss_s}, {"update", step.update_s}, {"copies", step.data_s + step.results_s}})
    table.push_back({"-", phase, time_text(seconds), "-", share(seconds)});
  print_table(table);
}

/// Short times with their digits, long ones as clocks tell them.
std::string span_text(double seconds) {
  constexpr double kLong = 100.0;
  return seconds < kLong ? time_text(seconds) : duration(seconds);
}

void print_handover(const perf::PlanRequest& request, const PlanOutcome& outcome) {
  const perf::Plan& plan = outcome.plan;
  const perf::BundleSize& bundle = plan.bundle;
  std::printf("epoch: %u steps, %s; %d epochs: %s (steps alone: no decoding, no evaluation)\n", plan.prediction.steps_per_epoch,
              span_text(plan.epoch_s).c_str(), request.step.settings.epochs, span_text(plan.training_s).c_str());
  std::printf("bundle: %s (checkpoint %s, %zu photos %s, test photos %s, knowledge %s)", bytes_text(bundle.total).c_str(),
              bytes_text(bundle.checkpoint).c_str(), plan.sent, bytes_text(bundle.photos).c_str(), bytes_text(bundle.test_photos).c_str(),
              bytes_text(bundle.knowledge).c_str());
  if (plan.transfer_s > 0.0) std::printf("; to send it: %s", span_text(plan.transfer_s).c_str());
  std::printf("\n");
}

}  // namespace

void print_plan(const perf::DeviceDescription& device, const perf::PlanRequest& request, const PlanOutcome& outcome) {
  const perf::Plan& plan = outcome.plan;
  const perf::StepResult& step = plan.prediction.step;
  print_device(device);
  print_layers(step);
  if (!plan.freeze_until.empty()) std::printf("\nlayers up to %s stay as they are", plan.freeze_until.c_str());
  std::printf("\nstep of %s, batch %d, %s: %s%s, %.0f images/s\n", step.model.c_str(), step.batch, step.precision.c_str(),
              time_text(step.step_s).c_str(), step.measured ? " (measured)" : "", step.batch / step.step_s);
  std::printf("memory: %s (arena %s, in all planned %s, process besides %s)", bytes_text(static_cast<double>(plan.peak_memory_bytes)).c_str(),
              bytes_text(static_cast<double>(step.arena_bytes)).c_str(), bytes_text(static_cast<double>(step.device_bytes)).c_str(),
              device.process_bytes > 0 ? bytes_text(static_cast<double>(device.process_bytes)).c_str() : "unknown");
  if (device.memory_bytes > 0) std::printf(" of %s", bytes_text(static_cast<double>(device.memory_bytes)).c_str());
  std::printf("%s\n", step.micro_batch < step.batch ? (", in micro-batches of " + std::to_string(step.micro_batch)).c_str() : "");
  if (outcome.handover) print_handover(request, outcome);
  if (outcome.backwards)
    std::printf("\nlargest fraction: %.4g (%zu of %zu photos); %s\n", plan.fraction, plan.sent, request.bundle.train_photos,
                outcome.binding.empty() ? "everything fits, no budget binds" : (outcome.binding + " allows no more").c_str());
}

Json plan_json(const perf::DeviceDescription& device, const perf::PlanRequest& request, const PlanOutcome& outcome) {
  const perf::Plan& plan = outcome.plan;
  const perf::StepResult& step = plan.prediction.step;
  Json json{
      {"device", device.name}, {"basis", basis(device)}, {"measured", device.measured}, {"results", device.results}, {"sources", Json::object()}};
  for (const perf::FigureSource& source : device.sources) json["sources"][source.figure] = source.source;
  json["model"] = step.model;
  json["precision"] = step.precision;
  json["batch"] = step.batch;
  json["micro_batch"] = step.micro_batch;
  json["freeze_until"] = plan.freeze_until;
  json["step_s"] = number(step.step_s);
  json["images_per_s"] = number(step.batch / step.step_s);
  json["phases"] = {
      {"data_s", step.data_s}, {"augment_s", step.augment_s}, {"loss_s", step.loss_s}, {"update_s", step.update_s}, {"results_s", step.results_s}};
  json["layers"] = Json::array();
  for (const perf::StepLayer& layer : step.layers)
    json["layers"].push_back({{"layer", layer.layer},
                              {"op", layer.op},
                              {"forward_s", layer.forward_s},
                              {"backward_s", layer.backward_s},
                              {"forward_flops", layer.forward_flops}});
  json["arena_bytes"] = step.arena_bytes;
  json["device_bytes"] = step.device_bytes;
  json["peak_memory_bytes"] = plan.peak_memory_bytes;
  if (!outcome.handover) return json;
  json["steps_per_epoch"] = plan.prediction.steps_per_epoch;
  json["epoch_s"] = number(plan.epoch_s);
  json["epochs"] = request.step.settings.epochs;
  json["training_s"] = number(plan.training_s);
  json["fraction"] = plan.fraction;
  json["photos_sent"] = plan.sent;
  json["photos_trained"] = plan.trained;
  json["bundle_bytes"] = std::llround(plan.bundle.total);
  json["bytes_checkpoint"] = std::llround(plan.bundle.checkpoint);
  json["bytes_photos"] = std::llround(plan.bundle.photos);
  json["bytes_test_photos"] = std::llround(plan.bundle.test_photos);
  json["bytes_knowledge"] = std::llround(plan.bundle.knowledge);
  json["transfer_s"] = request.link_bytes_per_s > 0.0 ? number(plan.transfer_s) : Json(nullptr);
  if (outcome.backwards) json["binding"] = outcome.binding.empty() ? Json(nullptr) : Json(outcome.binding);
  return json;
}

}  // namespace tsugi::tools
