// Statistics as arrays, and back from arrays that nobody has checked.
#include "engine/handover/people_statistics.h"

#include <algorithm>

#include "engine/formats/quantize.h"
#include "engine/model/parameters.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using Shape = std::vector<std::int64_t>;

Shape shape_of(std::size_t a) { return {static_cast<std::int64_t>(a)}; }
Shape shape_of(std::size_t a, std::size_t b) { return {static_cast<std::int64_t>(a), static_cast<std::int64_t>(b)}; }
Shape covariance_shape(std::size_t width) {
  return width > kLargestCovariance ? shape_of(width) : shape_of(width, width);
}

std::string text(const Shape& shape) {
  std::string all;
  for (const std::int64_t extent : shape) all += (all.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + all + "]";
}

NamedTensor array(const std::string& name, const Shape& shape, const std::vector<float>& values) {
  const auto wanted = static_cast<std::size_t>(element_count(shape, "knowledge: " + name));
  if (values.size() != wanted)
    throw Error("knowledge: " + name + " has " + std::to_string(values.size()) + " values, " + std::to_string(wanted) +
                " expected for " + text(shape));
  check_finite(values, "knowledge: " + name);
  return make_tensor(name, shape, values.data());
}

std::vector<float> read_array(const SafetensorsFile& file, const std::string& place, const std::string& name,
                              const Shape& shape, bool half = false) {
  const NamedTensor* tensor = find_tensor(file.tensors, name);
  if (tensor == nullptr) throw Error(place + ": has no array " + name + ", one expected");
  const std::string where = place + ": " + name;
  if (tensor->dtype != DType::f32 && !(half && tensor->dtype == DType::f16))
    throw Error(where + " has type " + name_of(tensor->dtype) + ", " + (half ? "f16 or f32" : "f32") + " expected");
  if (tensor->shape != shape)
    throw Error(where + " has shape " + text(tensor->shape) + ", " + text(shape) + " expected");
  std::vector<float> values = values_of(from_half(*tensor, place));
  check_finite(values, where);
  return values;
}

void check_covariance(const PeopleStatistics& statistics, const std::string& place) {
  const std::size_t width = statistics.width, step = statistics.only_variances ? 1 : width + 1;
  const std::vector<float>& c = statistics.feature_covariance;
  for (std::size_t i = 0; i < width; ++i)
    if (c[i * step] < 0.0f)
      throw Error(place + ": feature_covariance has variance " + std::to_string(c[i * step]) + " of feature " +
                  std::to_string(i) + ", at least 0 expected");
  for (std::size_t i = 0; i < width && !statistics.only_variances; ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (c[i * width + j] != c[j * width + i])
        throw Error(place + ": feature_covariance is not symmetric: " + std::to_string(c[i * width + j]) + " at " +
                    text(shape_of(i, j)) + " and " + std::to_string(c[j * width + i]) + " at " + text(shape_of(j, i)));
}

void check_counts(const PeopleStatistics& statistics, const std::string& place) {
  for (std::size_t i = 0; i < statistics.classes; ++i)
    if (const float count = statistics.feature_count[i]; count < 0.0f || count != std::floor(count))
      throw Error(place + ": feature_count of class " + std::to_string(i) + " is " + std::to_string(count) +
                  ", a whole number from 0 expected");
}

}  // namespace

std::size_t feature_width(const Model& model, int classes) {
  const ParameterLayout layout(model, classes);
  return static_cast<std::size_t>(layout.find(static_cast<int>(model.layers.size()) - 1, "weight")->shape[1]);
}

SafetensorsFile write_people_statistics(const PeopleStatistics& statistics) {
  const std::size_t classes = statistics.classes, width = statistics.width;
  if (classes == 0 || statistics.logits.size() % classes != 0)
    throw Error("knowledge: logits has " + std::to_string(statistics.logits.size()) + " values, rows of " +
                std::to_string(classes) + " expected");
  SafetensorsFile file;
  file.tensors = {to_half(array("logits", shape_of(statistics.logits.size() / classes, classes), statistics.logits)),
                  array("feature_mean", shape_of(classes, width), statistics.feature_mean),
                  array("feature_covariance", covariance_shape(width), statistics.feature_covariance),
                  array("feature_count", shape_of(classes), statistics.feature_count)};
  return file;
}

std::optional<PeopleStatistics> read_people_statistics(const Bundle& bundle, const Model& model,
                                                       const std::string& place,
                                                       std::optional<std::size_t> training_photos) {
  const auto found = bundle.tensors.find(kKnowledgeName);
  if (found == bundle.tensors.end()) return std::nullopt;
  const std::string where = place + ": " + kKnowledgeName;
  const auto carried =
      std::count_if(bundle.photos.begin(), bundle.photos.end(), [](const BundlePhoto& photo) { return !photo.test; });
  const std::size_t photos = training_photos.value_or(static_cast<std::size_t>(carried));
  PeopleStatistics statistics;
  const std::size_t classes = statistics.classes = bundle.checkpoint.class_names.size();
  const std::size_t width = statistics.width = feature_width(model, static_cast<int>(classes));
  statistics.only_variances = width > kLargestCovariance;
  const SafetensorsFile& file = found->second;
  statistics.logits = read_array(file, where, "logits", shape_of(photos, classes), true);
  statistics.feature_mean = read_array(file, where, "feature_mean", shape_of(classes, width));
  statistics.feature_covariance = read_array(file, where, "feature_covariance", covariance_shape(width));
  statistics.feature_count = read_array(file, where, "feature_count", shape_of(classes));
  if (file.tensors.size() != 4)
    throw Error(where + ": has " + std::to_string(file.tensors.size()) + " arrays, 4 expected");
  check_covariance(statistics, where);
  check_counts(statistics, where);
  return statistics;
}

}  // namespace tsugi
