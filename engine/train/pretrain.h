// Pretraining on general photos, from nothing or on from a checkpoint.
#pragma once

#include <string>
#include <vector>

#include "engine/train/run.h"

namespace tsugi {

/// What every command that trains takes.
struct TrainRequest {
  std::string device = "auto";
  std::string precision = "auto";
  int threads = 0;                     ///< 0 = all cores
  std::string tuning = "auto";         ///< whose choice of kernels: TuningSource::path
  std::size_t memory_budget = 0;       ///< bytes, 0 = no limit
  bool graph = true;                   ///< false: a GPU gets every kernel by itself, not as a recorded graph
  Overrides<TrainSettings> overrides;  ///< what the command line names
  RunOptions run;
  std::string save_crops;  ///< folder for pictures of what the network sees (crop_sheet.h), "" = none
};

struct PretrainRequest {
  TrainRequest train;
  std::string photos;                      ///< folder of people
  std::string model = "faces-resnet";      ///< built-in name or JSON file
  int size = 0;                            ///< input pixels a side, 0 = as the model says
  CropAround around = CropAround::centre;  ///< what the square that the network sees lies around
  double crop = 0.0;  ///< side of that square by the photo's shorter side, 0 = default; around a face, by that of
                      ///< an aligned photo
  std::string continue_from;          ///< checkpoint to go on from; "" = from nothing
  bool allow_missing_people = false;  ///< people whom continue_from knows, without a photo in the folder
  std::vector<std::string> people;    ///< of the folder, whom to train on; empty = everyone
  std::string personal;  ///< personal people's photos, as resume takes them, trained on from the start: a device alone;
                         ///< "" = none
  std::string strangers;  ///< photos of people in no class, to learn beside the others (strangers.h); "" = none
  std::size_t personal_photos = 0;  ///< most training photos of a personal person, 0 = all
};

/// The settings of pretraining `model` from nothing where the command line names none: what bench and plan measure and
/// predict. Throws Error naming `place`, the model's.
TrainSettings pretrain_settings(const Model& model, const std::string& place);

/// Scans, decodes, splits, trains. Throws Error on unusable input before anything is written.
RunSummary pretrain(const PretrainRequest& request, const RunObserver& observer);

}  // namespace tsugi
