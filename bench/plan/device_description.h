// A device as plans know it: limits, costs of a call, and how much of a limit each kind of op reaches. Small JSON files
// (devices/*.json) describe boards that nobody has at hand, derived from data sheets and machine code; timed_steps.h
// describes the one that runs this by steps that it timed.
#pragma once

#include <string>
#include <vector>

#include "bench/measure/limits.h"
#include "bench/measure/op_features.h"
#include "bench/measure/result_file.h"
#include "engine/core/file_log.h"

namespace tsugi::bench {

/// Of the fields below. Another number is another meaning: such a file is refused.
constexpr int kDeviceSchema = 1;

/// One side of a table: ascending, positive.
struct AxisPoints {
  Axis axis = Axis::channels;
  std::vector<double> points;
};

/// A way to cut a product's result into blocks, and the share of peak that one full block reaches.
struct TileShare {
  int rows = 1, columns = 1;
  double share = 1.0;
};

/// How well a device does one kind of op.
struct Efficiency {
  std::string op, form;
  DType dtype = DType::f32;
  std::vector<AxisPoints> axes;  ///< of `share`; empty: one share for every size
  /// Of the roofline's speed, over the axes in row-major order. Above 1 where a cache gives what the roofline has from
  /// memory. With tiles: of the bandwidth alone.
  std::vector<double> share;
  double cold = 0.0;      ///< what a byte costs beside, in copies of a byte (where shares mean operands in a cache)
  double weights = 0.0;   ///< products: what a byte of weights costs however few samples there are, in copies of a byte
  double launches = 1.0;  ///< kernel launches of a call
  std::vector<TileShare> tiles;  ///< products: the best of them is taken
};

/// What a source is called that says how the device's own measurement was disturbed, for people.
constexpr const char* kNoiseSource = "noise";

/// Where a figure comes from.
struct FigureSource {
  std::string figure, source;
};

struct DeviceDescription {
  std::string name, about;
  std::string kernels = "cpu";  ///< whose ops run there, and whose scratch memory is planned: "cpu", "cuda", "cudnn",
                                ///< "simt:53" (a Nano's)
  std::string precision = "fp32";  ///< what --precision auto takes there
  bool measured = false;           ///< its figures come from the device itself, otherwise they are derived
  std::vector<FigureSource> sources;

  Limits limits;
  int multiprocessors = 1;          ///< that share the blocks of a product with tiles
  bool shared_memory = true;        ///< host and device have one memory: what the host keeps of a bundle counts, too
  std::size_t memory_bytes = 0;     ///< that training can use; 0 = nobody knows
  std::size_t process_bytes = 0;    ///< of a process beside what training plans: code, libraries, a GPU's context
  double launch_s = 0.0;            ///< of a kernel launch or a call
  double copy_s = 0.0;              ///< of a copy between host and device, however small
  double upload_bytes_per_s = 0.0;  ///< 0 = copies cost copy_s alone
  std::vector<Efficiency> efficiencies;

  std::vector<StepResult> measured_steps;  ///< of the device itself, or of result files that were applied

  std::vector<std::string> results;  ///< these files, a line each; not part of the JSON
};

/// The share of a table at a size: linear between the logarithms of its points, the nearest point outside.
double share_at(const Efficiency& efficiency, const OpFeatures& features);

/// The entry of an op's own form and type, or of a form that stands in for it. Throws Error naming device, op and
/// type when there is none.
const Efficiency& efficiency_of(const DeviceDescription& device, const OpFeatures& features);

/// Predicted seconds of a call.
double seconds_of(const DeviceDescription& device, const OpFeatures& features);

/// "jetson-nano", "rtx-2080ti": what ships inside the library.
std::vector<std::string> shipped_device_names();

/// A shipped description by name, or a JSON file by path. Throws Error naming the shipped ones when it is neither, and
/// as parse_device.
DeviceDescription find_device(const std::string& name_or_path, FileLog* files = nullptr);

/// Throws Error naming the place, the field and what was expected: not JSON, cut off, another schema, unknown or
/// missing fields, values out of range, tables whose size does not fit their axes, two entries for one op.
DeviceDescription parse_device(const std::string& json, const std::string& place);

std::string to_json(const DeviceDescription& device);

}  // namespace tsugi::bench
