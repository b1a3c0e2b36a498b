// Loads a checkpoint onto a device.
#include "engine/train/checkpoint_session.h"

#include "engine/core/device.h"

namespace tsugi {

CheckpointSession::CheckpointSession(const std::string& path, const std::string& device, int threads, FileLog* files)
    : checkpoint(read_checkpoint(path, files)),
      model(parse_model(checkpoint.model, path + ": model")),
      preprocessing(preprocessing_from_json(checkpoint.preprocessing, path + ": preprocessing")) {
  if (checkpoint.class_names.empty()) throw Error(path + ": knows 0 people, at least 1 expected");
  apply_json(settings, checkpoint.settings, path + ": settings");
  backend = make_backend(device, threads);
  network = std::make_unique<Network>(*backend, model, checkpoint.class_names);
  network->load(checkpoint, path);
}

}  // namespace tsugi
