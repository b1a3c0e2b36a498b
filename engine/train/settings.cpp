// What comes from the rows of settings: JSON in both directions, the check of ranges, and texts for people.
#include "engine/train/settings.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "engine/core/json_value.h"
#include "engine/core/text.h"

namespace tsugi {
namespace {

/// In the precision of the setting: 0.99 as a float is in a range that ends at 0.99. What is no number is in any.
template <class T>
bool holds(const SettingRange& range, const T& value) {
  if constexpr (std::is_arithmetic_v<T>) {
    using Number = std::conditional_t<std::is_same_v<T, float>, float, double>;
    return static_cast<Number>(value) >= static_cast<Number>(range.low) &&
           static_cast<Number>(value) <= static_cast<Number>(range.high);  // NaN is in none
  }
  return true;
}

Json json_of(const SettingField& field) {
  return std::visit(
      [](const auto* value) -> Json {
        if constexpr (std::is_enum_v<std::decay_t<decltype(*value)>>)
          return name_of(*value);
        else
          return *value;
      },
      field);
}

template <class T>
T read(const JsonValue& value, const SettingRange& range) {
  if constexpr (std::is_enum_v<T>) {
    T kind;
    try {
      parse(value.text(), kind);
    } catch (const Error& error) {
      value.fail(error.what());
    }
    return kind;
  } else if constexpr (std::is_same_v<T, bool>) {
    return value.truth();
  } else if constexpr (std::is_same_v<T, std::string>) {
    return value.text();
  } else if constexpr (std::is_floating_point_v<T>) {
    const double number = value.number();
    const bool fits = std::abs(number) <= static_cast<double>(std::numeric_limits<T>::max());
    if (!fits || !holds(range, static_cast<T>(number))) value.refuse("a number from " + range_text(range));
    return static_cast<T>(number);
  } else {
    using Limits = std::numeric_limits<T>;
    const bool any = range.high >= static_cast<double>(Limits::max());
    return any ? value.whole<T>() : value.whole<T>(static_cast<T>(range.low), static_cast<T>(range.high));
  }
}

/// The setting of that name or former name. Throws Error when there is none.
std::size_t find(const std::vector<PlacedSetting>& settings, const JsonValue& value) {
  const std::string& name = value.name();
  for (std::size_t i = 0; i < settings.size(); ++i)
    if (name == settings[i].name || (!name.empty() && name == settings[i].former_name)) return i;
  std::vector<std::string> known;
  for (const PlacedSetting& setting : settings) known.emplace_back(setting.name);
  value.fail("unknown setting " + shown(name) + did_you_mean(name, known));
}

/// As messages name it: with the flag where that is another word.
std::string label(const PlacedSetting& setting) {
  std::string spelled = std::string("--") + setting.name;
  std::replace(spelled.begin(), spelled.end(), '_', '-');
  const std::string flag = setting.flag;
  return flag.empty() || flag == spelled ? setting.name : std::string(setting.name) + " (" + flag + ")";
}

}  // namespace

std::string value_text(const SettingField& field) {
  return std::visit(
      [&](const auto* value) -> std::string {
        using T = std::decay_t<decltype(*value)>;
        if constexpr (std::is_same_v<T, std::string>)
          return "\"" + *value + "\"";
        else if constexpr (std::is_floating_point_v<T>)
          return number_text(*value);
        else if constexpr (std::is_enum_v<T>)
          return name_of(*value);
        else
          return json_of(field).dump();
      },
      field);
}

std::string range_text(const SettingRange& range) {
  const SettingRange any;
  return range.low == any.low && range.high == any.high ? ""
                                                        : number_text(range.low) + " to " + number_text(range.high);
}

void check_ranges(const std::vector<PlacedSetting>& settings, const std::string& place) {
  for (const PlacedSetting& setting : settings)
    if (!std::visit([&](const auto* value) { return holds(setting.range, *value); }, setting.field))
      throw Error(place + ": " + label(setting) + " is " + value_text(setting.field) + ", expected " +
                  range_text(setting.range));
}

std::string to_json(const std::vector<PlacedSetting>& settings) {
  Json json = Json::object();
  for (const PlacedSetting& setting : settings) json[setting.name] = json_of(setting.field);
  return json_text(json);
}

std::vector<ReadSetting> read_settings(const std::string& text, const std::string& place,
                                       const std::vector<PlacedSetting>& settings) {
  const Json json = parse_json_object(text, place);
  std::vector<ReadSetting> found;
  for (const auto& [name, value] : json.items()) {
    const JsonValue here(value, place, name);
    const std::size_t index = find(settings, here);
    const PlacedSetting& setting = settings[index];
    if (std::any_of(found.begin(), found.end(), [&](const ReadSetting& other) { return other.index == index; }))
      here.fail("\"" + name + "\" and \"" + (name == setting.name ? setting.former_name : setting.name) +
                "\" are one setting, which stands there twice");
    std::visit([&](auto* field) { *field = read<std::decay_t<decltype(*field)>>(here, setting.range); }, setting.field);
    found.push_back({index, name, json_text(value)});
  }
  return found;
}

void validate(const TrainSettings& settings, const std::string& place) {
  TrainSettings checked = settings;
  check_ranges(placed(checked), place);
}

std::string to_json(const TrainSettings& settings) {
  TrainSettings written = settings;
  return to_json(placed(written));
}

std::string to_json(const Preprocessing& p) {
  Json json;
  // An older tsugi, which cannot find faces, knows a number alone and says so.
  if (p.around == CropAround::centre)
    json["crop"] = p.crop;
  else
    json["crop"] = {{"around", name_of(p.around)}, {"share", p.crop}};
  json["size"] = p.size;
  json["stored_size"] = p.stored_size;
  json["mean"] = {p.mean[0], p.mean[1], p.mean[2]};
  json["std"] = {p.std[0], p.std[1], p.std[2]};
  return json.dump();
}

Preprocessing preprocessing_from_json(const std::string& text, const std::string& place) {
  const Json json = parse_json_object(text, place);
  const JsonValue root(json, place);
  constexpr double kMost = 1e30;
  Preprocessing p;
  const auto share = [&](const JsonValue& value) { return static_cast<float>(value.number(-kMost, kMost)); };
  if (root.has("crop") && root.at("crop").json().is_object()) {
    const JsonValue crop = root.object("crop");
    crop.only({"around", "share"});
    p.around = parse_crop_around(crop.at("around").text(), crop.place() + ": around");
    p.crop = share(crop.at("share"));
  } else if (root.has("crop")) {
    p.crop = share(root.at("crop"));
  }
  for (const auto& [name, size] : {std::pair{"size", &p.size}, {"stored_size", &p.stored_size}})
    if (root.has(name)) *size = root.at(name).whole<int>();
  for (const auto& [name, values] : {std::pair{"mean", p.mean}, {"std", p.std}})
    for (std::size_t i = 0; i < 3; ++i)
      values[i] = static_cast<float>(root.at(name).items(3, 3)[i].number(-kMost, kMost));
  validate(p, place);
  return p;
}

}  // namespace tsugi
