// Trains servers, and says what bundles are made from.
#include "tools/life/life_servers.h"

#include <algorithm>
#include <filesystem>

namespace tsugi::tools {

namespace fs = std::filesystem;

TrainRequest life_training(const LifeSettings& settings, const std::string& output) {
  TrainRequest request;
  request.device = settings.device;
  request.precision = settings.precision;
  request.threads = settings.threads;
  request.run.output = output;
  return request;
}

PretrainRequest LifeServers::pretraining(const std::vector<Person>& held, const std::string& output) const {
  PretrainRequest request;
  request.train = life_training(settings_, output);
  request.photos = settings_.people;
  request.model = settings_.model;
  request.strangers = settings_.train_strangers;
  for (const Person& person : people_)
    if (std::none_of(held.begin(), held.end(), [&](const Person& other) { return other.name == person.name; }))
      request.people.push_back(person.name);
  return request;
}

bool LifeServers::train(const std::vector<Person>& held, std::uint64_t seed, const std::string& server) const {
  if (fs::exists(server)) return true;
  const std::string part = server + ".part";
  PretrainRequest request = pretraining(held, part);
  request.train.overrides.set(&TrainSettings::seed, seed);
  if (settings_.epochs > 0) request.train.overrides.set(&TrainSettings::epochs, settings_.epochs);
  if (fs::exists(part)) request.continue_from = part;
  if (pretrain(request, observer_).stopped) return false;
  fs::rename(part, server);
  return true;
}

bool LifeServers::train_on(const std::vector<Person>& held, const std::string& server, const std::string& later) const {
  if (fs::exists(later)) return true;
  const std::string part = later + ".part";
  PretrainRequest request = pretraining(held, part);
  const Checkpoint before = read_checkpoint(server, observer_.files);
  request.train.overrides.set(&TrainSettings::epochs,
                              static_cast<int>(before.progress.epoch) + settings_.release_epochs);
  request.continue_from = fs::exists(part) ? part : server;
  if (pretrain(request, observer_).stopped) return false;
  fs::rename(part, later);
  return true;
}

BundleSource LifeServers::source_of(const std::string& server) const {
  BundleSource source;
  source.checkpoint = server;
  source.photos = settings_.people;
  source.only_known_people = true;
  source.device = settings_.device;
  source.threads = settings_.threads;
  return source;
}

}  // namespace tsugi::tools
