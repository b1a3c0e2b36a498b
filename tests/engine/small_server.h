// A server's run on three drawn people and a fourth person's photos: what the tests of hand-overs begin with.
#pragma once

#include "engine/handover/bundle.h"
#include "engine/handover/handover.h"
#include "tests/engine/photos.h"

namespace tsugi::test {

struct SmallServer {
  ScratchFolder folder;
  std::string personal;   ///< the folder of p3
  Checkpoint checkpoint;  ///< of p0, p1, p2: server.safetensors; its photos are in general/, its model is tiny.json
  Bundle photos;          ///< the checkpoint with all training and test photos

  /// layers: of a model on 16x16 photos, as model_json() takes them.
  explicit SmallServer(const std::string& layers);

  /// How the server trained: three epochs.
  PretrainRequest pretraining(const std::string& output) const;
  /// Two epochs on the bundle at `bundle`. What was trained is kept: what a test looks at must not depend on three
  /// photos a person.
  HandoverRequest request(const std::string& bundle, const std::string& output) const;
};

}  // namespace tsugi::test
