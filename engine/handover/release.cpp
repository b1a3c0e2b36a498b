// The map: fitted on the server, applied on the device.
#include "engine/handover/release.h"

#include <algorithm>
#include <cmath>

#include "engine/core/sha256.h"
#include "engine/core/text.h"
#include "engine/formats/quantize.h"
#include "engine/handover/head_rows.h"
#include "engine/train/prepare.h"

namespace tsugi {
namespace {

using Vector = std::vector<double>;

constexpr double kRidge =
    0.01;  // of the mean variance of a feature; a prototype did as well with a tenth and ten times that

Vector mean_of(const std::vector<float>& features, std::size_t width) {
  Vector mean(width, 0.0);
  for (std::size_t i = 0; i < features.size(); ++i) mean[i % width] += static_cast<double>(features[i]);
  for (double& value : mean) value /= static_cast<double>(features.size() / width);
  return mean;
}

/// Sums of products of the deviations of a sample's a and b: [a, b].
Vector products(const std::vector<float>& a, const Vector& mean_a, const std::vector<float>& b, const Vector& mean_b) {
  const std::size_t n = mean_a.size(), m = mean_b.size();
  Vector sum(n * m, 0.0);
  for (std::size_t sample = 0; sample < a.size() / n; ++sample)
    for (std::size_t i = 0; i < n; ++i) {
      const double apart = static_cast<double>(a[sample * n + i]) - mean_a[i];
      for (std::size_t j = 0; j < m; ++j)
        sum[i * m + j] += apart * (static_cast<double>(b[sample * m + j]) - mean_b[j]);
    }
  return sum;
}

/// Solves matrix [n, n] x = right [n, m] in place, for a positive definite matrix: no pivot is needed.
void solve(Vector& matrix, Vector& right, std::size_t n, std::size_t m) {
  for (std::size_t k = 0; k < n; ++k)
    for (std::size_t i = k + 1; i < n; ++i) {
      const double factor = matrix[i * n + k] / matrix[k * n + k];
      for (std::size_t j = k; j < n; ++j) matrix[i * n + j] -= factor * matrix[k * n + j];
      for (std::size_t j = 0; j < m; ++j) right[i * m + j] -= factor * right[k * m + j];
    }
  for (std::size_t k = n; k-- > 0;)
    for (std::size_t j = 0; j < m; ++j) {
      for (std::size_t i = k + 1; i < n; ++i) right[k * m + j] -= matrix[k * n + i] * right[i * m + j];
      right[k * m + j] /= matrix[k * n + k];
    }
}

/// The array `name`, of `rows` rows of `columns` values, or of any number of columns where that is 0.
std::vector<float> read_map_array(const SafetensorsFile& file, const std::string& name, std::size_t rows,
                                  std::size_t columns, std::size_t dimensions, const std::string& place) {
  const NamedTensor* tensor = find_tensor(file.tensors, name);
  if (tensor == nullptr) throw Error(place + ": has no array " + name + ", one expected");
  const auto extent = [&](std::size_t i) { return static_cast<std::size_t>(tensor->shape[i]); };
  const bool fits = tensor->dtype == DType::f32 && tensor->shape.size() == dimensions && extent(0) == rows &&
                    (dimensions == 1 || columns == 0 || extent(1) == columns);
  if (!fits)
    throw Error(place + ": " + name + " is not float32 of " + std::to_string(dimensions) + " dimensions and " +
                std::to_string(rows) + " rows, which is expected");
  std::vector<float> values = values_of(*tensor);
  check_finite(values, place + ": " + name);
  return values;
}

}  // namespace

std::vector<float> FeatureMap::apply(const std::vector<float>& features) const {
  std::vector<float> mapped;
  for (std::size_t sample = 0; from > 0 && sample < features.size() / from; ++sample)
    for (std::size_t i = 0; i < to; ++i) {
      double value = static_cast<double>(shift[i]);
      for (std::size_t j = 0; j < from; ++j)
        value += static_cast<double>(matrix[i * from + j]) * static_cast<double>(features[sample * from + j]);
      mapped.push_back(nearest_float(value));
    }
  return mapped;
}

FeatureMap fit_feature_map(const std::vector<float>& old, std::size_t from, const std::vector<float>& now,
                           std::size_t to) {
  const std::size_t samples = from > 0 ? old.size() / from : 0;
  if (samples == 0 || to == 0 || old.size() != samples * from || now.size() != samples * to)
    throw Error("release: " + std::to_string(old.size()) + " features of " + std::to_string(from) + " and " +
                std::to_string(now.size()) + " of " + std::to_string(to) +
                ", those of the same samples, at least 1, expected");
  check_finite(old, "release: features of the previous release");
  check_finite(now, "release: features");
  const Vector old_mean = mean_of(old, from), now_mean = mean_of(now, to);
  Vector squares = products(old, old_mean, old, old_mean), mixed = products(old, old_mean, now, now_mean);
  double trace = 0.0;
  for (std::size_t i = 0; i < from; ++i) trace += squares[i * from + i];
  const double ridge = trace > 0.0 ? kRidge * trace / static_cast<double>(from) : 1.0;
  for (std::size_t i = 0; i < from; ++i) squares[i * from + i] += ridge;
  solve(squares, mixed, from, to);
  FeatureMap map;
  map.from = from;
  map.to = to;
  for (std::size_t i = 0; i < to; ++i) {
    double shift = now_mean[i];
    for (std::size_t j = 0; j < from; ++j) {
      map.matrix.push_back(nearest_float(mixed[j * to + i]));
      shift -= mixed[j * to + i] * old_mean[j];
    }
    map.shift.push_back(nearest_float(shift));
  }
  return map;
}

SafetensorsFile write_feature_map(const FeatureMap& map) {
  const auto from = static_cast<std::int64_t>(map.from), to = static_cast<std::int64_t>(map.to);
  SafetensorsFile file;
  file.tensors = {make_tensor("matrix", {to, from}, map.matrix.data()), make_tensor("shift", {to}, map.shift.data())};
  file.metadata["weights"] = map.weights;
  return file;
}

std::optional<FeatureMap> read_feature_map(const Bundle& bundle, std::size_t width, const std::string& place) {
  const auto found = bundle.tensors.find(kPreviousName);
  if (found == bundle.tensors.end()) return std::nullopt;
  const std::string where = place + ": " + kPreviousName;
  const SafetensorsFile& file = found->second;
  FeatureMap map;
  map.to = width;
  map.matrix = read_map_array(file, "matrix", width, 0, 2, where);
  map.shift = read_map_array(file, "shift", width, 0, 1, where);
  map.from = map.matrix.size() / width;
  if (file.tensors.size() != 2)
    throw Error(where + ": has " + std::to_string(file.tensors.size()) + " arrays, 2 expected");
  const auto weights = file.metadata.find("weights");
  if (weights == file.metadata.end() || !is_sha256_hex(weights->second))
    throw Error(where + ": says no digest of the weights that it starts from, 64 hex digits expected");
  map.weights = weights->second;
  return map;
}

std::vector<PersonalPerson> carried_people(const Checkpoint& device, const std::string& device_place,
                                           const Bundle& bundle, std::size_t width, const std::string& place,
                                           const std::vector<std::string>& photos) {
  const Model model = parse_model(device.model, device_place + ": model");
  const std::optional<PeopleStatistics> known = read_people(device, model, device_place);
  if (!known)
    throw Error(device_place + ": holds no statistics of its people: its layers learnt of them (or no hand-over left " +
                "it), and only photos carry them over to " + place);
  std::vector<PersonalPerson> carried;
  for (const PersonalPerson& person : known->personal)
    if (!contains(photos, person.name)) carried.push_back(person);
  if (carried.empty()) return carried;
  for (const PersonalPerson& person : carried)
    if (contains(bundle.checkpoint.class_names, person.name))
      throw Error(device_place + ": " + shown(person.name) + " is a personal person, and among the " +
                  std::to_string(bundle.checkpoint.class_names.size()) + " people of " + place +
                  "; a name of their own expected (tsugi forget removes them from the former)");
  const std::optional<FeatureMap> map = read_feature_map(bundle, width, place);
  if (!map)
    throw Error(place + ": knows no way from the features of an earlier release (tsugi bundle --previous), and " +
                shown(carried.front().name) + " of " + device_place + " comes without photos");
  const std::string received = provenance_of(device, "received");
  if (received != map->weights)
    throw Error(device_place + ": was handed weights of digest " + shown(received) + ", the way in " + place +
                " starts from those of " + map->weights + "; the same release expected");
  if (known->width != map->from)
    throw Error(device_place + ": its people have " + std::to_string(known->width) + " features, the way in " + place +
                " starts from " + std::to_string(map->from));
  for (PersonalPerson& person : carried) person.features = map->apply(person.features);
  return carried;
}

}  // namespace tsugi
