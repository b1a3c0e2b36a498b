// A made-up device with a choice of kernels, for the tests of tuning.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tests/bench/support.h"

namespace tsugi::test {

/// A device with three kernels for convolutions; its clock goes on by what the kernel that was chosen costs.
class ChoosyBackend : public TickingBackend, public KernelChoice {
 public:
  ChoosyBackend() : TickingBackend(make_cpu_backend(1)) {}

  std::vector<std::string> convolutions = {"usual", "slow", "fast"};  ///< the kernels of one; dense layers have `usual`
  std::map<std::string, double> cost = {{"usual", 3.0}, {"fast", 2.0}, {"slow", 9.0}};
  double step_penalty =
      0.0;  ///< of a step in which something else than `usual` is chosen: what single calls do not show
  int chosen_calls = 0;

  KernelChoice* kernel_choice() override { return this; }
  std::string device() const override { return "made up"; }
  std::string driver() const override { return "1"; }
  std::string kernels() const override { return "0123456789abcdef"; }
  std::vector<std::string> candidates(const KernelCall& call) const override {
    return call.dense ? std::vector<std::string>{"usual"} : convolutions;
  }
  void choose(const KernelCall& call, const std::string& kernel) override {
    if (kernel.empty() || kernel == "usual") {
      chosen_.erase(call);
    } else {
      chosen_[call] = kernel;
    }
  }
  std::string chosen(const KernelCall& call) const override {
    const auto found = chosen_.find(call);
    return found == chosen_.end() ? "usual" : found->second;
  }

 private:
  void compute_conv2d_forward(const Conv2dForward& op) override {
    run({KernelOp::conv2d_forward, op.shape, op.dtype, false}), TickingBackend::compute_conv2d_forward(op);
  }
  void compute_conv2d_backward_data(const Conv2dBackwardData& op) override {
    run({KernelOp::conv2d_backward_data, op.shape, op.dtype, false}), TickingBackend::compute_conv2d_backward_data(op);
  }
  void compute_conv2d_backward_weight(const Conv2dBackwardWeight& op) override {
    run({KernelOp::conv2d_backward_weight, op.shape, op.dtype, false}),
        TickingBackend::compute_conv2d_backward_weight(op);
  }
  void compute_sgd_update(const SgdUpdate& op) override {
    if (!chosen_.empty()) ticks += step_penalty;
    TickingBackend::compute_sgd_update(op);
  }

  void run(const KernelCall& call) { ticks += cost[chosen(call)]; }

  std::map<KernelCall, std::string> chosen_;
};

}  // namespace tsugi::test
