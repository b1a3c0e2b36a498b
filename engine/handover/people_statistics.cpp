// Statistics as arrays, and back from arrays that nobody has checked.
#include "engine/handover/people_statistics.h"

#include <algorithm>
#include <cmath>

#include "engine/core/json_value.h"
#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/formats/quantize.h"
#include "engine/model/parameters.h"
#include "kernels/api/error.h"

namespace tsugi {
namespace {

using Shape = std::vector<std::int64_t>;

constexpr const char* kMean = "feature_mean";
constexpr const char* kCovariance = "feature_covariance";
constexpr const char* kCount = "feature_count";
constexpr const char* kHeldOut = "held_out";
constexpr const char* kHeldOutScores = "held_out_scores";
constexpr const char* kPhotoFeatures = "photo_features";

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

std::vector<float> read_array(const std::vector<NamedTensor>& tensors, const std::string& place,
                              const std::string& name, const Shape& shape, bool half = false) {
  const NamedTensor* tensor = find_tensor(tensors, name);
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

/// The lower triangle of a symmetric matrix, row by row, and back.
std::vector<float> triangle_of(const std::vector<float>& matrix, std::size_t width) {
  std::vector<float> triangle;
  for (std::size_t i = 0; i < width; ++i)
    triangle.insert(triangle.end(), matrix.begin() + static_cast<std::ptrdiff_t>(i * width),
                    matrix.begin() + static_cast<std::ptrdiff_t>(i * width + i + 1));
  return triangle;
}

std::vector<float> matrix_of(const std::vector<float>& triangle, std::size_t width) {
  std::vector<float> matrix(width * width);
  auto next = triangle.begin();
  for (std::size_t i = 0; i < width; ++i)
    for (std::size_t j = 0; j <= i; ++j) matrix[i * width + j] = matrix[j * width + i] = *next++;
  return matrix;
}

void check_counts(const PeopleStatistics& statistics, const std::string& place) {
  for (std::size_t i = 0; i < statistics.classes; ++i)
    if (const float count = statistics.feature_count[i]; count < 0.0f || count != std::floor(count))
      throw Error(place + ": feature_count of class " + std::to_string(i) + " is " + std::to_string(count) +
                  ", a whole number from 0 expected");
  const float correct = statistics.held_out_correct, photos = statistics.held_out_photos;
  if (correct < 0.0f || correct > photos || correct != std::floor(correct) || photos != std::floor(photos))
    throw Error(place + ": " + kHeldOut + " says " + std::to_string(correct) + " of " + std::to_string(photos) +
                " photos, whole numbers from 0 expected, the first no larger");
}

void read_held_out(const std::vector<NamedTensor>& tensors, const std::string& place, PeopleStatistics& statistics) {
  const std::vector<float> counts = read_array(tensors, place, kHeldOut, shape_of(2));
  statistics.held_out_correct = counts[0];
  statistics.held_out_photos = counts[1];
}

/// What older versions do not know, and who had no test photo: none is there.
void write_scores(const PeopleStatistics& statistics, std::vector<NamedTensor>& tensors) {
  if (!statistics.held_out_scores.empty())
    tensors.push_back(array(kHeldOutScores, shape_of(kScoreQuantiles), statistics.held_out_scores));
}

void read_scores(const std::vector<NamedTensor>& tensors, const std::string& place, PeopleStatistics& statistics) {
  if (find_tensor(tensors, kHeldOutScores) == nullptr) return;
  statistics.held_out_scores = read_array(tensors, place, kHeldOutScores, shape_of(kScoreQuantiles));
  constexpr float kMost = 1.001f;  // a cosine, and what rounding adds
  float before = -kMost;
  for (const float score : statistics.held_out_scores) {
    if (score < before || score > kMost)
      throw Error(place + ": " + kHeldOutScores + " has " + std::to_string(score) + " after " + std::to_string(before) +
                  ", ascending cosines expected");
    before = score;
  }
}

/// Whose photos a checkpoint's people_photos lists: the last of its classes, all of them personal.
std::vector<PersonalPerson> personal_people(const Checkpoint& checkpoint, const std::string& place) {
  const Json listed = parse_json_object(checkpoint.people_photos, place + ": people_photos");
  std::vector<PersonalPerson> personal;
  for (const auto& [name, digests] : listed.items())  // by name, ascending
    personal.push_back({composed(name), JsonValue(digests, place + ": people_photos", name).texts(), {}});
  std::sort(personal.begin(), personal.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const std::vector<std::string>& names = checkpoint.class_names;
  const bool fits =
      personal.size() < names.size() && personal.size() == checkpoint.personal_classes.size() &&
      std::equal(personal.rbegin(), personal.rend(), names.rbegin(),
                 [](const PersonalPerson& person, const std::string& name) { return person.name == name; });
  if (!fits)
    throw Error(place + ": people_photos lists " + std::to_string(personal.size()) + " people, the " +
                std::to_string(checkpoint.personal_classes.size()) +
                " personal ones expected, by name, as the last of " + std::to_string(names.size()));
  for (const PersonalPerson& person : personal)
    for (std::size_t i = 0; i < person.digests.size(); ++i)
      if (!is_sha256_hex(person.digests[i]) || (i > 0 && person.digests[i] <= person.digests[i - 1]))
        throw Error(place + ": people_photos: " + shown(person.name) + " has " + shown(person.digests[i]) +
                    ", ascending digests of 64 lower-case hex digits expected");
  return personal;
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
                  array(kMean, shape_of(classes, width), statistics.feature_mean),
                  array(kCovariance, covariance_shape(width), statistics.feature_covariance),
                  array(kCount, shape_of(classes), statistics.feature_count),
                  array(kHeldOut, shape_of(2), {statistics.held_out_correct, statistics.held_out_photos})};
  write_scores(statistics, file.tensors);
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
  const std::vector<NamedTensor>& tensors = found->second.tensors;
  statistics.logits = read_array(tensors, where, "logits", shape_of(photos, classes), true);
  statistics.feature_mean = read_array(tensors, where, kMean, shape_of(classes, width));
  statistics.feature_covariance = read_array(tensors, where, kCovariance, covariance_shape(width));
  statistics.feature_count = read_array(tensors, where, kCount, shape_of(classes));
  const bool counted = find_tensor(tensors, kHeldOut) != nullptr;  // not by older versions
  if (counted) read_held_out(tensors, where, statistics);
  read_scores(tensors, where, statistics);
  const std::size_t arrays = 4 + (counted ? 1 : 0) + (statistics.held_out_scores.empty() ? 0 : 1);
  if (tensors.size() != arrays)
    throw Error(where + ": has " + std::to_string(tensors.size()) + " arrays, " + std::to_string(arrays) + " expected");
  check_covariance(statistics, where);
  check_counts(statistics, where);
  return statistics;
}

void store_people(const PeopleStatistics& statistics, Checkpoint& checkpoint) {
  const std::size_t classes = statistics.classes, width = statistics.width;
  const bool whole = !statistics.only_variances;
  const std::size_t covariances = whole ? width * (width + 1) / 2 : width;
  if (whole && statistics.feature_covariance.size() != width * width)
    throw Error("people: feature_covariance has " + std::to_string(statistics.feature_covariance.size()) + " values, " +
                std::to_string(width * width) + " expected");
  checkpoint.people = {array(kMean, shape_of(classes, width), statistics.feature_mean),
                       array(kCovariance, shape_of(covariances),
                             whole ? triangle_of(statistics.feature_covariance, width) : statistics.feature_covariance),
                       array(kCount, shape_of(classes), statistics.feature_count),
                       array(kHeldOut, shape_of(2), {statistics.held_out_correct, statistics.held_out_photos})};
  write_scores(statistics, checkpoint.people);
  Json photos = Json::object();
  std::vector<float> features;
  for (const PersonalPerson& person : statistics.personal) {
    photos[person.name] = person.digests;
    features.insert(features.end(), person.features.begin(), person.features.end());
  }
  checkpoint.people_photos = photos.dump();
  if (!statistics.personal.empty())
    checkpoint.people.push_back(array(kPhotoFeatures, shape_of(features.size() / width, width), features));
}

std::optional<PeopleStatistics> read_people(const Checkpoint& checkpoint, const Model& model,
                                            const std::string& place) {
  const std::vector<NamedTensor>& tensors = checkpoint.people;
  if (tensors.empty()) return std::nullopt;
  PeopleStatistics statistics;
  statistics.personal = personal_people(checkpoint, place);
  const std::size_t classes = statistics.classes = checkpoint.class_names.size() - statistics.personal.size();
  const std::size_t width = statistics.width = feature_width(model, static_cast<int>(checkpoint.class_names.size()));
  const bool only_variances = statistics.only_variances = width > kLargestCovariance;
  statistics.feature_mean = read_array(tensors, place, kMean, shape_of(classes, width));
  const std::vector<float> covariance =
      read_array(tensors, place, kCovariance, shape_of(only_variances ? width : width * (width + 1) / 2));
  statistics.feature_covariance = only_variances ? covariance : matrix_of(covariance, width);
  statistics.feature_count = read_array(tensors, place, kCount, shape_of(classes));
  read_held_out(tensors, place, statistics);
  read_scores(tensors, place, statistics);
  std::size_t photos = 0;
  for (const PersonalPerson& person : statistics.personal) photos += person.digests.size();
  if (!statistics.personal.empty()) {
    const std::vector<float> features = read_array(tensors, place, kPhotoFeatures, shape_of(photos, width));
    auto next = features.begin();
    for (PersonalPerson& person : statistics.personal) {
      const auto end = next + static_cast<std::ptrdiff_t>(person.digests.size() * width);
      person.features.assign(next, end);
      next = end;
    }
  }
  const std::size_t expected = 4 + (statistics.held_out_scores.empty() ? 0 : 1) + (statistics.personal.empty() ? 0 : 1);
  if (tensors.size() != expected)
    throw Error(place + ": has " + std::to_string(tensors.size()) + " arrays of its people, " +
                std::to_string(expected) + " expected");
  check_covariance(statistics, place);
  check_counts(statistics, place);
  return statistics;
}

}  // namespace tsugi
