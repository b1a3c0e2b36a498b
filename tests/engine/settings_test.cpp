// The rows of settings: what comes from them holds for every row, and no phase carries another's.
#include <nlohmann/json.hpp>
#include <set>

#include "engine/handover/handover_settings.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

using Json = nlohmann::ordered_json;

/// Another value than the default: an end of a range, or what is not the default.
template <class T>
T other_value(const SettingRange& range, const T& value) {
  if constexpr (std::is_same_v<T, bool>) {
    return !value;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value + "conv1";
  } else if constexpr (std::is_enum_v<T>) {
    return value == T{1} ? T{0} : T{1};
  } else {
    const double most = static_cast<double>(std::numeric_limits<T>::max());
    if (range.high > most) return std::numeric_limits<T>::max() - 1;
    return static_cast<T>(static_cast<double>(value) < range.high ? range.high : range.low);
  }
}

/// Names every row, each with another value than its default.
template <class Settings>
void name_all(Overrides<Settings>& overrides) {
  for (const Setting<Settings>& row : setting_rows<Settings>())
    std::visit([&](auto* value) { *value = other_value(row.range, *value); }, overrides.name(row));
}

NamedSettings every_setting() {
  NamedSettings named;
  name_all(named.train);
  name_all(named.handover);
  return named;
}

/// Of the JSON object {name: value} in a file.
NamedSettings named_as(const std::string& name, const Json& value) {
  return named_settings(Json{{name, value}}.dump(), "settings.json");
}

template <class Settings>
void check_rows(const Overrides<Settings>& read) {
  Settings defaults;
  const auto& rows = setting_rows<Settings>();
  REQUIRE(read.named.size() == rows.size());
  std::set<std::string> names, flags;
  for (const Setting<Settings>& row : rows) {
    CAPTURE(row.name);
    CHECK(std::string(row.help).size() > 3);
    const SettingField field = row.field(defaults);
    const SettingRange range = row.range;
    std::visit(
        [&](const auto* value) {
          using T = std::decay_t<decltype(*value)>;
          if constexpr (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) {
            CHECK(static_cast<double>(*value) >= range.low);
            CHECK(static_cast<double>(*value) <= range.high);
            if (std::string(row.name) != "seed") CHECK_FALSE(range_text(range).empty());
          } else {
            CHECK(range_text(range).empty());
          }
        },
        field);
    CHECK_FALSE(value_text(field).empty());
    for (const std::string name : {row.name, row.former_name})
      CHECK((name.empty() || names.insert(name).second));  // no name means two settings
    for (const std::string flag : {row.flag, row.former_flag})
      CHECK((flag.empty() || (flag.rfind("--", 0) == 0 && flags.insert(flag).second)));
  }
}

TEST_CASE("every row of the settings has a name of its own, a help line, and a range that holds its default") {
  const NamedSettings named = every_setting();
  check_rows(named.train);
  check_rows(named.handover);
}

TEST_CASE("every setting survives JSON unchanged, alone and among all") {
  const NamedSettings named = every_setting();
  const std::string text = to_json(named);
  const NamedSettings again = named_settings(text, "test");
  CHECK(to_json(again) == text);
  TrainSettings train;
  HandoverSettings handover;
  const Json defaults = Json::parse(to_json(train, handover)), all = Json::parse(text);
  CHECK(all.size() == defaults.size());
  again.train.apply(train, "test");
  again.handover.apply(handover, "test");
  CHECK(to_json(train, handover) == text);
  for (const auto& [name, value] : all.items()) {
    CAPTURE(name);
    CHECK(value != defaults.at(name));  // so none was forgotten
    CHECK(Json::parse(to_json(named_as(name, value))) == Json{{name, value}});
    TrainSettings one;
    HandoverSettings own;
    const NamedSettings alone = named_as(name, value);
    alone.train.apply(one, "test");
    alone.handover.apply(own, "test");
    Json expected = defaults;
    expected[name] = value;
    CHECK(Json::parse(to_json(one, own)) == expected);  // what is not named stays
  }
  TrainSettings precise;
  precise.seed = 0xfedcba9876543210u;
  precise.test_fraction = 0.1234567890123;
  precise.optimizer.lr = 0.00123f;
  TrainSettings back;
  apply_json(back, to_json(precise), "test");
  CHECK(back.seed == precise.seed);
  CHECK(back.test_fraction == precise.test_fraction);
  CHECK(back.optimizer.lr == precise.optimizer.lr);
}

TEST_CASE("pretraining refuses every setting of the hand-over by place and value, a checkpoint's are left aside") {
  const Json all = Json::parse(to_json(every_setting()));
  for (const Setting<HandoverSettings>& row : setting_rows<HandoverSettings>()) {
    for (const std::string name : {row.name, row.former_name}) {
      if (name.empty()) continue;
      CAPTURE(name);
      const std::string text = Json{{name, all.at(row.name)}}.dump();
      TrainSettings settings;
      expect_parts(error_of([&] { apply_json(settings, text, "model m.json: training"); }),
                   {"m.json: training", "\"" + name + "\" is " + all.at(row.name).dump(), "hand-over", "pretraining"});
      apply_recorded(settings, text, "test");
      CHECK(to_json(settings) == to_json(TrainSettings()));
    }
  }
  TrainSettings settings;
  apply_recorded(settings, all.dump(), "test");
  const Json written = Json::parse(to_json(settings));
  for (const Setting<HandoverSettings>& row : setting_rows<HandoverSettings>()) CHECK_FALSE(written.contains(row.name));
  CHECK(written.size() == setting_rows<TrainSettings>().size());
}

