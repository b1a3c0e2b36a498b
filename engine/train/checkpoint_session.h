// A checkpoint made ready to look at photos: what eval and predict share, and how bundle and compact know that it is fit for that.
#pragma once

#include <memory>
#include <string>

#include "engine/train/inference.h"
#include "engine/train/settings.h"

namespace tsugi::tools {

struct CheckpointSession {
  /// files: where the opened checkpoint is recorded; may be null.
  CheckpointSession(const std::string& path, const std::string& device, int threads, FileLog* files);

  Checkpoint checkpoint;
  Model model;
  Preprocessing preprocessing;
  TrainSettings settings;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Network> network;
};

}  // namespace tsugi::tools
