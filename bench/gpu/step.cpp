// Whole training steps on several devices of this machine, in turn: bench_gpu_step. A step is what training does: draw
// the batch, augment, forward, loss, backward, update, and the loss back on the host.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>
#include <memory>

#include "bench/measure/noise_training.h"
#include "bench/measure/result_file.h"
#include "bench/measure/statistics.h"
#include "engine/core/atomic_file.h"
#include "engine/core/device.h"
#include "engine/core/json_value.h"
#include "engine/core/text.h"
#include "engine/core/version.h"

namespace {

using namespace tsugi;
using namespace tsugi::bench;

struct Options {
  std::vector<std::string> devices{"cuda", "cudnn"}, models{"faces-cnn", "faces-resnet", "faces-mobile"};
  std::vector<std::string> precisions{"fp32", "fp16"};
  std::vector<int> batches{64};
  int rounds = 5, size = 0, threads = 0;
  double seconds = 0.3;
  std::string json;
};

struct Device {
  std::string name;
  std::unique_ptr<Backend> backend;
};

/// A training run on one device, and the seconds a step of its turns.
struct Side {
  Side(Backend& backend, const ShapeList& list, const PhotoStore& store, int batch, DType dtype)
      : source(backend, store), training(backend, list, source, batch, {dtype, 0, true}) {
    for (int i = 0; i < 3; ++i) training.trainer().step();
  }

  void take_turn(double seconds) {
    std::vector<double> times;
    const double begin = now();
    do {
      times.push_back(training.timed_step());
    } while (now() - begin < seconds);
    turns.push_back(median(times));
    steps += times.size();
  }

  PhotoSource source;
  NoiseTraining training;
  std::vector<double> turns;
  std::size_t steps = 0;
};

/// Appends one line a device.
void run_point(const ShapeList& list, int batch, const std::string& precision, const std::vector<Device>& devices,
               const Options& options, Json& lines) {
  const DType dtype = dtype_named(precision);
  const PhotoStore store = training_photos(list, batch);
  std::vector<std::unique_ptr<Side>> sides(devices.size());
  for (std::size_t i = 0; i < devices.size(); ++i)
    if (devices[i].backend->supports(dtype))
      sides[i] = std::make_unique<Side>(*devices[i].backend, list, store, batch, dtype);
  for (int round = 0; round < options.rounds; ++round)
    for (const auto& side : sides)
      if (side != nullptr) side->take_turn(options.seconds);
  for (std::size_t i = 0; i < sides.size(); ++i) {
    Json line{{"model", list.model.name}, {"batch", batch}, {"precision", precision}, {"device", devices[i].name}};
    if (sides[i] == nullptr) {
      line["failure"] = "does not compute in " + precision;
      lines.push_back(line);
      continue;
    }
    const std::vector<double>& turns = sides[i]->turns;
    const MemoryLayout& memory = sides[i]->training.trainer().memory();
    const double seconds = median(turns), deviation = median_deviation(turns);
    line.update({{"images_per_s", batch / seconds},
                 {"seconds_a_step", seconds},
                 {"deviation_s", deviation},
                 {"turns", turns},
                 {"steps", sides[i]->steps},
                 {"micro_batch", memory.micro_batch},
                 {"arena_bytes", memory.arena},
                 {"device_bytes", memory.total()},
                 {"peak_memory_bytes", peak_process_bytes()}});
    lines.push_back(line);
    std::printf("%-13s batch %3d %s  %-6s %10.1f images/s  (%.3f ms +- %.3f)\n", printable(list.model.name).c_str(),
                batch, precision.c_str(), devices[i].name.c_str(), batch / seconds, 1e3 * seconds, 1e3 * deviation);
    std::fflush(stdout);
  }
}

void run(const Options& options) {
  std::vector<Device> devices;
  Json descriptions = Json::object(), results = Json::array();
  for (const std::string& name : options.devices) {
    devices.push_back({name, make_backend(name, options.threads)});
    descriptions[name] = devices.back().backend->description();
  }
  for (const std::string& model : options.models) {
    ShapeList list = find_shape_list(model);
    if (options.size > 0) list.model = with_input_size(list.model, options.size);
    for (const int batch : options.batches)
      for (const std::string& precision : options.precisions)
        run_point(list, batch, precision, devices, options, results);
  }
  if (options.json.empty()) return;
  const Json report{{"what", "training steps, devices in turn"},
                    {"devices", descriptions},
                    {"tsugi", std::string(version()) + " (" + build_description() + ")"},
                    {"results", results}};
  write_file_atomically(options.json, json_text(report, 1) + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app("Whole training steps on several devices of this machine, in turn.", "bench_gpu_step");
  app.option_defaults()->always_capture_default();
  app.add_option("--size", o.size, "Pixels a side of the photos, 0 = the model's own");
  app.add_option("--threads", o.threads, "Of the CPU, 0 = all cores");
  app.add_option("--rounds", o.rounds, "Turns of each device at a point; figures are medians over the turns");
  app.add_option("--seconds", o.seconds, "Of one turn");
  app.add_option("--json", o.json, "Write a result file here");
  app.option_defaults()->delimiter(',');
  app.add_option("--devices", o.devices, "As tsugi's --device; several with commas, as models, batches and precisions");
  app.add_option("--models", o.models, "Built-in models, resnet-18, mobilenet-v2, or JSON files");
  app.add_option("--batches", o.batches, "Samples a batch");
  app.add_option("--precisions", o.precisions, "fp32, bf16 (CPU) or fp16 (GPU)");
  try {
    app.parse(argc, argv);
    run(o);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_gpu_step: " << printable(error.what()) << "\n";
    return 1;
  }
}
