// What a description says of one call, and the descriptions that ship. device_read.cpp reads and writes them.
#include "bench/plan/device_description.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "bench/plan/shipped_devices.h"
#include "engine/core/input_file.h"

namespace tsugi::bench {
namespace {

constexpr std::size_t kLargestFile = std::size_t{1} << 20;

/// Where a size lies on an axis: between point `low` and the next, `share` of the way in logarithms.
struct Place {
  std::size_t low = 0;
  double share = 0.0;
};

Place place_on(const AxisPoints& axis, double value) {
  const std::vector<double>& points = axis.points;
  if (points.size() == 1 || value <= points.front()) return {};
  if (value >= points.back()) return {points.size() - 2, 1.0};
  const auto above = std::upper_bound(points.begin(), points.end(), value);
  const auto low = static_cast<std::size_t>(above - points.begin()) - 1;
  return {low, std::log(value / points[low]) / std::log(points[low + 1] / points[low])};
}

/// The time of a product's arithmetic in blocks of `tile`: ragged edges are computed in full, and so are idle
/// multiprocessors in the last wave. Where there are fewer blocks than multiprocessors the depth is split over them.
double tiled_seconds(const DeviceDescription& device, const OpFeatures& f, const TileShare& tile, double peak) {
  const double blocks = std::ceil(f.product.rows / tile.rows) * std::ceil(f.product.columns / tile.columns);
  const double waves = blocks / device.multiprocessors;
  const double used = blocks < device.multiprocessors ? 1.0 : std::ceil(waves) / waves;
  const double padded = blocks * tile.rows * tile.columns / (f.product.rows * f.product.columns);
  return f.flops * padded * used / (peak * tile.share);
}

double product_seconds(const DeviceDescription& device, const Efficiency& e, const OpFeatures& f, double peak) {
  double best = 0.0;
  for (const TileShare& tile : e.tiles) {
    const double seconds = tiled_seconds(device, f, tile, peak);
    if (best == 0.0 || seconds < best) best = seconds;
  }
  return best;
}

}  // namespace

double share_at(const Efficiency& e, const OpFeatures& features) {
  std::vector<Place> places;
  for (const AxisPoints& axis : e.axes)
    places.push_back(place_on(axis, features.at[static_cast<std::size_t>(axis.axis)]));
  double sum = 0.0;
  for (std::size_t corner = 0; corner < std::size_t{1} << places.size(); ++corner) {
    double weight = 1.0;
    std::size_t index = 0;
    for (std::size_t i = 0; i < places.size(); ++i) {
      const bool high = (corner >> i & 1) != 0;
      weight *= high ? places[i].share : 1.0 - places[i].share;
      index = index * e.axes[i].points.size() + std::min(places[i].low + (high ? 1 : 0), e.axes[i].points.size() - 1);
    }
    if (weight > 0.0) sum += weight * std::log(e.share[index]);
  }
  return std::exp(sum);
}

const Efficiency& efficiency_of(const DeviceDescription& device, const OpFeatures& features) {
  for (std::string form = features.form;;) {
    for (const Efficiency& e : device.efficiencies)
      if (e.op == features.op && e.form == form && e.dtype == features.dtype) return e;
    if (form.empty()) break;
    form = stand_in(features.op, form);
  }
  throw Error("device " + device.name + ": says nothing of " + features.op +
              (features.form.empty() ? "" : " (" + features.form + ")") + " in " + name_of(features.dtype) +
              "; try another --precision");
}

double seconds_of(const DeviceDescription& device, const OpFeatures& f) {
  const Efficiency& e = efficiency_of(device, f);
  const double share = share_at(e, f), copy = device.limits.copy, peak = device.limits.flops(f.dtype);
  double seconds = 0.0;
  if (e.tiles.empty() || f.flops <= 0.0) {
    seconds = std::max(f.flops > 0.0 ? f.flops / peak : 0.0, f.bytes / copy) / share;
  } else {
    seconds = std::max(product_seconds(device, e, f, peak), f.bytes / copy / share);
  }
  return seconds + e.launches * device.launch_s + (f.bytes * e.cold + f.weight_bytes * e.weights) / copy;
}

std::vector<std::string> shipped_device_names() {
  std::vector<std::string> names;
  for (const ShippedDevice& device : kShippedDevices) names.emplace_back(device.name);
  return names;
}

DeviceDescription find_device(const std::string& name_or_path, FileLog* files) {
  for (const ShippedDevice& device : kShippedDevices)
    if (name_or_path == device.name) return parse_device(device.json, std::string("device ") + device.name);
  std::error_code ignored;
  if (!std::filesystem::exists(name_or_path, ignored)) {
    std::string names;
    for (const std::string& name : shipped_device_names()) names += name + ", ";
    throw Error("device " + name_or_path + ": neither a file nor one of " + names + "this");
  }
  const std::vector<std::uint8_t> bytes = read_file(name_or_path, {kLargestFile, {"device description", files}, ""});
  return parse_device(std::string(bytes.begin(), bytes.end()), name_or_path);
}

}  // namespace tsugi::bench
