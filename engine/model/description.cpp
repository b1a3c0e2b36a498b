// Parses a model's JSON strictly: every unknown word is an error that names the layer, so that a typing slip
// never becomes a silently different network.
#include "engine/model/description.h"

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/core/input_file.h"
#include "engine/core/json_value.h"
#include "engine/core/text.h"
#include "engine/model/builtin_models.h"
#include "engine/model/literature_models.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

constexpr std::size_t kMaxLayers = 2000;
constexpr std::size_t kMaxFileBytes = 1u << 20;

/// Sets the member of `field`.
void read_field(const JsonValue& object, const LayerField& field, Layer& layer) {
  if (!field.needed && !object.has(field.name)) {
    if (field.like != nullptr) layer.*field.integer = layer.*field.columns = layer.*field.like;
    return;
  }
  const JsonValue value = object.at(field.name);
  const auto integer = [&](const JsonValue& one) {
    return one.whole<int>(static_cast<int>(field.low), static_cast<int>(field.high));
  };
  if (field.flag != nullptr) {
    layer.*field.flag = value.truth();
  } else if (field.number != nullptr) {
    const double number = value.number();
    if (!(number >= field.low && number < field.high))
      value.refuse("at least " + number_text(field.low) + " and below " + number_text(field.high));
    layer.*field.number = static_cast<float>(number);
  } else if (field.word != nullptr && value.json() == field.word) {
    layer.*field.integer = 0;
  } else if (field.columns != nullptr && value.json().is_array()) {
    const std::vector<JsonValue> pair = value.items(2, 2);
    layer.*field.integer = integer(pair[0]);
    layer.*field.columns = integer(pair[1]);
  } else {
    layer.*field.integer = integer(value);
    if (field.columns != nullptr) layer.*field.columns = layer.*field.integer;
  }
}

const LayerKind& find_kind(const JsonValue& object) {
  const std::string type = object.at("type").text();
  std::vector<std::string> known;
  for (const LayerKind& kind : layer_kinds()) {
    if (type == kind.name) return kind;
    known.emplace_back(kind.name);
  }
  object.fail("unknown layer type " + shown(type) + ", known are " + joined(known) + did_you_mean(type, known));
}

void read_inputs(const JsonValue& object, const std::map<std::string, int>& names, int previous, Layer& layer) {
  const auto resolve = [&](const JsonValue& value) {
    const std::string name = value.text();
    if (name == "input") return -1;
    const auto found = names.find(name);
    if (found == names.end()) object.fail("its input " + shown(name) + " is not the name of an earlier layer");
    return found->second;
  };
  const std::size_t expected = layer.kind->inputs();
  const bool single = object.has("input");
  if (object.has("inputs")) {
    if (single) object.fail("has both \"input\" and \"inputs\", expected one of them");
    for (const JsonValue& value : object.at("inputs").items()) layer.inputs.push_back(resolve(value));
  } else if (single) {
    layer.inputs.push_back(resolve(object.at("input")));
  } else if (expected == 1) {
    layer.inputs.push_back(previous);
  }
  if (layer.inputs.size() != expected)
    object.fail("has " + std::to_string(layer.inputs.size()) + " inputs, expected " + std::to_string(expected));
}

std::vector<std::string> names_of(const std::vector<DescribedField>& fields) {
  std::vector<std::string> names;
  for (const DescribedField& field : fields) names.emplace_back(field.name);
  return names;
}

/// what: "a relu layer".
void check_known(const JsonValue& object, const std::string& what, const std::vector<std::string>& known) {
  for (const auto& [key, value] : object.json().items())
    if (std::find(known.begin(), known.end(), key) == known.end())
      object.fail(what + " has no field " + shown(key) + did_you_mean(key, known));
}

void check_known_fields(const JsonValue& object, const LayerKind& kind) {
  std::vector<std::string> known = names_of(fields_of_every_layer());
  for (const LayerField& field : kind.fields) known.emplace_back(field.name);
  check_known(object, std::string("a ") + kind.name + " layer", known);
}

SampleShape read_input(const JsonValue& root) {
  int sizes[3];
  const std::vector<JsonValue> items = root.at("input").items(3, 3);  // height, width, channels
  for (std::size_t i = 0; i < 3; ++i) sizes[i] = items[i].whole<int>(1, 4096);
  if (sizes[2] != 3) root.fail("\"input\" has " + std::to_string(sizes[2]) + " channels, photos have 3");
  return {sizes[0], sizes[1], sizes[2]};
}

Layer read_layer(const Json& json, std::size_t index, const std::string& origin, std::map<std::string, int>& names) {
  std::string where = origin + ": layer " + std::to_string(index + 1);
  const JsonValue unnamed(json, where);
  Layer layer;
  if (unnamed.has("name")) {
    const JsonValue name = unnamed.at("name");
    layer.name = name.text();
    if (layer.name.empty() || layer.name.size() > 200) name.refuse("a word of 1 to 200 letters");
    if (layer.name.find_first_of("/.\" \t\n") != std::string::npos)
      unnamed.fail("the name " + shown(layer.name) + " holds a dot, slash, quote or space");
    where += " (" + layer.name + ")";
  }
  layer.kind = &find_kind(JsonValue(json, where));
  if (layer.name.empty()) {
    layer.name = layer.kind->name + std::to_string(index + 1);
    where += " (" + layer.name + ")";
  }
  const JsonValue object(json, where);
  if (layer.name == "input" || !names.emplace(layer.name, static_cast<int>(index)).second)
    object.fail("the name is taken already");
  check_known_fields(object, *layer.kind);
  std::map<std::string, int> earlier = names;
  earlier.erase(layer.name);
  read_inputs(object, earlier, static_cast<int>(index) - 1, layer);
  for (const LayerField& field : layer.kind->fields) read_field(object, field, layer);
  return layer;
}

