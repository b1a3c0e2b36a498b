// Learning rates in closed form, optimizer settings, preprocessing as JSON.
#include "engine/optim/schedule.h"

#include <cmath>

#include "engine/core/device.h"
#include "engine/optim/optimizer.h"
#include "engine/train/settings.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

// Rates are computed in double and rounded once to float.
doctest::Approx rate(double value) { return doctest::Approx(value).epsilon(1e-6); }

TEST_CASE("warm-up rises linearly and ends at the base rate") {
  Schedule schedule{ScheduleKind::constant, 2.0, 4, 0.1, 0.0};
  for (std::uint32_t step = 0; step < 20; ++step)
    CHECK(learning_rate(schedule, 0.4f, step, 10, 5) == rate(0.4 * (step + 1) / 21.0));
  for (const std::uint32_t step : {20u, 21u, 49u, 1000u})
    CHECK(learning_rate(schedule, 0.4f, step, 10, 5) == rate(0.4));
  schedule.warmup_epochs = 0.0;
  CHECK(learning_rate(schedule, 0.4f, 0, 10, 5) == rate(0.4));
  schedule.warmup_epochs = 0.25;  // 2.5 steps
  CHECK(learning_rate(schedule, 0.4f, 2, 10, 5) == rate(0.4 * 3 / 3.5));
  CHECK(learning_rate(schedule, 0.4f, 3, 10, 5) == rate(0.4));
}

TEST_CASE("the step schedule multiplies every few epochs") {
  const Schedule schedule{ScheduleKind::step, 0.0, 3, 0.5, 0.0};
  CHECK(learning_rate(schedule, 1.0f, 0, 10, 12) == rate(1.0));
  CHECK(learning_rate(schedule, 1.0f, 29, 10, 12) == rate(1.0));
  CHECK(learning_rate(schedule, 1.0f, 30, 10, 12) == rate(0.5));
  CHECK(learning_rate(schedule, 1.0f, 59, 10, 12) == rate(0.5));
  CHECK(learning_rate(schedule, 1.0f, 60, 10, 12) == rate(0.25));
  CHECK(learning_rate(schedule, 1.0f, 119, 10, 12) == rate(0.125));
}

TEST_CASE("the cosine schedule goes from the base rate to its final fraction") {
  Schedule schedule{ScheduleKind::cosine, 1.0, 4, 0.1, 0.2};
  CHECK(learning_rate(schedule, 1.0f, 10, 10, 5) == rate(1.0));
  CHECK(learning_rate(schedule, 1.0f, 30, 10, 5) == rate(0.2 + 0.8 * 0.5));
  CHECK(learning_rate(schedule, 1.0f, 20, 10, 5) == rate(0.2 + 0.8 * 0.5 * (1 + std::cos(3.141592653589793 * 0.25))));
  CHECK(learning_rate(schedule, 1.0f, 50, 10, 5) == rate(0.2));
  CHECK(learning_rate(schedule, 1.0f, 5000, 10, 5) == rate(0.2));  // past the end it stays
  float last = 2.0f;
  for (std::uint32_t step = 10; step < 50; ++step) {
    const float now = learning_rate(schedule, 1.0f, step, 10, 5);
    CHECK(now < last);
    last = now;
  }
  // Warm-up as long as training, or no epoch at all: finite and not negative.
  for (const double warmup : {5.0, 50.0}) {
    schedule.warmup_epochs = warmup;
    for (const int epochs : {0, 1, 5})
      for (const std::uint32_t step : {0u, 49u, 60u, 4000000000u}) {
        const float value = learning_rate(schedule, 1.0f, step, 10, epochs);
        CHECK((value >= 0.0f && value <= 1.0f));
      }
  }
}

TEST_CASE("schedules and optimizers are known by name") {
  for (const ScheduleKind kind : {ScheduleKind::constant, ScheduleKind::step, ScheduleKind::cosine})
    CHECK(parse_schedule(name_of(kind)) == kind);
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw})
    CHECK(parse_optimizer(name_of(kind)) == kind);
  expect_parts(error_of([] { parse_schedule("linear"); }), {"linear", "cosine"});
  expect_parts(error_of([] { parse_optimizer("lion"); }), {"lion", "adamw"});
}

