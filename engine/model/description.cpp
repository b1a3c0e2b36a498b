// Parses a model's JSON strictly: every unknown word is an error that names the layer, so that a typing slip
// never becomes a silently different network.
#include "engine/model/description.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "engine/core/input_file.h"
#include "engine/core/json_check.h"
#include "engine/model/builtin_models.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMaxLayers = 2000;
constexpr std::size_t kMaxFileBytes = 1u << 20;

/// One layer's JSON object, read field by field; `where` opens every message.
class Fields {
 public:
  Fields(const Json& object, std::string where) : object_(object), where_(std::move(where)) {}

  [[noreturn]] void fail(const std::string& message) const { throw Error(where_ + ": " + message); }

  /// Sets the member of `field`.
  void read(const LayerField& field, Layer& layer) const {
    const auto found = object_.find(field.name);
    if (found == object_.end()) {
      if (field.needed) fail(std::string("has no \"") + field.name + "\"");
      if (field.like != nullptr) layer.*field.integer = layer.*field.columns = layer.*field.like;
    } else if (field.flag != nullptr) {
      if (!found->is_boolean())
        fail(std::string("\"") + field.name + "\" is " + found->dump() + ", expected true or false");
      layer.*field.flag = found->get<bool>();
    } else if (field.number != nullptr) {
      layer.*field.number = number(*found, field);
    } else if (field.word != nullptr && *found == field.word) {
      layer.*field.integer = 0;
    } else if (field.columns != nullptr && found->is_array()) {
      if (found->size() != 2)
        fail(std::string("\"") + field.name + "\" has " + std::to_string(found->size()) + " numbers, expected 2");
      layer.*field.integer = integer((*found)[0], field);
      layer.*field.columns = integer((*found)[1], field);
    } else {
      layer.*field.integer = integer(*found, field);
      if (field.columns != nullptr) layer.*field.columns = layer.*field.integer;
    }
  }

  const Json& object() const { return object_; }

 private:
  float number(const Json& value, const LayerField& field) const {
    if (!value.is_number()) fail(std::string("\"") + field.name + "\" is " + value.dump() + ", expected a number");
    const double read = value.get<double>();
    if (!(read >= field.low && read < field.high)) {
      std::ostringstream text;
      text << "\"" << field.name << "\" is " << read << ", expected at least " << field.low << " and below "
           << field.high;
      fail(text.str());
    }
    return static_cast<float>(read);
  }

  int integer(const Json& value, const LayerField& field) const {
    const auto low = static_cast<int>(field.low), high = static_cast<int>(field.high);
    if (!value.is_number_integer() || value.get<std::int64_t>() < low || value.get<std::int64_t>() > high)
      fail(std::string("\"") + field.name + "\" is " + value.dump() + ", expected a whole number from " +
           std::to_string(low) + " to " + std::to_string(high));
    return value.get<int>();
  }

  const Json& object_;
  std::string where_;
};

const LayerKind& find_kind(const Fields& fields) {
  const Json& object = fields.object();
  const auto found = object.find("type");
  if (found == object.end() || !found->is_string()) fields.fail("has no \"type\"");
  const std::string type = found->get<std::string>();
  std::string known;
  for (const LayerKind& kind : layer_kinds()) {
    if (type == kind.name) return kind;
    known += std::string(known.empty() ? "" : ", ") + kind.name;
  }
  fields.fail("unknown layer type \"" + type + "\", known are " + known);
}

void read_inputs(const Fields& fields, const std::map<std::string, int>& names, int previous, Layer& layer) {
  const auto resolve = [&](const Json& value) {
    if (!value.is_string()) fields.fail("an input is " + value.dump() + ", expected a layer's name");
    const std::string name = value.get<std::string>();
    if (name == "input") return -1;
    const auto found = names.find(name);
    if (found == names.end()) fields.fail("its input \"" + name + "\" is not the name of an earlier layer");
    return found->second;
  };
  const std::size_t expected = layer.kind->inputs();
  const auto found = fields.object().find("inputs");
  const auto single = fields.object().find("input");
  if (found != fields.object().end()) {
    if (single != fields.object().end()) fields.fail("has both \"input\" and \"inputs\", expected one of them");
    if (!found->is_array()) fields.fail("\"inputs\" is " + found->dump() + ", expected a list of layer names");
    for (const Json& value : *found) layer.inputs.push_back(resolve(value));
  } else if (single != fields.object().end()) {
    layer.inputs.push_back(resolve(*single));
  } else if (expected == 1) {
    layer.inputs.push_back(previous);
  }
  if (layer.inputs.size() != expected)
    fields.fail("has " + std::to_string(layer.inputs.size()) + " inputs, expected " + std::to_string(expected));
}

void check_known_fields(const Fields& fields, const LayerKind& kind) {
  std::set<std::string> known = {"type", "name", "input", "inputs"};
  for (const LayerField& field : kind.fields) known.insert(field.name);
  for (const auto& [key, value] : fields.object().items())
    if (known.count(key) == 0) fields.fail(std::string("a ") + kind.name + " layer has no field \"" + key + "\"");
}

SampleShape read_input(const Json& root, const std::string& origin) {
  const auto input = root.find("input");
  if (input == root.end() || !input->is_array() || input->size() != 3)
    throw Error(origin + ": \"input\" must be [height, width, channels]");
  int sizes[3];
  for (std::size_t i = 0; i < 3; ++i) {
    const Json& value = (*input)[i];
    if (!value.is_number_integer() || value.get<std::int64_t>() < 1 || value.get<std::int64_t>() > 4096)
      throw Error(origin + ": \"input\" has the size " + value.dump() + ", expected a whole number from 1 to 4096");
    sizes[i] = value.get<int>();
  }
  if (sizes[2] != 3) throw Error(origin + ": \"input\" has " + std::to_string(sizes[2]) + " channels, photos have 3");
  return {sizes[0], sizes[1], sizes[2]};
}

