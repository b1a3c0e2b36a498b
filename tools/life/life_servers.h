// The servers of a life: each learns all people of the folder but a few, and goes on learning them for its next
// release.
#pragma once

#include <string>
#include <vector>

#include "engine/handover/make_bundle.h"
#include "engine/train/pretrain.h"
#include "tools/life/life.h"
#include "tools/life/life_people.h"

namespace tsugi::tools {

/// A training on the device and with the precision of the settings.
TrainRequest life_training(const LifeSettings& settings, const std::string& output);

class LifeServers {
 public:
  /// All must outlive it. people: of the folder.
  LifeServers(const LifeSettings& settings, const std::vector<Person>& people, const RunObserver& observer)
      : settings_(settings), people_(people), observer_(observer) {}

  /// Makes `server`, who does not know `held`, unless it is there already; goes on with one that was stopped. False
  /// when it was stopped.
  bool train(const std::vector<Person>& held, std::uint64_t seed, const std::string& server) const;

  /// The same of `later`, which is `server` after some more epochs.
  bool train_on(const std::vector<Person>& held, const std::string& server, const std::string& later) const;

  BundleSource source_of(const std::string& server) const;

 private:
  PretrainRequest pretraining(const std::vector<Person>& held, const std::string& output) const;

  const LifeSettings& settings_;
  const std::vector<Person>& people_;
  const RunObserver& observer_;
};

}  // namespace tsugi::tools