TEST_CASE("settings of the hand-over are read by the names that they had") {
  const NamedSettings named = named_settings(
      R"({"distil_personal": true, "average": 0.25, "new_row_scale": 0.5, "margin": 1.5})", "old.safetensors");
  CHECK(named.handover.values.distillation_personal);
  CHECK(named.handover.values.weight_interpolation == 0.25f);
  CHECK(named.handover.values.new_class_scale == 0.5f);
  CHECK(named.handover.values.new_class_bias_shift == 1.5f);
  CHECK(Json::parse(to_json(named)) ==
        Json::parse(R"({"distillation_personal": true, "weight_interpolation": 0.25, "new_class_scale": 0.5,
                        "new_class_bias_shift": 1.5})"));
  CHECK(unusual(named.handover.values) ==
        "distillation_personal true, weight_interpolation 0.25, new_class_scale 0.5, new_class_bias_shift 1.5");
  CHECK(unusual(HandoverSettings()).empty());
  CHECK(setting_name("margin") == "new_class_bias_shift");
  CHECK(setting_name("batch") == "batch");
  CHECK(setting_name("mean") == "mean");
  expect_parts(error_of([] { named_settings(R"({"margin": 1, "new_class_bias_shift": 2})", "both.json"); }),
               {"both.json", "margin", "new_class_bias_shift", "twice"});
}

TEST_CASE("settings name an unknown word, a wrong type and a value out of range") {
  const auto error = [](const std::string& text) { return error_of([&] { named_settings(text, "settings.json"); }); };
  expect_parts(error(R"({"learning_rate": 0.1})"), {"settings.json", "learning_rate"});
  expect_parts(error(R"({"lr": "fast"})"), {"settings.json", "lr", "fast"});
  expect_parts(error(R"({"lr": -1})"), {"settings.json", "lr", "-1", "0"});
  expect_parts(error(R"({"lr": 1e300})"), {"settings.json", "lr", "1e+300", "0 to 1000"});
  expect_parts(error(R"({"batch": 2.5})"), {"settings.json", "batch", "2.5"});
  expect_parts(error(R"({"batch": 0})"), {"settings.json", "batch", "0", "1"});
  expect_parts(error(R"({"batch": 4294967297})"), {"settings.json", "batch", "4294967297"});
  expect_parts(error(R"({"variants": -1})"), {"settings.json", "variants", "-1"});
  expect_parts(error(R"({"seed": -5})"), {"settings.json", "seed", "-5"});
  expect_parts(error(R"({"balanced": 1})"), {"settings.json", "balanced", "1"});
  expect_parts(error(R"({"distillation": -0.1})"), {"settings.json", "distillation", "-0.1", "0 to 1"});
  expect_parts(error(R"({"distillation_temperature": 0})"),
               {"settings.json", "distillation_temperature", "0.1 to 100"});
  expect_parts(error(R"({"freeze_until": 3})"), {"settings.json", "freeze_until", "3"});
  expect_parts(error(R"({"optimizer": "lion"})"), {"settings.json", "lion", "sgd, adam, adamw"});
  expect_parts(error(R"({"schedule": 3})"), {"settings.json", "schedule", "3"});
  for (const char* text : {"", "[]", "{", "null"}) expect_parts(error(text), {"settings.json", "JSON"});
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  expect_parts(error(R"({"lr": )" + deep + "}"), {"settings.json"});
}

TEST_CASE("values that a program sets are checked too, and the ends of a range are in it") {
  Overrides<TrainSettings> overrides;
  overrides.set(&TrainSettings::epochs, 7);
  overrides.set(&TrainSettings::optimizer, &OptimizerSettings::lr, -1);
  TrainSettings settings;
  expect_parts(error_of([&] { overrides.apply(settings, "command line"); }), {"command line", "lr is -1", "0 to 1000"});
  overrides.set(&TrainSettings::optimizer, &OptimizerSettings::lr, std::nan(""));
  expect_parts(error_of([&] { overrides.apply(settings, "command line"); }), {"lr is nan", "0 to 1000"});
  overrides.set(&TrainSettings::variants, 0);
  overrides.set(&TrainSettings::optimizer, &OptimizerSettings::lr, 0.5);
  expect_parts(error_of([&] { overrides.apply(settings, "command line"); }),
               {"variants (--augment) is 0", "1 to 10000"});
  for (const Setting<TrainSettings>& row : setting_rows<TrainSettings>()) {
    if (range_text(row.range).empty()) continue;
    CAPTURE(row.name);
    for (const double end : {row.range.low, row.range.high}) {
      TrainSettings at_end;
      std::visit(
          [&](auto* value) {
            using T = std::decay_t<decltype(*value)>;
            if constexpr (std::is_arithmetic_v<T>) *value = static_cast<T>(end);
          },
          row.field(at_end));
      CHECK_NOTHROW(validate(at_end, "test"));
    }
  }
}

}  // namespace
}  // namespace tsugi::test
