// Features to arrays and back, with every check that hostile arrays need.
#include "engine/handover/feature_bundle.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/core/json_value.h"
#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/data/photo.h"

namespace tsugi {
namespace {

std::string text_of(const std::vector<std::int64_t>& extents) {
  std::string text;
  for (const std::int64_t extent : extents) text += (text.empty() ? "" : "x") + std::to_string(extent);
  return text;
}

/// The arrays of a file, looked up by name; `place` opens every message.
class Arrays {
 public:
  Arrays(const SafetensorsFile& file, const std::string& place) : file_(file), place_(place) {
    if (file.tensors.size() != 4)
      fail("has " + std::to_string(file.tensors.size()) + " arrays, train, test, scale and offset expected");
  }

  [[noreturn]] void fail(const std::string& what) const { throw Error(place_ + ": " + what); }

  const NamedTensor& array(const char* name, DType dtype, std::size_t rank) const {
    const NamedTensor* tensor = find_tensor(file_.tensors, name);
    if (tensor == nullptr) fail(std::string("has no array ") + name);
    if (tensor->dtype != dtype || tensor->shape.size() != rank)
      fail(std::string("array ") + name + " is " + name_of(tensor->dtype) + " of " +
           std::to_string(tensor->shape.size()) + " extents, " + name_of(dtype) + " of " + std::to_string(rank) +
           " expected");
    return *tensor;
  }

  const std::string& text(const char* name) const {
    const auto found = file_.metadata.find(name);
    if (found == file_.metadata.end()) fail(std::string("has no ") + name);
    return found->second;
  }

  std::uint32_t number(const char* name, std::uint32_t low, std::uint32_t high) const {
    const std::string& digits = text(name);
    const bool fits =
        !digits.empty() && digits.size() <= 9 && digits.find_first_not_of("0123456789") == std::string::npos;
    const unsigned long value = fits ? std::stoul(digits) : 0;
    if (!fits || value < low || value > high)
      fail(std::string(name) + " is " + shown(digits) + ", a whole number from " + std::to_string(low) + " to " +
           std::to_string(high) + " expected");
    return static_cast<std::uint32_t>(value);
  }

  /// A JSON list of "<class>/<file>", [count].
  std::vector<std::string> files(const char* name, std::int64_t count) const {
    std::vector<std::string> names = parse_json_texts(text(name), place_ + ": " + name);
    if (static_cast<std::int64_t>(names.size()) != count)
      fail(std::string(name) + " has " + std::to_string(names.size()) + " names for " + std::to_string(count) +
           " photos");
    for (std::string& file : names) {
      file = with_composed_class(file);
      const std::size_t slash = file.find('/');
      const std::string where = place_ + ": " + name;
      check_name(class_of(file), where);
      check_name(slash == std::string::npos ? "" : file.substr(slash + 1), where);
    }
    return names;
  }

