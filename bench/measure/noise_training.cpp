#include "bench/measure/noise_training.h"

#include <numeric>

#include "bench/measure/statistics.h"
#include "engine/data/encode.h"
#include "engine/train/pretrain.h"
#include "kernels/api/philox.h"

namespace tsugi::bench {
namespace {

TrainSettings usual_settings(const Model& model, int batch) {
  TrainSettings settings = pretrain_settings(model, "model " + model.name);
  settings.batch = batch;
  return settings;
}

TrainSettings endless(TrainSettings settings) {
  settings.epochs = 1000000;
  settings.optimizer.lr = 1e-4f;  // noise cannot be learnt: a step that the model likes would run away
  return settings;
}

Network& started(Network& network) {
  network.initialise(1);
  return network;
}

std::vector<std::uint32_t> all_of(const PhotoStore& store) {
  std::vector<std::uint32_t> photos(store.size());
  std::iota(photos.begin(), photos.end(), 0u);
  return photos;
}

}  // namespace

NoiseTraining::NoiseTraining(Backend& backend, const ShapeList& list, PhotoSource& source, int batch,
                             const TrainerOptions& options)
    : NoiseTraining(backend, list, source, usual_settings(list.model, batch), options) {}

NoiseTraining::NoiseTraining(Backend& backend, const ShapeList& list, PhotoSource& source,
                             const TrainSettings& settings, const TrainerOptions& options)
    : network_(backend, list.model, list.class_names()),
      trainer_(started(network_), source, all_of(source.store()), endless(settings), options) {}

double NoiseTraining::timed_step() {
  const double begin = now();
  trainer_.step();
  return now() - begin;
}

PhotoStore noise_photos(int count, int classes, const Preprocessing& preprocessing) {
  std::vector<Photo> photos;
  std::vector<int> labels;
  const int size = preprocessing.stored_size;
  for (int i = 0; i < count; ++i) {
    std::vector<std::uint8_t> rgb(static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3);
    for (std::size_t j = 0; j < rgb.size(); ++j) {
      const auto sample = static_cast<std::uint32_t>(i), place = static_cast<std::uint32_t>(j);
      rgb[j] = static_cast<std::uint8_t>(philox(1, 0, sample, purpose::kSynth, place).v[0]);
    }
    const std::string file = "noise/" + std::to_string(i) + ".png";
    const auto bytes = std::make_shared<std::vector<std::uint8_t>>(encode_png({rgb.data(), size, size}));
    photos.push_back({"noise", file, file, bytes});
    labels.push_back(i % classes);
  }
  PhotoStoreOptions options;
  options.preprocessing = preprocessing;
  options.preprocessing.crop = 1.0f;
  return PhotoStore(photos, labels, options);
}

PhotoStore training_photos(const ShapeList& list, int batch) {
  if (list.model.input.h != list.model.input.w)
    throw Error("model " + list.model.name + ": input is " + std::to_string(list.model.input.h) + "x" +
                std::to_string(list.model.input.w) + ", photos are cropped to squares");
  return noise_photos(2 * batch, list.classes, default_preprocessing(list.model.input.h));
}

}  // namespace tsugi::bench