Layer read_layer(const Json& object, std::size_t index, const std::string& origin, std::map<std::string, int>& names) {
  std::string where = origin + ": layer " + std::to_string(index + 1);
  if (!object.is_object()) throw Error(where + " is " + object.dump() + ", expected an object");
  Layer layer;
  const auto name = object.find("name");
  if (name != object.end()) {
    if (!name->is_string() || name->get<std::string>().empty() || name->get<std::string>().size() > 200)
      throw Error(where + ": \"name\" must be a word of 1 to 200 letters");
    layer.name = name->get<std::string>();
    if (layer.name.find_first_of("/.\" \t\n") != std::string::npos)
      throw Error(where + ": the name \"" + layer.name + "\" holds a dot, slash, quote or space");
  }
  const Fields unnamed(object, layer.name.empty() ? where : where + " (" + layer.name + ")");
  layer.kind = &find_kind(unnamed);
  if (layer.name.empty()) layer.name = layer.kind->name + std::to_string(index + 1);
  const Fields fields(object, where + " (" + layer.name + ")");
  if (layer.name == "input" || !names.emplace(layer.name, static_cast<int>(index)).second)
    fields.fail("the name is taken already");
  check_known_fields(fields, *layer.kind);
  std::map<std::string, int> earlier = names;
  earlier.erase(layer.name);
  read_inputs(fields, earlier, static_cast<int>(index) - 1, layer);
  for (const LayerField& field : layer.kind->fields) fields.read(field, layer);
  return layer;
}

Json parse_json(const std::string& text, const std::string& origin) {
  check_json_object(text, origin);  // before a tree is built: depth, and keys that stand twice
  return Json::parse(text);
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

Model parse_model(const std::string& text, const std::string& origin) {
  const Json root = parse_json(text, origin);
  for (const auto& [key, value] : root.items())
    if (key != "name" && key != "input" && key != "layers" && key != "training" && key != "about")
      throw Error(origin + ": unknown field \"" + key + "\"");
  Model model;
  const auto name = root.find("name");
  if (name == root.end() || !name->is_string() || name->get<std::string>().empty())
    throw Error(origin + ": \"name\" is missing");
  model.name = name->get<std::string>();
  model.input = read_input(root, origin);
  const auto layers = root.find("layers");
  if (layers == root.end() || !layers->is_array() || layers->empty() || layers->size() > kMaxLayers)
    throw Error(origin + ": \"layers\" must be a list of 1 to " + std::to_string(kMaxLayers) + " layers");
  std::map<std::string, int> names;
  for (std::size_t i = 0; i < layers->size(); ++i) model.layers.push_back(read_layer((*layers)[i], i, origin, names));
  const Layer& head = model.layers.back();
  if (!is_head(head))
    throw Error(origin + ": the last layer (" + head.name + ") must be a dense layer with \"units\": \"classes\"");
  for (std::size_t i = 0; i + 1 < model.layers.size(); ++i)
    if (is_head(model.layers[i]))
      throw Error(origin + ": layer " + std::to_string(i + 1) + " (" + model.layers[i].name +
                  ") has \"units\": \"classes\", which only the last layer may have");
  const auto training = root.find("training");
  if (training != root.end() && !training->is_object()) throw Error(origin + ": \"training\" must be an object");
  model.training = training == root.end() ? "{}" : training->dump();
  model.json = root.dump();
  check_all_read(model, origin);
  try {
    resolve_shapes(model);  // what does not fit together is reported now, not at the first step
  } catch (const Error& error) {
    throw Error(origin + ": " + error.what());
  }
  return model;
}

Model find_model(const std::string& name_or_path, FileLog* files) {
  std::string known;
  for (const BuiltinModel& builtin : kBuiltinModels) {
    if (name_or_path == builtin.name) return parse_model(builtin.json, std::string("built-in model ") + builtin.name);
    known += std::string(known.empty() ? "" : ", ") + builtin.name;
  }
  std::error_code ignored;
  if (!std::filesystem::exists(name_or_path, ignored))
    throw Error("model " + name_or_path + ": neither a file nor one of the built-in models " + known);
  const auto text = read_file(name_or_path, {kMaxFileBytes, {"model", files}, "model " + name_or_path});
  return parse_model(std::string(text.begin(), text.end()), "model " + name_or_path);
}

std::vector<std::string> builtin_model_names() {
  std::vector<std::string> names;
  for (const BuiltinModel& builtin : kBuiltinModels) names.emplace_back(builtin.name);
  return names;
}

int frozen_layers(const Model& model, const std::string& freeze_until) {
  if (freeze_until.empty()) return 0;
  std::string known;
  for (std::size_t i = 0; i + 1 < model.layers.size(); ++i) {
    if (model.layers[i].name == freeze_until) return static_cast<int>(i) + 1;
    known += (i > 0 ? ", " : "") + model.layers[i].name;
  }
  const std::string place = "freeze_until (--freeze-until): ";
  if (freeze_until == model.layers.back().name)
    throw Error(place + "\"" + freeze_until + "\" is the last of model " + model.name + "'s " +
                std::to_string(model.layers.size()) + " layers, nothing would be left to train");
  throw Error(place + "model " + model.name + " has no layer \"" + freeze_until + "\", it can be frozen until " +
              (known.empty() ? "none" : known));
}

Model with_input_size(const Model& model, int size) {
  Json root = Json::parse(model.json);
  root["input"] = {size, size, model.input.c};
  return parse_model(root.dump(), "model " + model.name + " at size " + std::to_string(size));
}

}  // namespace tsugi
