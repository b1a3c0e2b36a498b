// What tsugi plan prints, and its JSON object.

#include "bench/measure/result_fields.h"
#include "tools/bench.h"
#include "tools/console.h"
#include "tools/plan.h"

namespace tsugi::tools {
namespace {

/// What the figures are, in one line.
std::string basis(const bench::DeviceDescription& device) {
  if (!device.results.empty())
    return device.measured ? "measured by the device itself, and by these runs"
                           : "measured where these runs of the board say so, derived elsewhere";
  return device.measured ? "measured by the device itself" : "derived, not measured";
}

std::string limits_text(const bench::DeviceDescription& device) {
  const std::string text = bench::text(device.limits), measured = "measured limits:";
  return "limits:" + text.substr(measured.size());
}

void print_device(const bench::DeviceDescription& device) {
  print_line("device " + device.name + ": " + device.about);
  const std::string calls = "; a call costs " + time_text(device.launch_s) + ", a copy " + time_text(device.copy_s);
  print_line(limits_text(device) + (device.launch_s > 0.0 ? calls : ""));
  print_line("its figures are " + basis(device));
  for (const std::string& result : device.results) print_line("  " + result);
  for (const bench::FigureSource& source : device.sources) {
    if (source.figure == bench::kNoiseSource) {
      print_line("mind: disturbed: " + source.source);
    } else if (!device.measured) {
      print_line("  " + source.figure + ": " + source.source);
    }
  }
  print_line();
}

void print_layers(const bench::StepResult& step) {
  const auto share = [&](double seconds) { return figure_text(100.0 * seconds / step.step_s); };
  std::vector<std::vector<std::string>> table = {{"layer", "op", "forward", "backward", "% of step"}};
  for (const bench::StepLayer& layer : step.layers)
    table.push_back({layer.layer, layer.op, time_text(layer.forward_s), time_text(layer.backward_s),
                     share(layer.forward_s + layer.backward_s)});
  for (const auto& [phase, seconds] : {std::pair{"augment", step.augment_s},
                                       {"loss", step.loss_s},
                                       {"update", step.update_s},
                                       {"copies", step.data_s + step.results_s}})
    table.push_back({"-", phase, time_text(seconds), "-", share(seconds)});
  print_table(table);
}

/// Short times with their digits, long ones as clocks tell them.
std::string span_text(double seconds) {
  constexpr double kLong = 100.0;
  return seconds < kLong ? time_text(seconds) : duration(seconds);
}

void print_handover(const PlanOutcome& outcome) {
  const bench::Plan& plan = outcome.plan;
  const bench::BundleSize& bundle = plan.bundle;
  print_line(format("epoch: %u steps, %s; %d epochs: %s (steps alone: no decoding, no evaluation)",
                    plan.prediction.steps_per_epoch, span_text(plan.epoch_s).c_str(), plan.epochs,
                    span_text(plan.training_s).c_str()));
  const std::string sent = format("bundle: %s (checkpoint %s, %zu photos %s, test photos %s, knowledge %s)",
                                  bytes_text(bundle.total).c_str(), bytes_text(bundle.checkpoint).c_str(), plan.sent,
                                  bytes_text(bundle.photos).c_str(), bytes_text(bundle.test_photos).c_str(),
                                  bytes_text(bundle.knowledge).c_str());
  print_line(sent + (plan.transfer_s > 0.0 ? "; to send it: " + span_text(plan.transfer_s) : ""));
}

}  // namespace

void print_plan(const bench::DeviceDescription& device, const bench::PlanRequest& request, const PlanOutcome& outcome) {
  const bench::Plan& plan = outcome.plan;
  const bench::StepResult& step = plan.prediction.step;
  print_device(device);
  print_layers(step);
  print_line();
  if (!plan.freeze_until.empty()) print_line("layers up to " + plan.freeze_until + " stay as they are");
  print_line(format("step of %s, batch %d, %s: %s%s, %.0f images/s", step.model.c_str(), step.batch,
                    step.precision.c_str(), time_text(step.step_s).c_str(), step.measured ? " (measured)" : "",
                    step.batch / step.step_s));
  const std::string memory =
      format("memory: %s (arena %s, in all planned %s, process besides %s)",
             bytes_text(static_cast<double>(plan.peak_memory_bytes)).c_str(),
             bytes_text(static_cast<double>(step.arena_bytes)).c_str(),
             bytes_text(static_cast<double>(step.device_bytes)).c_str(),
             device.process_bytes > 0 ? bytes_text(static_cast<double>(device.process_bytes)).c_str() : "unknown");
  print_line(memory + (device.memory_bytes > 0 ? " of " + bytes_text(static_cast<double>(device.memory_bytes)) : "") +
             (step.micro_batch < step.batch ? ", in micro-batches of " + std::to_string(step.micro_batch) : ""));
  if (outcome.handover) print_handover(outcome);
  if (!outcome.backwards) return;
  print_line();
  print_line(format(
      "largest fraction: %.4g (%zu of %zu photos); %s", plan.fraction, plan.sent, request.bundle.train_photos,
      outcome.binding.empty() ? "everything fits, no budget binds" : (outcome.binding + " allows no more").c_str()));
}

Json plan_json(const bench::DeviceDescription& device, const bench::PlanRequest& request, const PlanOutcome& outcome) {
  const bench::Plan& plan = outcome.plan;
  const bench::StepResult& step = plan.prediction.step;
  Json json{{"device", device.name},
            {"basis", basis(device)},
            {"measured", device.measured},
            {"results", device.results},
            {"sources", Json::object()}};
  for (const bench::FigureSource& source : device.sources) json["sources"][source.figure] = source.source;
  json["model"] = step.model;
  json["precision"] = step.precision;
  json["batch"] = step.batch;
  json["micro_batch"] = step.micro_batch;
  json["freeze_until"] = plan.freeze_until;
  json["step_s"] = number(step.step_s);
  json["images_per_s"] = number(step.batch / step.step_s);
  const Json timed = bench::step_json(step);
  for (const char* field : {"phases", "layers", "arena_bytes", "device_bytes"}) json[field] = timed[field];
  json["peak_memory_bytes"] = plan.peak_memory_bytes;
  if (!outcome.handover) return json;
  json["steps_per_epoch"] = plan.prediction.steps_per_epoch;
  json["epoch_s"] = number(plan.epoch_s);
  json["epochs"] = plan.epochs;
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
