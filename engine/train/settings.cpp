// What comes from the rows of settings: JSON in both directions, the check of ranges, and texts for people.
#include "engine/train/settings.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "engine/core/json_value.h"
#include "engine/core/text.h"
#include "engine/train/handover_settings.h"

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

template <class Settings>
void add_rows(Settings settings, Json& json) {
  for (const Setting<Settings>& row : setting_rows<Settings>()) json[row.name] = json_of(row.field(settings));
}

/// In the order of the rows, however they were named.
template <class Settings>
void add_named(Overrides<Settings> overrides, Json& json) {
  for (const Setting<Settings>& row : setting_rows<Settings>())
    if (overrides.names(row)) json[row.name] = json_of(row.field(overrides.values));
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

/// The row of that name or former name; null when there is none.
template <class Settings>
const Setting<Settings>* find_row(const std::string& name) {
  for (const Setting<Settings>& row : setting_rows<Settings>())
    if (name == row.name || (!name.empty() && name == row.former_name)) return &row;
  return nullptr;
}

/// False when no row has that name.
template <class Settings>
bool name_setting(const std::string& name, const JsonValue& value, Overrides<Settings>& overrides) {
  const Setting<Settings>* row = find_row<Settings>(name);
  if (row == nullptr) return false;
  if (overrides.names(*row))
    value.fail("\"" + name + "\" and \"" + (name == row->name ? row->former_name : row->name) +
               "\" are one setting, which stands there twice");
  std::visit([&](auto* field) { *field = read<std::decay_t<decltype(*field)>>(value, row->range); },
             overrides.name(*row));
  return true;
}

NamedSettings named_in(const std::string& text, const std::string& place, bool of_handover) {
  const Json json = parse_json_object(text, place);
  NamedSettings named;
  for (const auto& [name, value] : json.items()) {
    const JsonValue here(value, place, name);
    if (name_setting(name, here, named.train)) continue;
    if (!name_setting(name, here, named.handover)) here.fail("unknown setting " + shown(name));
    if (!of_handover)
      here.fail("\"" + name + "\" is " + json_text(value) +
                ", but it is a setting of the hand-over, which the device chooses (tsugi resume); one of pretraining "
                "expected");
  }
  return named;
}

/// As messages name it: with the flag where that is another word.
template <class Settings>
std::string label(const Setting<Settings>& row) {
  std::string spelled = std::string("--") + row.name;
  std::replace(spelled.begin(), spelled.end(), '_', '-');
  const std::string flag = row.flag;
  return flag.empty() || flag == spelled ? row.name : std::string(row.name) + " (" + flag + ")";
}

template <class Settings>
void check_ranges(Settings settings, const std::string& place) {
  for (const Setting<Settings>& row : setting_rows<Settings>()) {
    const SettingField field = row.field(settings);
    if (!std::visit([&](const auto* value) { return holds(row.range, *value); }, field))
      throw Error(place + ": " + label(row) + " is " + value_text(field) + ", expected " + range_text(row.range));
  }
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

std::string setting_name(const std::string& name) {
  if (const auto* row = find_row<TrainSettings>(name)) return row->name;
  const auto* row = find_row<HandoverSettings>(name);
  return row == nullptr ? name : row->name;
}

std::string range_text(const SettingRange& range) {
  const SettingRange any;
  return range.low == any.low && range.high == any.high ? ""
                                                        : number_text(range.low) + " to " + number_text(range.high);
}

void validate(const TrainSettings& settings, const std::string& place) { check_ranges(settings, place); }
void validate(const HandoverSettings& settings, const std::string& place) { check_ranges(settings, place); }

std::string to_json(const TrainSettings& settings) {
  Json json;
  add_rows(settings, json);
  return json_text(json);
}

std::string to_json(const TrainSettings& settings, const HandoverSettings& own) {
  Json json;
  add_rows(settings, json);
  add_rows(own, json);
  return json_text(json);
}

std::string to_json(const NamedSettings& named) {
  Json json = Json::object();
  add_named(named.train, json);
  add_named(named.handover, json);
  return json_text(json);
}

std::string unusual(const HandoverSettings& settings) {
  HandoverSettings given = settings, defaults;
  std::string text;
  for (const Setting<HandoverSettings>& row : setting_rows<HandoverSettings>())
    if (json_of(row.field(given)) != json_of(row.field(defaults)))
      text += (text.empty() ? "" : ", ") + std::string(row.name) + " " + value_text(row.field(given));
  return text;
}

NamedSettings named_settings(const std::string& text, const std::string& place) { return named_in(text, place, true); }

void apply_json(TrainSettings& settings, const std::string& text, const std::string& place) {
  named_in(text, place, false).train.apply(settings, place);
}

void apply_recorded(TrainSettings& settings, const std::string& text, const std::string& place) {
  named_in(text, place, true).train.apply(settings, place);
}

std::string to_json(const Preprocessing& p) {
  Json json;
  json["crop"] = p.crop;
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
  if (root.has("crop")) p.crop = static_cast<float>(root.at("crop").number(-kMost, kMost));
  for (const auto& [name, size] : {std::pair{"size", &p.size}, {"stored_size", &p.stored_size}})
    if (root.has(name)) *size = root.at(name).whole<int>();
  for (const auto& [name, values] : {std::pair{"mean", p.mean}, {"std", p.std}})
    for (std::size_t i = 0; i < 3; ++i)
      values[i] = static_cast<float>(root.at(name).items(3, 3)[i].number(-kMost, kMost));
  validate(p, place);
  return p;
}

}  // namespace tsugi
