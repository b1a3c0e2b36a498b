// Whole training steps on several devices of this machine, in turn: bench_gpu_step. A step is what training does: draw
// the batch, augment, forward, loss, backward, update, and the loss back on the host.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>

#include "bench/measure/noise_photos.h"
#include "bench/measure/statistics.h"
#include "engine/core/device.h"
#include "engine/core/text.h"
#include "engine/core/version.h"
#include "engine/train/photo_source.h"
#include "engine/train/trainer.h"

namespace {

using namespace tsugi;
using namespace tsugi::bench;
using Json = nlohmann::ordered_json;

constexpr int kClasses = 32;
constexpr const char* kUsage =
    "bench_gpu_step [--devices cuda,cudnn] [--models a,b] [--batches 64] [--precisions fp32,fp16] [--size N]\n"
    "               [--rounds N] [--seconds N] [--json FILE]\n"
    "  --rounds    turns of each device at a point (default 5); figures are medians over the turns\n"
    "  --seconds   of one turn (default 0.3)\n"
    "  --size      side of the photos (default: the model's own)\n";

struct Options {
  std::vector<std::string> devices{"cuda", "cudnn"}, models{"faces-cnn", "faces-resnet", "faces-mobile"};
  std::vector<std::string> batches{"64"}, precisions{"fp32", "fp16"};
  int rounds = 5, size = 0;
  double seconds = 0.3;
  std::string json;
};

struct Usage : Error {
  using Error::Error;
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string flag = argv[i];
    if (i + 1 == argc) throw Usage(flag + ": a value is missing");
    const std::string value = argv[i + 1];
    if (flag == "--devices") {
      options.devices = split(value);
    } else if (flag == "--models") {
      options.models = split(value);
    } else if (flag == "--batches") {
      options.batches = split(value);
    } else if (flag == "--precisions") {
      options.precisions = split(value);
    } else if (flag == "--rounds") {
      options.rounds = std::stoi(value);
    } else if (flag == "--size") {
      options.size = std::stoi(value);
    } else if (flag == "--seconds") {
      options.seconds = std::stod(value);
    } else if (flag == "--json") {
      options.json = value;
    } else {
      throw Usage(flag + ": unknown");
    }
  }
  return options;
}

TrainSettings settings_of(int batch) {
  TrainSettings settings;
  settings.batch = batch;
  settings.epochs = 100000;
  settings.optimizer.lr = 0.001f;
  return settings;
}

std::vector<std::string> class_names() {
  std::vector<std::string> names;
  for (int i = 0; i < kClasses; ++i) names.push_back("class" + std::to_string(i));
  return names;
}

std::vector<std::uint32_t> all_of(const PhotoStore& store) {
  std::vector<std::uint32_t> photos(store.size());
  std::iota(photos.begin(), photos.end(), 0u);
  return photos;
}

TrainerOptions trainer_options(DType dtype) {
  TrainerOptions options;
  options.dtype = dtype;
  return options;
}

/// A training run on one device, and the seconds a step of its turns.
class Side {
 public:
  Side(Backend& backend, const Model& model, const PhotoStore& store, int batch, DType dtype)
      : network_(started(backend, model)),
        source_(backend, store),
        trainer_(*network_, source_, all_of(store), settings_of(batch), trainer_options(dtype)) {
    for (int i = 0; i < 3; ++i) trainer_.step();
  }

  void take_turn(double seconds) {
    std::vector<double> steps;
    const double begin = now();
    do {
      const double start = now();
      trainer_.step();
      steps.push_back(now() - start);
    } while (now() - begin < seconds);
    turns_.push_back(median(steps));
    steps_ += static_cast<int>(steps.size());
  }

  const std::vector<double>& turns() const { return turns_; }
  int steps() const { return steps_; }
  const MemoryPlan& memory() const { return trainer_.memory(); }