/// A layer whose output goes nowhere would never be trained: surely a slip.
void check_all_read(const Model& model, const std::string& origin) {
  std::vector<bool> read(model.layers.size(), false);
  for (const Layer& layer : model.layers)
    for (const int input : layer.inputs)
      if (input >= 0) read[static_cast<std::size_t>(input)] = true;
  for (std::size_t i = 0; i + 1 < model.layers.size(); ++i)
    if (!read[i])
      throw Error(origin + ": layer " + std::to_string(i + 1) + " (" + model.layers[i].name +
                  "): nobody reads its output");
}

bool is_head(const Layer& layer) { return layer.kind->node == NodeKind::dense && layer.units == 0; }

}  // namespace

const std::vector<DescribedField>& model_fields() {
  static const std::vector<DescribedField> fields = {
      {"name", "What it is called in tables and checkpoints"},
      {"input", "[height, width, 3] of the photos that it sees, 1 to 4096 pixels"},
      {"layers", "List of layers, 1 to 2000; the last is a dense layer with \"units\": \"classes\""},
      {"training", "Object of training settings that suit it, optional"},
      {"about", "Whatever there is to say, optional"},
  };
  return fields;
}

const std::vector<DescribedField>& fields_of_every_layer() {
  static const std::vector<DescribedField> fields = {
      {"type", "One of those below"},
      {"name", "Unique, without dots, slashes, quotes and blanks (default: its type and number)"},
      {"input", "Name of the earlier layer that it reads, or \"input\" for the photos (default: the layer before)"},
      {"inputs", "The same as a list, of layers that read several"},
  };
  return fields;
}

Model parse_model(const std::string& text, const std::string& origin) {
  const Json json = parse_json_object(text, origin);
  const JsonValue root(json, origin);
  check_known(root, "a model", names_of(model_fields()));
  Model model;
  model.name = root.at("name").text();
  if (model.name.empty()) root.fail("\"name\" is empty");
  model.input = read_input(root);
  std::map<std::string, int> names;
  for (const JsonValue& layer : root.at("layers").items(1, kMaxLayers))
    model.layers.push_back(read_layer(layer.json(), model.layers.size(), origin, names));
  const Layer& head = model.layers.back();
  if (!is_head(head))
    throw Error(origin + ": the last layer (" + head.name + ") must be a dense layer with \"units\": \"classes\"");
  for (std::size_t i = 0; i + 1 < model.layers.size(); ++i)
    if (is_head(model.layers[i]))
      throw Error(origin + ": layer " + std::to_string(i + 1) + " (" + model.layers[i].name +
                  ") has \"units\": \"classes\", which only the last layer may have");
  model.training = root.has("training") ? root.object("training").json().dump() : "{}";
  model.json = json.dump();
  check_all_read(model, origin);
  try {
    resolve_shapes(model);  // what does not fit together is reported now, not at the first step
  } catch (const Error& error) {
    throw Error(origin + ": " + error.what());
  }
  return model;
}

Model find_model(const std::string& name_or_path, FileLog* files) {
  for (const BuiltinModel& builtin : kBuiltinModels)
    if (name_or_path == builtin.name) return parse_model(builtin.json, std::string("built-in model ") + builtin.name);
  for (const LiteratureModel& model : literature_models())
    if (name_or_path == model.name) return model.make();
  std::error_code ignored;
  if (!std::filesystem::exists(name_or_path, ignored))
    throw Error("model " + name_or_path + ": neither a file nor one of the models " + joined(model_names()) +
                did_you_mean(name_or_path, model_names()));
  const auto text = read_file(name_or_path, {kMaxFileBytes, {"model", files}, "model " + name_or_path});
  return parse_model(std::string(text.begin(), text.end()), "model " + name_or_path);
}

std::vector<std::string> builtin_model_names() {
  std::vector<std::string> names;
  for (const BuiltinModel& builtin : kBuiltinModels) names.emplace_back(builtin.name);
  return names;
}

std::vector<std::string> model_names() {
  std::vector<std::string> names = builtin_model_names();
  for (const LiteratureModel& model : literature_models()) names.emplace_back(model.name);
  return names;
}

int frozen_layers(const Model& model, const std::string& freeze_until) {
  if (freeze_until.empty()) return 0;
  std::vector<std::string> known;
  for (std::size_t i = 0; i + 1 < model.layers.size(); ++i) {
    if (model.layers[i].name == freeze_until) return static_cast<int>(i) + 1;
    known.push_back(model.layers[i].name);
  }
  const std::string place = "freeze_until (--freeze-until): ";
  if (freeze_until == model.layers.back().name)
    throw Error(place + "\"" + freeze_until + "\" is the last of model " + model.name + "'s " +
                std::to_string(model.layers.size()) + " layers, nothing would be left to train");
  throw Error(place + "model " + model.name + " has no layer \"" + freeze_until + "\", it can be frozen until " +
              (known.empty() ? "none" : joined(known)) + did_you_mean(freeze_until, known));
}

Model with_input_size(const Model& model, int size) {
  Json root = Json::parse(model.json);
  root["input"] = {size, size, model.input.c};
  return parse_model(root.dump(), "model " + model.name + " at size " + std::to_string(size));
}

}  // namespace tsugi
