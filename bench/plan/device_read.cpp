// Device descriptions as JSON. Contents are never trusted.
#include <algorithm>
#include <initializer_list>

#include "bench/measure/json_object.inc"
#include "bench/measure/result_file.h"
#include "bench/plan/device_description.h"

namespace tsugi::bench {
namespace {

constexpr const char* kSchema = "tsugi_device";
constexpr double kGiga = 1e9, kMicro = 1e-6;
constexpr std::size_t kMostEntries = 1000, kMostPoints = 32;

/// Figures of a board that was not measured: each says where it comes from.
constexpr const char* kSourced[] = {"limits", "multiprocessors", "shared_memory", "memory_bytes",    "process_bytes",
                                    "cache",  "launch_us",       "copy_us",       "upload_gb_per_s", "efficiencies"};

void only(const JsonObject& object, std::initializer_list<const char*> known) {
  for (const auto& [key, value] : object.json().items()) {
    const std::string& name = key;
    if (std::none_of(known.begin(), known.end(), [&](const char* one) { return name == one; }))
      object.fail("unknown field " + shown(name));
  }
}

const Json& list_of(const JsonObject& object, const char* key) {
  const auto found = object.json().find(key);
  if (found == object.json().end() || !found->is_array()) object.fail(std::string("\"") + key + "\" is no list");
  return *found;
}

double in_range(const JsonObject& object, const char* what, const Json& value, double low, double high) {
  const double number = value.is_number() ? value.get<double>() : -1.0;
  if (!(number >= low && number <= high)) {
    char range[64];
    std::snprintf(range, sizeof range, "%g to %g expected", low, high);
    object.fail(std::string("\"") + what + "\" has " + shown(value.dump()) + ", " + range);
  }
  return number;
}

bool yes_or_no(const JsonObject& object, const char* key) {
  if (!object.has(key) || !object.json().at(key).is_boolean())
    object.fail(std::string("\"") + key + "\" is neither true nor false");
  return object.json().at(key).get<bool>();
}

AxisPoints read_axis(const JsonObject& object, const std::string& name, const Json& points) {
  AxisPoints axis;
  bool known = false;
  for (int i = 0; i < kAxes; ++i)
    if (name == name_of(static_cast<Axis>(i))) axis.axis = static_cast<Axis>(i), known = true;
  if (!known) object.fail("\"axes\" has " + shown(name) + ", known are c, k, width, n, bytes");
  if (!points.is_array() || points.empty() || points.size() > kMostPoints)
    object.fail("axis " + name + " is no list of 1 to " + std::to_string(kMostPoints) + " sizes");
  for (const Json& point : points) {
    axis.points.push_back(in_range(object, "axes", point, 1.0, 1e15));
    if (axis.points.size() > 1 && axis.points.back() <= axis.points[axis.points.size() - 2])
      object.fail("axis " + name + " does not ascend");
  }
  return axis;
}

void read_share(const JsonObject& object, Efficiency& e) {
  std::size_t wanted = 1;
  if (object.has("axes")) {
    for (const auto& [name, points] : JsonObject(object.json().at("axes"), e.op + ": axes").json().items()) {
      e.axes.push_back(read_axis(object, name, points));
      wanted *= e.axes.back().points.size();
    }
  }
  const Json& share = object.json().contains("share") ? object.json().at("share") : Json(nullptr);
  const Json values = share.is_number() ? Json::array({share}) : share;
  if (!values.is_array() || values.size() != wanted)
    object.fail("\"share\" has " + std::to_string(values.is_array() ? values.size() : 0) + " values, the axes make " +
                std::to_string(wanted));
  for (const Json& value : values) e.share.push_back(in_range(object, "share", value, 1e-6, 1e3));
}

Efficiency read_efficiency(const JsonObject& object) {
  only(object, {"op", "variant", "dtype", "axes", "share", "cold", "weights", "launches", "tiles"});
  Efficiency e;
  e.op = object.text("op", nullptr);
  e.variant = object.text("variant", "");
  e.dtype = dtype_named(object.text("dtype", nullptr));
  read_share(object, e);
  if (object.has("cold")) e.cold = in_range(object, "cold", object.json().at("cold"), 0.0, 1e3);
  if (object.has("weights")) e.weights = in_range(object, "weights", object.json().at("weights"), 0.0, 1e3);
  if (object.has("launches")) e.launches = in_range(object, "launches", object.json().at("launches"), 0.0, 1e3);
  if (object.has("tiles"))
    for (const Json& tile : list_of(object, "tiles")) {
      if (!tile.is_array() || tile.size() != 3)
        object.fail("\"tiles\" has " + shown(tile.dump()) + ", [rows, columns, share] expected");
      e.tiles.push_back({static_cast<int>(in_range(object, "tiles", tile[0], 1.0, 4096.0)),
                         static_cast<int>(in_range(object, "tiles", tile[1], 1.0, 4096.0)),
                         in_range(object, "tiles", tile[2], 1e-6, 1e3)});
    }
  return e;
}

Limits read_limits(const JsonObject& object) {
  only(object, {"f32_gflops", "f16_gflops", "f16_matrix_gflops", "bf16_gflops", "copy_gb_per_s"});
  Limits limits;
  limits.f32 = object.number("f32_gflops", -1.0) * kGiga;
  limits.f16 = object.number("f16_gflops", 0.0) * kGiga;
  limits.f16_matrix = object.number("f16_matrix_gflops", 0.0) * kGiga;
  limits.bf16 = object.number("bf16_gflops", 0.0) * kGiga;
  limits.copy = object.number("copy_gb_per_s", -1.0) * kGiga;
  for (const auto& [key, value] : {std::pair{"f32_gflops", limits.f32}, {"copy_gb_per_s", limits.copy}})
    if (value <= 0.0) object.fail(std::string("\"") + key + "\" is 0, more expected");
  return limits;
}

std::size_t bytes_of(const JsonObject& object, const char* key) {
  const double value = object.number(key, 0.0);
  if (value > 1e15)
    object.fail(std::string("\"") + key + "\" is " + object.json().at(key).dump() + ", at most 1e15 expected");
  return static_cast<std::size_t>(value);
}

std::vector<CachePoint> read_curve(const JsonObject& object, const char* key) {
  std::vector<CachePoint> curve;
  if (!object.has(key)) return curve;
  const std::string name(key);
  for (const Json& point : list_of(object, key)) {
    if (!point.is_array() || point.size() != 2)
      object.fail("\"" + name + "\" has " + shown(point.dump()) + ", [after, share missed] expected");
    curve.push_back({in_range(object, key, point[0], 0.0, 1e15), in_range(object, key, point[1], 0.0, 1.0)});
    if (curve.size() > kMostPoints)
      object.fail("\"" + name + "\" has more than " + std::to_string(kMostPoints) + " points");
    if (curve.size() > 1 && curve.back().after <= curve[curve.size() - 2].after)
      object.fail("\"" + name + "\" does not ascend");
  }
  return curve;
}

void read_cache(const JsonObject& root, const std::string& place, DeviceDescription& device) {
  if (!root.has("cache")) return;
  const JsonObject cache(root.json().at("cache"), place + ": cache");
  only(cache, {"by_bytes", "by_seconds"});
  device.cache = {read_curve(cache, "by_bytes"), read_curve(cache, "by_seconds")};
}

void read_sources(const JsonObject& root, DeviceDescription& device) {
  if (root.has("sources"))
    for (const auto& [figure, source] :
         JsonObject(root.json().at("sources"), device.name + ": sources").json().items()) {
      if (!source.is_string() || source.get<std::string>().empty())
        root.fail("\"sources\" of " + shown(figure) + " is no text");
      device.sources.push_back({figure, source.get<std::string>()});
    }
  if (device.measured) return;
  for (const char* figure : kSourced)
    if (std::none_of(device.sources.begin(), device.sources.end(),
                     [&](const FigureSource& s) { return s.figure == figure; }))
      root.fail(std::string("\"sources\" does not say where \"") + figure + "\" comes from");
}

void read_efficiencies(const JsonObject& root, const std::string& place, DeviceDescription& device) {
  const Json& list = list_of(root, "efficiencies");
  if (list.size() > kMostEntries)
    root.fail("\"efficiencies\" has " + std::to_string(list.size()) + " entries, at most " +
              std::to_string(kMostEntries) + " expected");
  for (std::size_t i = 0; i < list.size(); ++i) {
    const JsonObject object(list[i], place + ": efficiencies[" + std::to_string(i) + "]");
    const Efficiency e = read_efficiency(object);
    for (const Efficiency& known : device.efficiencies)
      if (known.op == e.op && known.variant == e.variant && known.dtype == e.dtype)
        object.fail("a second entry for " + shown(e.op) + " " + shown(e.variant));
    const bool product = e.op.compare(0, 6, "conv2d") == 0 || e.op.compare(0, 5, "dense") == 0;
    if (product && device.limits.flops(e.dtype) <= 0.0)
      object.fail(std::string("is of a product in ") + name_of(e.dtype) + ", of which \"limits\" has no peak");
    device.efficiencies.push_back(e);
  }
}

Json efficiency_json(const Efficiency& e) {
  Json json{{"op", e.op}, {"variant", e.variant}, {"dtype", name_of(e.dtype)}};
  for (const AxisPoints& axis : e.axes) json["axes"][name_of(axis.axis)] = axis.points;
  json["share"] = e.share;
  json["cold"] = e.cold;
  json["weights"] = e.weights;
  json["launches"] = e.launches;
  for (const TileShare& tile : e.tiles) json["tiles"].push_back(Json::array({tile.rows, tile.columns, tile.share}));
  return json;
}

}  // namespace

DeviceDescription parse_device(const std::string& text, const std::string& place) {
  check_json_object(text, place);
  const Json json = Json::parse(text);
  const JsonObject root(json, place);
  if (!root.has(kSchema)) root.fail(std::string("has no \"") + kSchema + "\": not a device description of tsugi");
  if (root.whole(kSchema, -1) != kDeviceSchema)
    root.fail(std::string("\"") + kSchema + "\" is " + json[kSchema].dump() + ", this version reads " +
              std::to_string(kDeviceSchema));
  only(root, {kSchema, "name", "about", "kernels", "precision", "measured", "sources", "limits", "multiprocessors",
              "shared_memory", "memory_bytes", "process_bytes", "cache", "launch_us", "copy_us", "upload_gb_per_s",
              "efficiencies"});
  DeviceDescription device;
  device.name = root.text("name", nullptr);
  device.about = root.text("about", "");
  device.kernels = root.text("kernels", nullptr);
  device.precision = root.text("precision", nullptr);
  dtype_named(device.precision);
  device.measured = yes_or_no(root, "measured");
  device.shared_memory = yes_or_no(root, "shared_memory");
  if (!root.has("limits")) root.fail("has no \"limits\"");
  device.limits = read_limits(JsonObject(json["limits"], place + ": limits"));
  device.multiprocessors = root.whole("multiprocessors", 1);
  if (device.multiprocessors < 1) root.fail("\"multiprocessors\" is 0, at least 1 expected");
  device.memory_bytes = bytes_of(root, "memory_bytes");
  device.process_bytes = bytes_of(root, "process_bytes");
  read_cache(root, place, device);
  device.launch_s = root.number("launch_us", 0.0) * kMicro;
  device.copy_s = root.number("copy_us", 0.0) * kMicro;
  device.upload_bytes_per_s = root.number("upload_gb_per_s", 0.0) * kGiga;
  read_sources(root, device);
  read_efficiencies(root, place, device);
  return device;
}

std::string to_json(const DeviceDescription& device) {
  Json json{{kSchema, kDeviceSchema},      {"name", device.name},       {"about", device.about},
            {"measured", device.measured}, {"kernels", device.kernels}, {"precision", device.precision}};
  json["limits"] = {{"f32_gflops", device.limits.f32 / kGiga},
                    {"f16_gflops", device.limits.f16 / kGiga},
                    {"f16_matrix_gflops", device.limits.f16_matrix / kGiga},
                    {"bf16_gflops", device.limits.bf16 / kGiga},
                    {"copy_gb_per_s", device.limits.copy / kGiga}};
  json["multiprocessors"] = device.multiprocessors;
  json["shared_memory"] = device.shared_memory;
  json["memory_bytes"] = device.memory_bytes;
  json["process_bytes"] = device.process_bytes;
  for (const auto& [key, curve] :
       {std::pair{"by_bytes", device.cache.by_bytes}, {"by_seconds", device.cache.by_seconds}}) {
    json["cache"][key] = Json::array();
    for (const CachePoint& point : curve) json["cache"][key].push_back(Json::array({point.after, point.missed}));
  }
  json["launch_us"] = device.launch_s / kMicro;
  json["copy_us"] = device.copy_s / kMicro;
  json["upload_gb_per_s"] = device.upload_bytes_per_s / kGiga;
  json["sources"] = Json::object();
  for (const FigureSource& source : device.sources) json["sources"][source.figure] = source.source;
  json["efficiencies"] = Json::array();
  for (const Efficiency& e : device.efficiencies) json["efficiencies"].push_back(efficiency_json(e));
  return json.dump(1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace tsugi::bench