 private:
  static std::unique_ptr<Network> started(Backend& backend, const Model& model) {
    auto network = std::make_unique<Network>(backend, model, class_names());
    network->initialise(1);
    return network;
  }

  std::unique_ptr<Network> network_;
  PhotoSource source_;
  Trainer trainer_;
  std::vector<double> turns_;
  int steps_ = 0;
};

struct Point {
  Model model;
  int batch;
  std::string precision;
};

/// One line a device; the ratio is to the last device that computed the point.
Json run_point(const Point& point, const std::vector<std::pair<std::string, Backend*>>& devices,
               const Options& options) {
  const DType dtype = point.precision == "fp16" ? DType::f16 : point.precision == "bf16" ? DType::bf16 : DType::f32;
  const PhotoStore store = noise_photos(2 * point.batch, kClasses, default_preprocessing(point.model.input.h));
  std::vector<std::unique_ptr<Side>> sides;
  Json lines = Json::array();
  for (const auto& [name, backend] : devices) {
    sides.push_back(nullptr);
    lines.push_back(
        {{"model", point.model.name}, {"batch", point.batch}, {"precision", point.precision}, {"device", name}});
    if (!backend->supports(dtype)) {
      lines.back()["failure"] = "does not compute in " + point.precision;
      continue;
    }
    sides.back() = std::make_unique<Side>(*backend, point.model, store, point.batch, dtype);
  }
  for (int round = 0; round < options.rounds; ++round) {
    for (const auto& side : sides) {
      if (side != nullptr) side->take_turn(options.seconds);
    }
  }
  for (std::size_t i = 0; i < sides.size(); ++i) {
    if (sides[i] == nullptr) continue;
    const double seconds = median(sides[i]->turns());
    Json& line = lines[i];
    line["images_per_s"] = point.batch / seconds;
    line["seconds_a_step"] = seconds;
    line["deviation_s"] = median_deviation(sides[i]->turns());
    line["turns"] = sides[i]->turns();
    line["steps"] = sides[i]->steps();
    line["micro_batch"] = sides[i]->memory().micro_batch;
    line["arena_bytes"] = sides[i]->memory().arena;
    line["device_bytes"] = sides[i]->memory().total();
    std::printf("%-13s batch %3d %s  %-6s %10.1f images/s  (%.3f ms +- %.3f)\n", printable(point.model.name).c_str(),
                point.batch, point.precision.c_str(), devices[i].first.c_str(), point.batch / seconds, 1e3 * seconds,
                1e3 * median_deviation(sides[i]->turns()));
    std::fflush(stdout);
  }
  return lines;
}

int run(const Options& options) {
  std::vector<std::unique_ptr<Backend>> backends;
  std::vector<std::pair<std::string, Backend*>> devices;
  Json descriptions = Json::object();
  for (const std::string& name : options.devices) {
    backends.push_back(make_backend(name, 0));
    devices.emplace_back(name, backends.back().get());
    descriptions[name] = backends.back()->description();
  }
  Json results = Json::array();
  for (const std::string& model_name : options.models) {
    for (const std::string& batch : options.batches) {
      for (const std::string& precision : options.precisions) {
        Model model = find_model(model_name);
        if (options.size > 0) model = with_input_size(model, options.size);
        for (const Json& line : run_point({model, std::stoi(batch), precision}, devices, options))
          results.push_back(line);
      }
    }
  }
  if (options.json.empty()) return 0;
  const Json report{{"what", "training steps, devices in turn"},
                    {"devices", descriptions},
                    {"tsugi", std::string(version()) + " (" + build_description() + ")"},
                    {"results", results}};
  std::ofstream file(options.json);
  file << report.dump(1) << "\n";
  if (!file.flush()) throw Error(options.json + ": cannot be written");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const Usage& error) {
    std::cerr << "bench_gpu_step: " << printable(error.what()) << "\n" << kUsage;
    return 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_gpu_step: " << printable(error.what()) << "\n";
    return 1;
  }
}
