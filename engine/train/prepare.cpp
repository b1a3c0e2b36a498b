// Checks, announcements and descriptions at the start of a run.
#include "engine/train/prepare.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "engine/core/device.h"
#include "engine/core/version.h"
#include "engine/data/photo_identity.h"
#include "engine/train/known_photos.h"

namespace tsugi {

std::vector<OutputClaim> claim_outputs(const RunOptions& options, bool personal, FileLog* files) {
  std::vector<OutputClaim> claims;
  const auto claim = [&](const std::string& path, const char* role) {
    if (!path.empty()) claims.emplace_back(path, FilePurpose{role, files, personal});
  };
  claim(options.output, "checkpoint");
  claim(options.metrics, "metrics");
  claim(options.profile, "profile");
  return claims;
}

void announce(const RunObserver& observer, const Backend& backend, const Network& network, const Trainer& trainer,
              std::size_t train_photos, std::size_t test_photos) {
  if (!observer.say) return;
  const auto mib = [](std::size_t bytes) { return std::to_string((bytes + (1u << 19)) >> 20) + " MiB"; };
  const MemoryLayout& memory = trainer.memory();
  const int strangers = network.outputs() - network.classes();
  observer.say("device " + backend.name() + " (" + backend.description() + "), precision " +
               precision_name(trainer.dtype()));
  observer.say("model " + network.model().name + ", " + std::to_string(network.layout().trained_count()) +
               " parameters, " + std::to_string(network.classes()) + " people, " +
               (strangers > 0 ? std::to_string(strangers) + " strangers, " : "") + std::to_string(train_photos) +
               " training and " + std::to_string(test_photos) + " test photos");
  if (const int frozen = trainer.frozen_layers(); frozen > 0) {
    std::size_t learning = 0;
    for (const ParameterInfo& info : network.layout().parameters()) learning += info.layer >= frozen ? info.count : 0;
    observer.say("frozen until " + network.model().layers[static_cast<std::size_t>(frozen) - 1].name + ": " +
                 std::to_string(learning) + " parameters learn");
  }
  const std::string micro =
      memory.micro_batch == trainer.batch()
          ? "batch " + std::to_string(trainer.batch())
          : "batch " + std::to_string(trainer.batch()) + " in micro-batches of " + std::to_string(memory.micro_batch);
  observer.say(micro + ", memory " + mib(memory.total()) + ": arena " + mib(memory.arena) +
               ", parameters and moments " + mib(memory.parameters) + ", photos " + mib(memory.photos) +
               (memory.photos_resident ? "" : " (a batch at a time)"));
}

void describe(Checkpoint& checkpoint, const std::string& settings, const Preprocessing& preprocessing,
              const SampleSource& source, const Split& split) {
  checkpoint.settings = settings;
  checkpoint.preprocessing = to_json(preprocessing);
  const auto list = [&](const std::vector<std::uint32_t>& items, std::vector<std::string>& names,
                        std::vector<std::string>& digests, std::vector<std::string>& prints) {
    for (auto* texts : {&names, &digests, &prints}) texts->clear();
    for (const std::uint32_t i : items) {
      const PhotoIdentity& identity = source.identity(i);
      names.push_back(source.name(i));
      digests.push_back(identity.file);
      prints.push_back(identity.pixels.empty() ? "" : to_print(identity));
    }
  };
  list(split.train, checkpoint.train_photos, checkpoint.train_digests, checkpoint.train_prints);
  list(split.test, checkpoint.test_photos, checkpoint.test_digests, checkpoint.test_prints);
}

namespace {

/// "2 are missing (Ann/1.jpg, Bob/2.jpg)", the first few by name.
void add_names(const std::vector<std::string>& names, const char* one, const char* many, std::string& text) {
  constexpr std::size_t kNamed = 3;
  if (names.empty()) return;
  text += (text.empty() ? "" : ", ") + std::to_string(names.size()) + (names.size() == 1 ? one : many) + " (";
  for (std::size_t i = 0; i < std::min(kNamed, names.size()); ++i) text += (i > 0 ? ", " : "") + names[i];
  text += names.size() > kNamed ? ", …)" : ")";
}

}  // namespace

void check_same_photos(const Checkpoint& from, const Checkpoint& now, const std::string& command,
                       const std::string& place, const RunObserver& observer) {
  if (provenance_of(from, "command") != command) return;
  if (from.train_photos.empty() && from.test_photos.empty()) return;  // a compact checkpoint
  const bool contents =
      from.train_digests.size() == from.train_photos.size() && from.test_digests.size() == from.test_photos.size();
  if (!contents && observer.say)
    observer.say(place +
                 ": holds no digests of its photos, an older tsugi wrote it: whether they are the same is not checked");
  if (!contents && from.progress.batch == 0) return;
  const PhotoIndex before = known_photos(from, place), after = known_photos(now, place);
  const auto by_name = [](const PhotoIndex& photos, const std::string& name) { return photos.find(name, {}); };
  std::vector<std::string> missing, renamed, added, changed;
  std::set<std::size_t> new_names;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const std::string& name = before.name(i);
    if (const std::optional<std::size_t> there = by_name(after, name)) {
      const bool same_role = (i < from.train_photos.size()) == (*there < now.train_photos.size());
      if (!same_role || (contents && !same_content(before.identity(i), after.identity(*there))))
        changed.push_back(name);
    } else if (const std::optional<std::size_t> moved = after.find(name, before.identity(i));
               moved && !by_name(before, after.name(*moved))) {
      renamed.push_back(name + " to " + after.name(*moved));
      new_names.insert(*moved);
    } else {
      missing.push_back(name);
    }
  }
  for (std::size_t i = 0; i < after.size(); ++i)
    if (!by_name(before, after.name(i)) && new_names.count(i) == 0) added.push_back(after.name(i));
  std::string differs;
  add_names(missing, " is missing", " are missing", differs);
  add_names(renamed, " was renamed", " were renamed", differs);
  add_names(added, " is new", " are new", differs);
  add_names(changed, " has other content", " have other content", differs);
  if (differs.empty()) return;
  throw Error(place + ": began with " + std::to_string(from.train_photos.size()) + " training photos and " +
              std::to_string(from.test_photos.size()) + " test photos, of which now " + differs +
              "; a run goes on with the photos that it began with (a copy by tsugi compact may train on others)");
}

