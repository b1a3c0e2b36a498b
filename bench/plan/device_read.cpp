// Device descriptions as JSON. Contents are never trusted.
#include <algorithm>

#include "bench/measure/result_fields.h"
#include "bench/plan/device_description.h"
#include "engine/core/json_value.h"
#include "engine/core/text.h"
#include "kernels/api/registry.h"

namespace tsugi::bench {
namespace {

constexpr const char* kSchema = "tsugi_device";
constexpr double kGiga = 1e9, kMicro = 1e-6, kMostNumber = 1e30, kMostBytes = 1e15, kLeastRate = 1e-30;
constexpr std::size_t kMostEntries = 1000, kMostPoints = 32;

/// Figures of a board that was not measured: each says where it comes from.
constexpr const char* kSourced[] = {"limits",    "multiprocessors", "shared_memory",   "memory_bytes", "process_bytes",
                                    "launch_us", "copy_us",         "upload_gb_per_s", "efficiencies"};

double number_or(const JsonValue& object, const char* name, double otherwise, double high = kMostNumber) {
  return object.has(name) ? object.at(name).number(0.0, high) : otherwise;
}

AxisPoints read_axis(const JsonValue& axes, const std::string& name) {
  AxisPoints axis;
  bool known = false;
  for (int i = 0; i < kAxes; ++i)
    if (name == name_of(static_cast<Axis>(i))) axis.axis = static_cast<Axis>(i), known = true;
  if (!known) axes.fail("unknown axis " + shown(name) + ", known are c, k, width, n, bytes");
  for (const JsonValue& point : axes.at(name).items(1, kMostPoints)) {
    axis.points.push_back(point.number(1.0, kMostNumber));
    if (axis.points.size() > 1 && axis.points.back() <= axis.points[axis.points.size() - 2])
      axes.fail("axis " + name + " does not ascend");
  }
  return axis;
}

void read_share(const JsonValue& object, Efficiency& e) {
  std::size_t wanted = 1;
  if (object.has("axes")) {
    const JsonValue axes = object.object("axes");
    for (const auto& [name, points] : axes.json().items()) {
      e.axes.push_back(read_axis(axes, name));
      wanted *= e.axes.back().points.size();
    }
  }
  const JsonValue share = object.at("share");
  if (share.json().is_number() && wanted == 1)
    e.share.push_back(share.number(1e-6, 1e3));
  else
    for (const JsonValue& value : share.items(wanted, wanted)) e.share.push_back(value.number(1e-6, 1e3));
}

/// A tile [rows, columns, share], or the registry's kernels of an algorithm by the speed table of the chip that
/// `kernels` names: "gemm", "depthwise DepthwiseFilter(3, 2)".
void read_tile(const JsonValue& tile, const std::string& kernels, Efficiency& e) {
  if (!tile.json().is_string()) {
    const std::vector<JsonValue> figures = tile.items(3, 3);
    e.tiles.push_back({static_cast<int>(figures[0].number(1.0, 4096.0)),
                       static_cast<int>(figures[1].number(1.0, 4096.0)), figures[2].number(1e-6, 1e3)});
    return;
  }
  const std::string wanted = tile.text() + " ";
  const std::string op = e.op.compare(0, 5, "dense") == 0 ? "conv2d" + e.op.substr(5) : e.op;
  const std::size_t before = e.tiles.size();
  for (const int sm : emulated_architectures()) {
    if (kernels != "simt:" + std::to_string(sm)) continue;
    for (const KernelSpeed& speed : kernel_speeds(sm)) {
      const std::string name = std::string(speed.algorithm) + " " + speed.instance + " ";
      if (op != name_of(speed.op) || e.dtype != speed.dtype || name.compare(0, wanted.size(), wanted) != 0) continue;
      const bool whole = computes_whole_blocks(speed.algorithm);
      e.tiles.push_back({whole ? speed.tile.m : 1, whole ? speed.tile.n : 1, speed.share});
    }
  }
  if (e.tiles.size() == before)
    tile.refuse("an algorithm of " + e.op + " in " + name_of(e.dtype) + " that the speed table of " + shown(kernels) +
                " knows");
}

/// A text, or a list of them: one entry says the same of several ops and types.
std::vector<std::string> one_or_more(const JsonValue& value) {
  if (!value.json().is_array()) return {value.text()};
  if (value.json().empty()) value.refuse("a text, or a list of one at least");
  return value.texts();
}

Efficiency read_efficiency(const JsonValue& object, const std::string& op, DType dtype, const std::string& kernels) {
  object.only({"op", "form", "variant", "dtype", "axes", "share", "cold", "weights", "launches", "tiles"});
  Efficiency e;
  e.op = op;
  // Earlier versions called it "variant".
  for (const char* name : {"variant", "form"})
    if (object.has(name)) e.form = object.at(name).text();
  e.dtype = dtype;
  read_share(object, e);
  e.cold = number_or(object, "cold", e.cold, 1e3);
  e.weights = number_or(object, "weights", e.weights, 1e3);
  e.launches = number_or(object, "launches", e.launches, 1e3);
  if (!object.has("tiles")) return e;
  for (const JsonValue& tile : object.at("tiles").items()) read_tile(tile, kernels, e);
  return e;
}

Limits read_limits(const JsonValue& object) {
  object.only({"f32_gflops", "f16_gflops", "f16_matrix_gflops", "bf16_gflops", "copy_gb_per_s"});
  Limits limits;
  limits.f32 = object.at("f32_gflops").number(kLeastRate, kMostNumber) * kGiga;
  limits.f16 = number_or(object, "f16_gflops", 0.0) * kGiga;
  limits.f16_matrix = number_or(object, "f16_matrix_gflops", 0.0) * kGiga;
  limits.bf16 = number_or(object, "bf16_gflops", 0.0) * kGiga;
  limits.copy = object.at("copy_gb_per_s").number(kLeastRate, kMostNumber) * kGiga;
  return limits;
}

void read_sources(const JsonValue& root, DeviceDescription& device) {
  if (root.has("sources")) {
    const JsonValue sources = root.object("sources");
    for (const auto& [figure, source] : sources.json().items()) {
      device.sources.push_back({figure, JsonValue(source, sources.place(), figure).text()});
      if (device.sources.back().source.empty()) sources.fail(shown(figure) + " is empty, a source expected");
    }
  }
  if (device.measured) return;
  for (const char* figure : kSourced)
    if (std::none_of(device.sources.begin(), device.sources.end(),
                     [&](const FigureSource& s) { return s.figure == figure; }))
      root.fail(std::string("\"sources\" does not say where \"") + figure + "\" comes from");
}

void read_efficiencies(const JsonValue& root, DeviceDescription& device) {
  const auto add = [&](const JsonValue& object, const Efficiency& e) {
    for (const Efficiency& known : device.efficiencies)
      if (known.op == e.op && known.form == e.form && known.dtype == e.dtype)
        object.fail("a second entry for " + shown(e.op) + " " + shown(e.form));
    const bool product = e.op.compare(0, 6, "conv2d") == 0 || e.op.compare(0, 5, "dense") == 0;
    if (product && device.limits.flops(e.dtype) <= 0.0)
      object.fail(std::string("is of a product in ") + name_of(e.dtype) + ", of which \"limits\" has no peak");
    if (device.efficiencies.size() == kMostEntries)
      object.fail("is one entry more than " + std::to_string(kMostEntries));
    device.efficiencies.push_back(e);
  };
  for (const JsonValue& object : root.objects("efficiencies", 0, kMostEntries))
    for (const std::string& op : one_or_more(object.at("op")))
      for (const std::string& dtype : one_or_more(object.at("dtype")))
        add(object, read_efficiency(object, op, dtype_named(dtype), device.kernels));
}

Json efficiency_json(const Efficiency& e) {
  Json json{{"op", e.op}, {"form", e.form}, {"dtype", name_of(e.dtype)}};
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
  const Json json = parse_json_object(text, place);
  const JsonValue root(json, place);
  if (!root.has(kSchema)) root.fail(std::string("has no \"") + kSchema + "\": not a device description of tsugi");
  if (root.at(kSchema).json() != kDeviceSchema)
    root.at(kSchema).fail_as("this version reads " + std::to_string(kDeviceSchema));
  root.only({kSchema, "name", "about", "kernels", "precision", "measured", "sources", "limits", "multiprocessors",
             "shared_memory", "memory_bytes", "process_bytes", "launch_us", "copy_us", "upload_gb_per_s",
             "efficiencies", "steps",
             "cache"});  // of files that earlier versions measured: all operands count as from memory
  DeviceDescription device;
  device.name = root.at("name").text();
  if (root.has("about")) device.about = root.at("about").text();
  device.kernels = root.at("kernels").text();
  device.precision = root.at("precision").text();
  dtype_named(device.precision);
  device.measured = root.at("measured").truth();
  device.shared_memory = root.at("shared_memory").truth();
  device.limits = read_limits(root.object("limits"));
  if (root.has("multiprocessors")) device.multiprocessors = root.at("multiprocessors").whole<int>(1, 1000000000);
  device.memory_bytes = static_cast<std::size_t>(number_or(root, "memory_bytes", 0.0, kMostBytes));
  device.process_bytes = static_cast<std::size_t>(number_or(root, "process_bytes", 0.0, kMostBytes));
  device.launch_s = number_or(root, "launch_us", 0.0) * kMicro;
  device.copy_s = number_or(root, "copy_us", 0.0) * kMicro;
  device.upload_bytes_per_s = number_or(root, "upload_gb_per_s", 0.0) * kGiga;
  read_sources(root, device);
  read_efficiencies(root, device);
  if (root.has("steps"))
    for (const JsonValue& step : root.objects("steps", 0, kMostEntries)) {
      device.measured_steps.push_back(read_step(step));
      dtype_named(device.measured_steps.back().precision);
    }
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
  json["launch_us"] = device.launch_s / kMicro;
  json["copy_us"] = device.copy_s / kMicro;
  json["upload_gb_per_s"] = device.upload_bytes_per_s / kGiga;
  json["sources"] = Json::object();
  for (const FigureSource& source : device.sources) json["sources"][source.figure] = source.source;
  json["efficiencies"] = Json::array();
  for (const Efficiency& e : device.efficiencies) json["efficiencies"].push_back(efficiency_json(e));
  for (const StepResult& step : device.measured_steps) json["steps"].push_back(step_json(step));
  return json_text(json, 1);
}

}  // namespace tsugi::bench
