// What a setting is: a row of a table, one a phase (setting_rows.cpp, handover/handover_settings.cpp). The command
// line's options, JSON in both directions, the check of ranges, --help and inspect come from the rows, so that a new
// setting is a member, its row, and where it acts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <variant>
#include <vector>

#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"
#include "kernels/api/error.h"

namespace tsugi {

/// Where the value of a setting lies, by its type.
using SettingField = std::variant<int*, std::uint32_t*, std::uint64_t*, float*, double*, bool*, std::string*,
                                  OptimizerKind*, ScheduleKind*>;

/// The kind that goes by `word`. Throws Error with those that there are.
inline void parse(const std::string& word, OptimizerKind& kind) { kind = parse_optimizer(word); }
inline void parse(const std::string& word, ScheduleKind& kind) { kind = parse_schedule(word); }

/// Of a number, both ends included.
struct SettingRange {
  double low = std::numeric_limits<double>::lowest(), high = std::numeric_limits<double>::max();
};
constexpr SettingRange kAny = {};
constexpr SettingRange between(double low, double high) { return {low, high}; }

/// Settings: TrainSettings, which every training has, or HandoverSettings, which a hand-over has beside them.
template <class Settings>
struct Setting {
  const char* name;  ///< in JSON: a model's "training", checkpoints, bundles
  const char* flag;  ///< of the command line; "" = none
  SettingRange range;
  SettingField (*field)(Settings& settings);
  const char* help;              ///< what it does, for --help
  std::string usual = "";        ///< the default in words, where it is not the member's alone; "" = that
  const char* former_name = "";  ///< read as well: what it was called before
  const char* former_flag = "";
};

/// The rows of a phase's settings, in the order in which JSON lists them.
template <class Settings>
const std::vector<Setting<Settings>>& setting_rows();

/// Some of the settings by value: what a command line, a method or a file names. The rest stays what it is.
template <class Settings>
struct Overrides {
  Settings values;  ///< of what is named; the rest are defaults
  std::vector<const Setting<Settings>*> named;

  bool names(const Setting<Settings>& row) const { return std::find(named.begin(), named.end(), &row) != named.end(); }

  /// Names a row; returns where its value goes.
  SettingField name(const Setting<Settings>& row) {
    if (!names(row)) named.push_back(&row);
    return row.field(values);
  }

  /// Names a member of the settings, or of a struct in them. Throws Error when it has no row.
  template <class T, class Value>
  void set(T Settings::*member, const Value& value) {
    name_member(values.*member) = static_cast<T>(value);
  }
  template <class Part, class T, class Value>
  void set(Part Settings::*part, T Part::*member, const Value& value) {
    name_member(values.*part.*member) = static_cast<T>(value);
  }

  /// Overwrites what is named. Throws Error naming `place`, the setting and both values when one is out of range.
  void apply(Settings& settings, const std::string& place) const {
    Settings from = values;
    for (const Setting<Settings>* row : named)
      std::visit([&](auto* to) { *to = *std::get<decltype(to)>(row->field(from)); }, row->field(settings));
    validate(settings, place);
  }

 private:
  template <class T>
  T& name_member(T& member) {
    for (const Setting<Settings>& row : setting_rows<Settings>()) {
      const SettingField field = row.field(values);
      if (T* const* found = std::get_if<T*>(&field); found != nullptr && *found == &member) {
        name(row);
        return member;
      }
    }
    throw Error("a member of the settings has no row");
  }
};

/// The value of a row as people read it: "0.05", "true", "sgd".
std::string value_text(const SettingField& field);

/// The range of a row as people read it, "0 to 1"; "" where it has none.
std::string range_text(const SettingRange& range);

/// A setting of any phase, and where its value lies.
struct PlacedSetting {
  const char *name, *former_name, *flag;
  SettingRange range;
  SettingField field;
};

/// All settings of a phase, in the order of their rows.
template <class Settings>
std::vector<PlacedSetting> placed(Settings& settings) {
  std::vector<PlacedSetting> all;
  for (const Setting<Settings>& row : setting_rows<Settings>())
    all.push_back({row.name, row.former_name, row.flag, row.range, row.field(settings)});
  return all;
}

/// Throws Error naming `place`, the setting and both values when one is out of range.
void check_ranges(const std::vector<PlacedSetting>& settings, const std::string& place);

/// As a JSON object.
std::string to_json(const std::vector<PlacedSetting>& settings);

/// What a JSON object says of a setting: which one, by what name, and the value as it stands there.
struct ReadSetting {
  std::size_t index;
  std::string name, value;
};

/// Writes what the JSON object `text` names to where it lies. Throws Error naming `place` on what is none of the
/// settings, on one that is named twice, on wrong types, and on values out of range.
std::vector<ReadSetting> read_settings(const std::string& text, const std::string& place,
                                       const std::vector<PlacedSetting>& settings);

}  // namespace tsugi
