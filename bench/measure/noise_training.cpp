#include "bench/measure/noise_training.h"

#include <numeric>

#include "bench/measure/noise_photos.h"
#include "bench/measure/statistics.h"
#include "engine/train/pretrain.h"

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

std::vector<std::string> class_names(int count) {
  std::vector<std::string> names;
  for (int i = 0; i < count; ++i) names.push_back("class" + std::to_string(i));
  return names;
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
    : network_(backend, list.model, class_names(list.classes)),
      trainer_(started(network_), source, all_of(source.store()), endless(settings), options) {}

double NoiseTraining::timed_step() {
  const double begin = now();
  trainer_.step();
  return now() - begin;
}

PhotoStore training_photos(const ShapeList& list, int batch) {
  if (list.model.input.h != list.model.input.w)
    throw Error("model " + list.model.name + ": input is " + std::to_string(list.model.input.h) + "x" +
                std::to_string(list.model.input.w) + ", photos are cropped to squares");
  return noise_photos(2 * batch, list.classes, default_preprocessing(list.model.input.h));
}

}  // namespace tsugi::bench
