// Learning rates in closed form, optimizer settings, and settings as JSON.
#include "engine/optim/schedule.h"

#include <cmath>
#include <nlohmann/json.hpp>

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

TEST_CASE("settings survive JSON unchanged") {
  TrainSettings settings;
  settings.epochs = 7;
  settings.batch = 33;
  settings.variants = 5;
  settings.test_fraction = 0.1234567890123;
  settings.seed = 0xfedcba9876543210u;
  settings.label_smoothing = 0.07f;
  settings.balanced = true;
  settings.frozen_batch_norm = true;
  settings.freeze_until = "conv1";
  settings.distillation = 0.3f;
  settings.distillation_temperature = 3.5f;
  settings.distil_personal = true;
  settings.average = 0.25f;
  settings.new_row_scale = 0.625f;
  settings.margin = 1.5f;
  settings.optimizer = {OptimizerKind::adamw, 0.00123f, 0.8f, false, 0.85f, 0.95f, 1e-7f, 0.01f, 2.5f};
  settings.schedule = {ScheduleKind::step, 1.5, 3, 0.3, 0.05};
  settings.augment = {0.4f, 5.0f, 0.2f, 0.1f, 0.15f, 0.25f, 0.3f, 1.5f, 0.35f, 0.02f};
  const std::string text = to_json(settings);
  TrainSettings again;
  apply_json(again, text, "test");
  CHECK(to_json(again) == text);
  const nlohmann::json json = nlohmann::json::parse(text), defaults = nlohmann::json::parse(to_json(TrainSettings{}));
  for (const auto& [name, value] : json.items()) {  // each differs from its default, so none was forgotten
    CAPTURE(name);
    CHECK(value != defaults.at(name));
  }
  CHECK(again.seed == settings.seed);
  CHECK(again.optimizer.lr == settings.optimizer.lr);
  CHECK(again.test_fraction == settings.test_fraction);
}

TEST_CASE("settings name an unknown word, a wrong type and a value out of range") {
  const auto error = [](const std::string& text) {
    TrainSettings settings;
    return error_of([&] { apply_json(settings, text, "settings.json"); });
  };
  expect_parts(error(R"({"learning_rate": 0.1})"), {"settings.json", "learning_rate"});
  expect_parts(error(R"({"lr": "fast"})"), {"settings.json", "lr", "fast"});
  expect_parts(error(R"({"lr": -1})"), {"settings.json", "lr", "-1", "0"});
  expect_parts(error(R"({"lr": 1e300})"), {"settings.json", "lr", "1000"});
  expect_parts(error(R"({"batch": 2.5})"), {"settings.json", "batch", "2.5"});
  expect_parts(error(R"({"batch": 0})"), {"settings.json", "batch", "0", "1"});
  expect_parts(error(R"({"batch": 4294967297})"), {"settings.json", "batch", "4294967297"});
  expect_parts(error(R"({"variants": -1})"), {"settings.json", "variants", "-1"});
  expect_parts(error(R"({"seed": -5})"), {"settings.json", "seed", "-5"});
  expect_parts(error(R"({"balanced": 1})"), {"settings.json", "balanced", "1"});
  expect_parts(error(R"({"distillation": -0.1})"), {"settings.json", "--distill", "-0.1", "0 to 1"});
  expect_parts(error(R"({"distillation_temperature": 0})"), {"settings.json", "--distill-temperature", "0.1 to 100"});
  expect_parts(error(R"({"freeze_until": 3})"), {"settings.json", "freeze_until", "3"});
  expect_parts(error(R"({"optimizer": "lion"})"), {"lion"});
  expect_parts(error(R"({"schedule": 3})"), {"settings.json", "schedule", "3"});
  for (const char* text : {"", "[]", "{", "null"}) expect_parts(error(text), {"settings.json", "JSON"});
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  expect_parts(error(R"({"lr": )" + deep + "}"), {"settings.json"});
}

TEST_CASE("pretraining has no settings of a hand-over") {
  TrainSettings settings;
  for (const char* name :
       {"distillation", "distillation_temperature", "distil_personal", "average", "new_row_scale", "margin"}) {
    const std::string text =
        std::string("{\"") + name + "\": " + (name == std::string("distil_personal") ? "true" : "0.5") + "}";
    expect_parts(error_of([&] { apply_json(settings, text, "model m.json: training", Phase::pretraining); }),
                 {"m.json", name, "hand-over"});
    apply_json(settings, text, "test");
  }
  apply_json(settings, R"({"lr": 0.5, "label_smoothing": 0.5})", "test", Phase::pretraining);
  expect_parts(reset_handover(settings), {"distillation 0.5", "distil_personal true", "margin 0.5"});
  CHECK(reset_handover(settings).empty());
  TrainSettings expected;
  expected.optimizer.lr = expected.label_smoothing = 0.5f;
  CHECK(to_json(settings) == to_json(expected));
}

TEST_CASE("preprocessing survives JSON unchanged, and is checked") {
  Preprocessing p = default_preprocessing(48);
  p.mean[1] = 0.123f;
  p.std[2] = 0.321f;
  const Preprocessing again = preprocessing_from_json(to_json(p), "test");
  CHECK(to_json(again) == to_json(p));
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
