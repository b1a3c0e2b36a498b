// A checkpoint made ready to look at photos: what eval, predict and bundle share, and how compact knows that it is fit
// for that.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "engine/train/inference.h"
#include "engine/train/settings.h"

namespace tsugi {

struct CheckpointSession {
  /// Reads the checkpoint at `path` and loads it onto `device` (see make_tuned_backend). files: where opened files are
  /// recorded; may be null. say: hears of tuned kernels; may be empty. Throws Error naming `path` when it does not fit
  /// its own model.
  CheckpointSession(const std::string& path, const std::string& device, int threads, FileLog* files,
                    const std::function<void(const std::string&)>& say = {});

  Checkpoint checkpoint;
  Model model;
  Preprocessing preprocessing;
  TrainSettings settings;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Network> network;
};

}  // namespace tsugi