TEST_CASE("an optimizer has the moments that its settings need, and Adam's corrections follow the step") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  OptimizerSettings settings;
  CHECK(Optimizer::bytes(settings, 100) == 400);
  CHECK(Optimizer(*backend, settings, 100, {{0, 100, 50}}).moments().size() == 1);
  settings.momentum = 0.0f;
  CHECK(Optimizer(*backend, settings, 100, {{0, 100, 50}}).moments().empty());
  settings.kind = OptimizerKind::adamw;
  Optimizer adam(*backend, settings, 100, {{0, 100, 50}});
  CHECK(Optimizer::bytes(settings, 100) == 800);
  CHECK(adam.moment("adam_m") != nullptr);
  CHECK(adam.moment("adam_v") != nullptr);
  CHECK(adam.moment("momentum") == nullptr);
  StepState state;
  adam.prepare(state);
  CHECK(state.adam_correction1 == rate(0.1));
  CHECK(state.adam_correction2 == doctest::Approx(0.001).epsilon(1e-4));  // beta2 is a float: 0.999 to 6e-8
  state.step = 9;
  adam.prepare(state);
  CHECK(state.adam_correction1 == rate(1.0 - std::pow(0.9, 10)));
}

TEST_CASE("one update is the formula of its optimizer, and clipping scales the whole gradient") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  for (const OptimizerKind kind : {OptimizerKind::sgd, OptimizerKind::adam, OptimizerKind::adamw}) {
    OptimizerSettings settings;
    settings.kind = kind;
    settings.weight_decay = 0.1f;
    settings.clip_norm = 1.0f;
    Optimizer optimizer(*backend, settings, 2, {{0, 2, 1}});
    StepState state;
    state.lr = 0.5f;
    optimizer.prepare(state);
    std::vector<float> w = {2.0f, 2.0f}, g = {3.0f, 4.0f};  // norm 5, clipped to 0.6, 0.8
    UpdateReport report;
    optimizer.update(w.data(), g.data(), nullptr, DType::f32, &state, &report);
    CHECK(report.norm == rate(5.0));
    CHECK(report.scale == rate(0.2));
    // The first element is decayed, the second is not.
    if (kind == OptimizerKind::sgd) {
      CHECK(w[0] == rate(2.0 - 0.5 * 1.9 * (0.6 + 0.1 * 2.0)));
      CHECK(w[1] == rate(2.0 - 0.5 * 1.9 * 0.8));
    } else {
      CHECK(w[0] == rate(kind == OptimizerKind::adam ? 1.5 : 2.0 * (1.0 - 0.05) - 0.5));
      CHECK(w[1] == rate(1.5));  // the first Adam step moves by lr
    }
  }
}

TEST_CASE("preprocessing survives JSON unchanged, and is checked") {
  Preprocessing p = default_preprocessing(48);
  p.mean[1] = 0.123f;
  p.std[2] = 0.321f;
  const Preprocessing again = preprocessing_from_json(to_json(p), "test");
  CHECK(to_json(again) == to_json(p));
  for (const tsugi::CropAround around :
       {tsugi::CropAround::centre, tsugi::CropAround::face, tsugi::CropAround::face_or_centre}) {
    p.around = around;
    CHECK(preprocessing_from_json(to_json(p), "test").around == around);
    CHECK(preprocessing_from_json(to_json(p), "test").crop == p.crop);
  }
  expect_parts(error_of([] { preprocessing_from_json(R"({"size": 64})", "ckpt"); }), {"ckpt", "mean"});
  expect_parts(
      error_of([] { preprocessing_from_json(R"({"size": 64, "mean": [0, 0, 0], "std": [1, 0, 1]})", "ckpt"); }),
      {"ckpt", "0"});
  expect_parts(error_of([] { preprocessing_from_json("[]", "ckpt"); }), {"ckpt"});
}

TEST_CASE("sizes in bytes are read as people write them") {
  CHECK(parse_bytes("512M") == std::size_t{512} << 20);
  CHECK(parse_bytes("1.5G") == (std::size_t{3} << 30) / 2);
  CHECK(parse_bytes("65536") == 65536);
  for (const char* text : {"", "G", "-1G", "0", "nan", "inf", "1e30", "2T", "2GB extra", "1 G"}) {
    CAPTURE(text);
    expect_parts(error_of([&] { parse_bytes(text); }), {std::string("\"") + text + "\""});
  }
}

}  // namespace
}  // namespace tsugi::test