void mark_personal(Checkpoint& checkpoint, const std::vector<std::string>& names) {
  auto& personal = checkpoint.personal_classes;
  for (const std::string& name : names)
    if (std::find(personal.begin(), personal.end(), name) == personal.end()) personal.push_back(name);
}

std::string provenance_json(const std::vector<std::string>& class_names,
                            const std::vector<std::string>& personal_classes, std::size_t train_photos,
                            const std::string& command, const std::string& received, const StrangerCount& strangers) {
  nlohmann::ordered_json json;
  json["tsugi"] = version();
  json["command"] = command;
  json["classes_seen"] = class_names.size();
  json["training_photos"] = train_photos;
  json["personal"] = !personal_classes.empty();
  if (!received.empty()) json["received"] = received;
  if (strangers.photos > 0) json["strangers"] = {{"people", strangers.people}, {"photos", strangers.photos}};
  return json.dump();
}

std::size_t training_photos_of(const Checkpoint& checkpoint) {
  if (!checkpoint.train_photos.empty()) return checkpoint.train_photos.size();
  const auto json = nlohmann::json::parse(checkpoint.provenance, nullptr, false);
  const auto found = json.find("training_photos");  // the end of what is no object
  return found != json.end() && found->is_number_unsigned() ? found->get<std::size_t>() : 0;
}

std::string provenance_of(const Checkpoint& checkpoint, const char* name) {
  const auto json = nlohmann::json::parse(checkpoint.provenance, nullptr, false);
  const auto found = json.find(name);  // the end of what is no object
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace tsugi
