// The tables of layers and settings, as people read them and as programs do.
#include "tools/inspect_layers.h"

#include "engine/core/text.h"
#include "engine/model/description.h"
#include "engine/train/settings.h"
#include "tools/console.h"
#include "tools/help.h"
#include "tools/train_options.h"

namespace tsugi::tools {
namespace {

const char* type_name(const LayerField& field) {
  return field.flag != nullptr ? "BOOLEAN" : field.number != nullptr ? "FLOAT" : "INT";
}

const char* type_name(const SettingField& field) {
  return std::visit(
      [](const auto* value) {
        using T = std::decay_t<decltype(*value)>;
        return std::is_same_v<T, bool>       ? "BOOLEAN"
               : std::is_floating_point_v<T> ? "FLOAT"
               : std::is_integral_v<T>       ? "INT"
                                             : "TEXT";
      },
      field);
}

/// What a field may be.
std::string values_text(const LayerField& field) {
  if (field.flag != nullptr) return "true or false";
  if (field.number != nullptr) return number_text(field.low) + " to below " + number_text(field.high);
  std::string text = number_text(field.low) + " to " + number_text(field.high);
  if (field.columns != nullptr) text += ", or [rows, columns]";
  if (field.word != nullptr) text += std::string(", or \"") + field.word + "\"";
  return text;
}

/// What a field is that a layer does not name: null where every layer must, a text where another field decides.
Json default_of(const LayerField& field, const LayerKind& kind) {
  const Layer usual;
  if (field.needed) return nullptr;
  for (const LayerField& other : kind.fields)
    if (field.like != nullptr && other.integer == field.like) return std::string("as ") + other.name;
  if (field.flag != nullptr) return usual.*field.flag;
  if (field.number != nullptr) return Json::parse(number_text(usual.*field.number));
  return usual.*field.integer;
}

std::string default_text(const LayerField& field, const LayerKind& kind) {
  const Json usual = default_of(field, kind);
  if (usual.is_null()) return "required";
  return "default " + (usual.is_string() ? usual.get<std::string>() : usual.dump());
}

void print_entry(const std::string& left, const std::string& right) {
  std::string text = help_entry("  " + left, right);
  text.pop_back();
  for (const std::string& line : separated(text, '\n')) print_line(line);
}

void print_described(const std::string& title, const std::vector<DescribedField>& fields) {
  print_line(title);
  for (const DescribedField& field : fields) print_entry(field.name, field.help);
  print_line();
}

Json described_json(const std::vector<DescribedField>& fields) {
  Json json = Json::object();
  for (const DescribedField& field : fields) json[field.name] = field.help;
  return json;
}

}  // namespace

void print_model_fields() {
  print_described("A model file is one JSON object:", model_fields());
  print_described("Every layer:", fields_of_every_layer());
  for (const LayerKind& kind : layer_kinds()) {
    print_line(std::string(kind.name) + (kind.inputs() > 1 ? format(" (%zu inputs)", kind.inputs()) : "") +
               (kind.fields.empty() ? "" : ":"));
    for (const LayerField& field : kind.fields)
      print_entry(std::string(field.name) + " " + type_name(field),
                  with_remarks(field.help, {values_text(field), default_text(field, kind)}));
  }
  print_line();
  print_line("\"training\":");
  TrainSettings defaults;
  for (const Setting<TrainSettings>& row : setting_rows<TrainSettings>())
    print_entry(std::string(row.name) + " " + type_name(row.field(defaults)), described(row));
}

Json model_fields_json() {
  Json json = {{"model", described_json(model_fields())},
               {"every_layer", described_json(fields_of_every_layer())},
               {"layers", Json::object()},
               {"training", Json::object()}};
  for (const LayerKind& kind : layer_kinds()) {
    Json fields = Json::object();
    for (const LayerField& field : kind.fields)
      fields[field.name] = {{"type", type_name(field)},
                            {"values", values_text(field)},
                            {"required", field.needed},
                            {"default", default_of(field, kind)},
                            {"help", field.help}};
    json["layers"][kind.name] = {{"inputs", kind.inputs()}, {"fields", fields}};
  }
  TrainSettings defaults;
  const Json values = Json::parse(to_json(defaults));
  for (const Setting<TrainSettings>& row : setting_rows<TrainSettings>())
    json["training"][row.name] = {{"type", type_name(row.field(defaults))},
                                  {"values", range_text(row.range)},
                                  {"default", values[row.name]},
                                  {"help", row.help}};
  return json;
}

}  // namespace tsugi::tools
