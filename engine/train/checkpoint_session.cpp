// Loads a checkpoint onto a device.
#include "engine/train/checkpoint_session.h"

#include "engine/tuning/tuned_backend.h"

namespace tsugi {

CheckpointSession::CheckpointSession(const std::string& path, const std::string& device, int threads, FileLog* files,
                                     const std::function<void(const std::string&)>& say)
    : checkpoint(read_checkpoint(path, files)),
      model(parse_model(checkpoint.model, path + ": model")),
      preprocessing(preprocessing_from_json(checkpoint.preprocessing, path + ": preprocessing")) {
  if (checkpoint.class_names.empty()) throw Error(path + ": knows 0 people, at least 1 expected");
  apply_recorded(settings, checkpoint.settings, path + ": settings");
  backend = make_tuned_backend(device, threads, {"auto", files, say});
  network = std::make_unique<Network>(*backend, model, checkpoint.class_names);
  network->load(checkpoint, path);
}

}  // namespace tsugi
