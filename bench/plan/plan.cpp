#include "bench/plan/plan.h"

#include <cmath>
#include <functional>

#include "engine/handover/handover.h"
#include "engine/train/memory_share.h"

namespace tsugi::bench {
namespace {

/// Plans of one request at any number of photos sent.
class Planner {
 public:
  Planner(const DeviceDescription& device, const StepSource& steps, const PlanRequest& request)
      : device_(device),
        steps_(steps),
        request_(request),
        sizes_(request.step.list, request.step.settings, request.bundle) {}

  Plan with(std::size_t sent) const {
    StepRequest step = request_.step;
    step.photos = sent + request_.personal_photos + request_.stranger_photos;
    step.list.classes += static_cast<int>(request_.strangers);
    step.other_photos = request_.bundle.send_test_photos ? request_.bundle.test_photos : 0;
    if (step.photos == 0)
      throw Error("plan: a fraction of " + text(request_.fraction) + " sends 0 of " +
                  std::to_string(request_.bundle.train_photos) +
                  " photos, and there are 0 personal ones: at least 1 photo is needed to train");
    if (request_.as_resume && sent == 0 && request_.bundle.knowledge && !request_.own_epochs)
      step.settings.epochs = 0;  // the head is made of statistics
    if (request_.as_resume) step.settings.freeze_until = default_freeze(step.list.model, step.list.classes, sent > 0);
    Plan plan;
    plan.sent = sent;
    plan.trained = step.photos;
    plan.freeze_until = step.settings.freeze_until;
    plan.epochs = step.settings.epochs;
    plan.fraction = request_.bundle.train_photos > 0
                        ? static_cast<double>(sent) / static_cast<double>(request_.bundle.train_photos)
                        : 0.0;
    plan.prediction = steps_(step);
    plan.epoch_s = plan.prediction.steps_per_epoch * plan.prediction.step.step_s;
    plan.training_s = plan.epoch_s * plan.epochs;
    plan.bundle = sizes_.with(sent);
    if (request_.link_bytes_per_s > 0.0) plan.transfer_s = plan.bundle.total / request_.link_bytes_per_s;
    plan.peak_memory_bytes = process_bytes(device_, plan.prediction.memory, kept_bytes(step, plan.bundle));
    return plan;
  }

  static std::string text(double value) {
    char number[32];
    std::snprintf(number, sizeof number, "%.4g", value);
    return number;
  }

 private:
  /// What the host keeps beside what the trainer plans when the checkpoint is written: of a hand-over also the bundle's
  /// photos and the weights before the first step. The device's own photos are read once.
  double kept_bytes(const StepRequest& step, const BundleSize& bundle) const {
    const ParameterLayout layout(step.list.model, step.list.classes);
    const OptimizerSettings& optimizer = step.settings.optimizer;
    const auto saving = static_cast<double>(saving_bytes(layout, optimizer));
    if (!request_.as_resume) return saving;
    const std::size_t moments =
        request_.bundle.kind == CheckpointKind::full ? Optimizer::bytes(optimizer, layout.count()) : 0;
    return saving + static_cast<double>(weight_bytes(layout) + moments) + bundle.photos + bundle.test_photos;
  }

  const DeviceDescription& device_;
  const StepSource& steps_;
  const PlanRequest& request_;
  BundleSizes sizes_;
};

struct Budget {
  const char* name;  // what binds
  const char* option;
  const char* unit;
  double scale, most;
  std::function<double(const Plan&)> value;
};

std::vector<Budget> budgets_of(const Budgets& b) {
  constexpr double kMega = 1e6;
  std::vector<Budget> budgets;
  const auto add = [&](const Budget& budget) {
    if (budget.most > 0.0) budgets.push_back(budget);
  };
  add({"time", "--max-time", "s", 1.0, b.training_s, [](const Plan& p) { return p.training_s; }});
  add({"memory", "--max-memory", "MB", kMega, b.memory_bytes,
       [](const Plan& p) { return static_cast<double>(p.peak_memory_bytes); }});
  add({"transfer", "--max-transfer", "MB", kMega, b.transfer_bytes, [](const Plan& p) { return p.bundle.total; }});
  add({"transfer", "--max-transfer", "s", 1.0, b.transfer_s, [](const Plan& p) { return p.transfer_s; }});
  return budgets;
}

/// The most photos in [least, most] that a budget allows; all that a plan needs grows with them.
std::size_t most_within(const Planner& planner, const Budget& budget, std::size_t least, std::size_t most) {
  const auto fits = [&](std::size_t sent) { return budget.value(planner.with(sent)) <= budget.most; };
  if (!fits(least)) {
    const double value = budget.value(planner.with(least));
    throw Error(std::string("plan: ") + budget.option + " is " + Planner::text(budget.most / budget.scale) + " " +
                budget.unit + ", but even " + std::to_string(least) + " photos need " +
                Planner::text(value / budget.scale) + " " + budget.unit);
  }
  if (fits(most)) return most;
  while (most - least > 1) {
    const std::size_t middle = least + (most - least) / 2;
    (fits(middle) ? least : most) = middle;
  }
  return least;
}

}  // namespace

Plan plan_step(const DeviceDescription& device, const StepSource& steps, const StepRequest& asked) {
  StepRequest request = asked;
  request.photos = 2 * static_cast<std::size_t>(request.settings.batch);
  Plan plan;
  plan.freeze_until = request.settings.freeze_until;
  plan.prediction = steps(request);
  const double side = request.preprocessing.stored_size;
  const double files =
      static_cast<double>(request.photos) * side * side * 3.0;  // noise does not compress: as large as its pixels
  plan.peak_memory_bytes = process_bytes(device, plan.prediction.memory, files);
  return plan;
}

Plan plan_handover(const DeviceDescription& device, const StepSource& steps, const PlanRequest& request) {
  if (!(request.fraction >= 0.0 && request.fraction <= 1.0))
    throw Error("plan: the fraction is " + Planner::text(request.fraction) + ", 0 to 1 expected");
  const double sent = std::round(request.fraction * static_cast<double>(request.bundle.train_photos));
  return Planner(device, steps, request).with(static_cast<std::size_t>(sent));
}

LargestFraction largest_fraction(const DeviceDescription& device, const StepSource& steps, const PlanRequest& request,
                                 const Budgets& budgets) {
  if (request.bundle.train_photos == 0)
    throw Error("plan: a fraction of 0 photos: say how many there are with --photos");
  const Planner planner(device, steps, request);
  const std::size_t least = request.personal_photos > 0 ? 0 : 1;
  LargestFraction largest;
  std::size_t most = request.bundle.train_photos;
  for (const Budget& budget : budgets_of(budgets)) {
    const std::size_t within = most_within(planner, budget, least, request.bundle.train_photos);
    if (within >= most) continue;
    most = within;
    largest.binding = budget.name;
  }
  largest.plan = planner.with(most);
  return largest;
}

}  // namespace tsugi::bench
