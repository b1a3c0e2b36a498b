// What measurements say of themselves on a machine that works for somebody else: on made-up noise, and on a processor
// that two threads want.
#include "bench/measure/noise.h"

#include <sched.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "bench/measure/compare.h"
#include "bench/measure/statistics.h"
#include "bench/plan/timed_steps.h"
#include "kernels/api/threads.h"
#include "tests/bench/support.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

namespace fs = std::filesystem;

/// A peak's loops take a second on its clock, those that something else disturbs up to a hundred.
class DisturbedBackend : public TickingBackend {
 public:
  DisturbedBackend(double share, unsigned seed) : TickingBackend(make_cpu_backend(1)), share_(share), random_(seed) {}

  double fma_burst(DType dtype, int steps, float* out) override {
    ticks += delay();
    return CountingBackend::fma_burst(dtype, steps, out);
  }
  void copy_burst(const void* from, std::size_t bytes, void* to) override {
    ticks += delay();
    CountingBackend::copy_burst(from, bytes, to);
  }

 private:
  double delay() {
    const bool disturbed = std::uniform_real_distribution<>(0.0, 1.0)(random_) < share_;
    return disturbed ? std::uniform_real_distribution<>(2.0, 100.0)(random_) : 1.0;
  }

  double share_;
  std::mt19937 random_;
};

bench::Limits limits_of(Backend& backend) {
  bench::LimitMeter meter(backend, nullptr, true);
  for (int turn = 0; turn < 60; ++turn) meter.turn(0.0);
  return meter.limits();
}

TEST_CASE("a peak is the best sample, however many were disturbed, and their spread is said") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  DisturbedBackend idle(0.0, seed);
  const bench::Limits peak = limits_of(idle);
  REQUIRE(peak.f32 > 0.0);
  CHECK(peak.spread == doctest::Approx(0.0));
  CHECK(bench::noise_of(peak, 0.0).empty());
  for (const double share : {0.02, 0.3, 0.8}) {
    CAPTURE(share);
    DisturbedBackend busy(share, seed + 1);
    const bench::Limits limits = limits_of(busy);
    CHECK(limits.f32 == doctest::Approx(peak.f32));  // 60 samples: all disturbed in 2 of a million
    CHECK(limits.copy == doctest::Approx(peak.copy));
    CHECK((limits.spread > bench::kMuchSpread) == (share > 0.5));
    CHECK(bench::noise_of(limits, 0.0).size() == (share > 0.5 ? 1u : 0u));
  }
}

TEST_CASE("a device that measures itself says what disturbed it") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  DisturbedBackend busy(0.8, seed);
  bench::TimedStepsOptions options;
  options.brief = true;
  bench::StepRequest request = bench::usual_step(bench::find_shape_list("faces-mobile"), 2, DType::f32);
  const auto noise_in = [&] {
    const bench::TimedSteps timed(busy, request, options);
    for (const bench::FigureSource& source : timed.device().sources)
      if (source.figure == bench::kNoiseSource) return source.source;
    return std::string();
  };
  CHECK(noise_in().empty());  // brief: its times mean nothing
  options.brief = false;
  CHECK(noise_in().find("samples of a limit lie apart") != std::string::npos);
}

TEST_CASE("what was disturbed is said once each, and marks file, points and comparisons") {
  bench::ResultFile quiet = device_file("cpu", 100.0, 10.0);
  for (int i = 0; i < 20; ++i) quiet.entries.push_back(point("conv" + std::to_string(i), 1e-3, 1e9, 1e6));
  CHECK(bench::noise_of(quiet).empty());
  CHECK(bench::to_json(quiet, true).find("nois") == std::string::npos);

  bench::ResultFile busy = quiet;
  busy.entries[7].deviation = 0.2 * busy.entries[7].seconds;
  CHECK(bench::is_noisy(busy.entries[7]));
  CHECK(bench::noise_of(busy).empty());  // one of twenty
  busy.entries[8].deviation = busy.entries[9].deviation = busy.entries[7].deviation;
  busy.context.limits.spread = 0.4;
  busy.context.processor_wait = 0.31;
  busy.step.measured = true;
  busy.step.step_s = 1.0, busy.step.step_deviation_s = 0.25;
  const std::vector<std::string> noise = bench::noise_of(busy);
  REQUIRE(noise.size() == 4);
  for (const auto& [i, word] : {std::pair{0, "31 %"}, {1, "40 %"}, {2, "3 of 20 points"}, {3, "25 %"}})
    CHECK(noise[static_cast<std::size_t>(i)].find(word) != std::string::npos);

  busy.step = {};
  const bench::ResultFile read = bench::parse_result_file(bench::to_json(busy, false), "test");
  CHECK(read.context.limits.spread == doctest::Approx(0.4));
  CHECK(read.context.processor_wait == doctest::Approx(0.31));
  CHECK(bench::noise_of(read).size() == 3);
  const std::string json = bench::to_json(busy, true);
  CHECK(json.find("\"noise\":[\"threads waited") != std::string::npos);
  CHECK(json.find("\"noisy\":true") != std::string::npos);
  const bench::Comparison comparison = bench::compare({"quiet.json", "busy.json"}, {quiet, busy});
  CHECK(comparison.summaries[0].notes.empty());
  std::string notes;
  for (const std::string& note : comparison.summaries[1].notes) notes += note + "\n";
  CHECK(notes.find("disturbed: threads waited for a processor 31 %") != std::string::npos);

  busy.context.brief = true;
  CHECK(bench::noise_of(busy).empty());
}

TEST_CASE("the share of time without a processor is read for all threads") {
  const fs::path root = fs::temp_directory_path() / ("tsugi-noise-" + std::to_string(std::random_device{}()));
  const auto write = [&](const char* task, const std::string& text) {
    fs::create_directories(root / "proc/self/task" / task);
    std::ofstream(root / "proc/self/task" / task / "schedstat") << text;
  };
  CHECK(ProcessorWait(root.string()).share() == 0.0);  // nobody says
  write("11", "1000 500 3\n");
  write("12", "2000 0 1\n");
  write("13", "nonsense\n");
  const ProcessorWait wait(root.string());
  CHECK(wait.share() == 0.0);
  write("11", "4000 1500 9\n");
  write("12", "5000 1000 9\n");
  CHECK(wait.share() == doctest::Approx(0.25));
  fs::remove_all(root);
}

TEST_CASE("two threads that want one processor wait for it") {
  if (!std::ifstream("/proc/self/task/" + std::to_string(getpid()) + "/schedstat")) return;  // the kernel does not say
  cpu_set_t all, one;
  REQUIRE(sched_getaffinity(0, sizeof all, &all) == 0);
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
  REQUIRE(sched_setaffinity(0, sizeof one, &one) == 0);
  std::atomic<bool> end{false};
  const ProcessorWait wait;
  std::thread other([&] {  // inherits the mask
    while (!end) {
    }
  });
  for (const double begin = bench::now(); bench::now() - begin < 0.1;) {
  }
  const double share = wait.share();
  end = true;
  other.join();
  sched_setaffinity(0, sizeof all, &all);
  CHECK(share > bench::kMuchWaiting);  // about a half
  CHECK(share < 1.0);
}

}  // namespace
}  // namespace tsugi::test
