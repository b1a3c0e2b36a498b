// The emulated GPU trains as the CPU does: the kernels of kernels/cuda in whole models, step by step.
#include <cmath>
#include <memory>

#include "kernels/api/registry.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr int kSteps = kSanitized ? 4 : 20;
constexpr double kRelative = 1e-4;  // of a step's loss, after up to 20 steps of float32 rounding in two orders

/// A small learning rate: with a large one (0.01 and more, measured) rounding flips a ReLU or the argmax of a pool
/// within 20 steps, and what follows amplifies it, between the CPU and the double-precision reference just as well.
TrainSettings gentle_settings() {
  TrainSettings settings = short_settings();
  settings.batch = 8;
  settings.epochs = 20;
  settings.optimizer.lr = 0.002f;
  return settings;
}

void expect_follows(const std::vector<StepTotals>& got, const std::vector<StepTotals>& want, std::size_t first) {
  REQUIRE(got.size() + first == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double difference = std::fabs(got[i].loss - want[i + first].loss) / want[i + first].loss;
    INFO("step " << i + first + 1 << ": loss " << got[i].loss << ", on the CPU " << want[i + first].loss
                 << ", relative " << difference);
    CHECK(difference <= kRelative);
  }
}

TEST_CASE("20 steps on the emulated GPU follow the CPU, and each goes on from the other's checkpoint") {
  const PhotoSet set = make_photos(3, 4);
  for (const std::string& name : builtin_model_names()) {
    CAPTURE(name);
    const Model model = with_input_size(find_model(name), 16);
    const std::unique_ptr<Backend> cpu = make_cpu_backend(1);
    Training on_cpu(*cpu, model, set, gentle_settings());
    std::vector<StepTotals> expected = on_cpu.steps(kSteps / 2);
    const std::vector<std::uint8_t> half_way = on_cpu.saved();
    const std::vector<StepTotals> rest = on_cpu.steps(kSteps / 2);
    expected.insert(expected.end(), rest.begin(), rest.end());

    const std::unique_ptr<RegistryBackend> simt = emulator(75);
    if (simt == nullptr) return;
    Training on_simt(*simt, model, set, gentle_settings());
    std::vector<StepTotals> totals = on_simt.steps(kSteps / 2);
    const std::vector<std::uint8_t> handed_over = on_simt.saved();
    const std::vector<StepTotals> more = on_simt.steps(kSteps / 2);
    totals.insert(totals.end(), more.begin(), more.end());
    expect_follows(totals, expected, 0);
    CHECK(expected.back().loss != expected.front().loss);

    // From one device's checkpoint to the other, both ways; other start weights show that all of them come from there.
    Training::Options options;
    options.initial_seed = 999;
    Training cpu_then_simt(*simt, model, set, gentle_settings(), options),
        simt_then_cpu(*cpu, model, set, gentle_settings(), options);
    cpu_then_simt.load(half_way);
    CHECK(cpu_then_simt.saved() == half_way);
    expect_follows(cpu_then_simt.steps(kSteps / 2), expected, kSteps / 2);
    simt_then_cpu.load(handed_over);
    CHECK(simt_then_cpu.saved() == handed_over);
    expect_follows(simt_then_cpu.steps(kSteps / 2), expected, kSteps / 2);
  }
}

}  // namespace
}  // namespace tsugi::test