 private:
  const SafetensorsFile& file_;
  const std::string& place_;
};

ChannelQuantization read_quantization(const Arrays& arrays, std::int64_t channels, bool any_rows) {
  const NamedTensor &scale = arrays.array("scale", DType::f32, 1), &offset = arrays.array("offset", DType::f32, 1);
  const std::int64_t expected = any_rows ? channels : 0;
  for (const NamedTensor* tensor : {&scale, &offset})
    if (tensor->shape[0] != expected)
      arrays.fail("array " + tensor->name + " has " + std::to_string(tensor->shape[0]) + " entries, " +
                  std::to_string(expected) + " expected");
  ChannelQuantization quantization{values_of(scale), values_of(offset)};
  for (std::size_t c = 0; c < quantization.channels(); ++c) {
    const float top = quantization.offset[c] + 255.0f * quantization.scale[c];
    if (!(quantization.scale[c] >= 0.0f) || !std::isfinite(quantization.offset[c]) || !std::isfinite(top))
      arrays.fail("channel " + std::to_string(c) + " has scale " + std::to_string(quantization.scale[c]) +
                  " and offset " + std::to_string(quantization.offset[c]) +
                  ", finite numbers and a scale of at least 0 expected");
  }
  return quantization;
}

NamedTensor byte_tensor(const std::string& name, std::vector<std::int64_t> shape,
                        const std::vector<std::uint8_t>& data) {
  return {name, DType::u8, std::move(shape), data};
}

void check_digest(const std::string& what, const std::string& found, const std::string& expected,
                  const std::string& place) {
  if (found != expected)
    throw Error(place + ": activations are of " + what + " with digest " + shown(found) + ", the checkpoint's has " +
                expected);
}

}  // namespace

SafetensorsFile to_safetensors(const BundledFeatures& f) {
  SafetensorsFile file;
  file.metadata = {{"layer", f.layer},
                   {"variants", std::to_string(f.variants)},
                   {"model_sha256", f.model_sha256},
                   {"lower_sha256", f.lower_sha256},
                   {"train_files", Json(f.train_files).dump()},
                   {"test_files", Json(f.test_files).dump()}};
  const auto photos = [](const std::vector<std::string>& files) { return static_cast<std::int64_t>(files.size()); };
  const std::int64_t h = f.extents[0], w = f.extents[1], c = f.extents[2],
                     channels = static_cast<std::int64_t>(f.quantization.channels());
  file.tensors.push_back(byte_tensor("train", {photos(f.train_files), f.variants, h, w, c}, f.train));
  file.tensors.push_back(byte_tensor("test", {photos(f.test_files), h, w, c}, f.test));
  file.tensors.push_back(make_tensor("scale", {channels}, f.quantization.scale.data()));
  file.tensors.push_back(make_tensor("offset", {channels}, f.quantization.offset.data()));
  return file;
}

BundledFeatures features_from(const SafetensorsFile& file, const std::string& place) {
  const Arrays arrays(file, place);
  BundledFeatures f;
  f.layer = arrays.text("layer");
  f.variants = arrays.number("variants", 1, kMostVariants);
  f.model_sha256 = arrays.text("model_sha256");
  f.lower_sha256 = arrays.text("lower_sha256");
  const NamedTensor &train = arrays.array("train", DType::u8, 5), &test = arrays.array("test", DType::u8, 4);
  f.extents.assign(test.shape.begin() + 1, test.shape.end());
  if (train.shape[1] != f.variants || !std::equal(f.extents.begin(), f.extents.end(), train.shape.begin() + 2))
    arrays.fail("array train is " + text_of(train.shape) + ", photos x " + std::to_string(f.variants) + "x" +
                text_of(f.extents) + " expected");
  f.train_files = arrays.files("train_files", train.shape[0]);
  f.test_files = arrays.files("test_files", test.shape[0]);
  std::set<std::string> names;
  for (const auto* files : {&f.train_files, &f.test_files})
    for (const std::string& name : *files)
      if (!names.insert(name).second) arrays.fail("photo " + shown(name) + " stands twice, once expected");
  f.quantization = read_quantization(arrays, f.extents[2], !names.empty());
  f.train = train.data;
  f.test = test.data;
  return f;
}

std::unique_ptr<CutBundle> cut_bundle(const Bundle& bundle, const Model& model, const std::string& place) {
  const auto found = bundle.tensors.find(kActivationsName);
  if (found == bundle.tensors.end()) return nullptr;
  const std::string where = place + ": " + kActivationsName;
  auto result = std::make_unique<CutBundle>();
  result->features = features_from(found->second, where);
  const BundledFeatures& f = result->features;
  if (!bundle.photos.empty())
    throw Error(where + ": stand beside " + std::to_string(bundle.photos.size()) + " photos, one of both expected");
  check_digest("a model", f.model_sha256, sha256_hex(bundle.checkpoint.model), where);
  result->cut = cut_model(model, f.layer);
  const SampleShape& input = result->cut.upper.input;
  const std::vector<std::int64_t> extents = {input.h, input.w, input.c};
  if (f.extents != extents)
    throw Error(where + ": are " + text_of(f.extents) + ", layer " + f.layer + " makes " + text_of(extents));
  CheckpointParts parts = split_checkpoint(bundle.checkpoint, result->cut, place);
  check_digest("weights below " + f.layer, f.lower_sha256, weights_sha256(parts.lower), where);
  const std::vector<std::string>& people = bundle.checkpoint.class_names;
  for (const auto* files : {&f.train_files, &f.test_files})
    for (const std::string& name : *files)
      if (std::find(people.begin(), people.end(), class_of(name)) == people.end())
        throw Error(where + ": photo " + shown(name) + " is of " + shown(class_of(name)) +
                    ", who is not among the checkpoint's " + std::to_string(people.size()) + " people");
  result->lower = std::move(parts.lower);
  result->upper = std::move(parts.upper);
  return result;
}

FeatureSet feature_set(const BundledFeatures& features, const std::vector<std::string>& class_names) {
  FeatureSet set;
  set.shape = {static_cast<int>(features.extents[0]), static_cast<int>(features.extents[1]),
               static_cast<int>(features.extents[2])};
  set.quantization = features.quantization;
  set.rows = features.train;
  set.rows.insert(set.rows.end(), features.test.begin(), features.test.end());
  std::uint32_t row = 0;
  const auto add = [&](const std::vector<std::string>& files, std::uint32_t variants) {
    for (const std::string& name : files) {
      const auto found = std::find(class_names.begin(), class_names.end(), class_of(name));
      Sha256 digest;
      digest.update(set.rows.data() + row * set.shape.count(), variants * set.shape.count());
      set.items.push_back({name, static_cast<int>(found - class_names.begin()), row, variants, {digest.hex(), "", 0}});
      row += variants;
    }
  };
  add(features.train_files, features.variants);
  add(features.test_files, 1);
  return set;
}

}  // namespace tsugi
