// Finds the tests of a device in people's folders.
#include "tools/life/life_look.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "engine/train/dataset.h"
#include "engine/train/photo_source.h"

namespace tsugi::tools {
namespace {

PhotoFolder tests_of(const Checkpoint& checkpoint, const std::vector<std::string>& folders) {
  const std::set<std::string> listed(checkpoint.test_photos.begin(), checkpoint.test_photos.end());
  PhotoFolder tests;
  tests.class_names = checkpoint.class_names;
  for (const std::string& folder : folders)
    for (const Photo& photo : scan_person(folder).photos) {
      if (listed.count(photo.file) == 0) continue;
      const auto person = std::find(tests.class_names.begin(), tests.class_names.end(), photo.class_name);
      tests.photos.push_back(photo);
      tests.labels.push_back(static_cast<int>(person - tests.class_names.begin()));
    }
  return tests;
}

}  // namespace

TestedDevice::TestedDevice(const std::string& checkpoint, const std::vector<std::string>& folders,
                           const std::string& device, int threads, const RunObserver& observer)
    : place_(checkpoint),
      threads_(threads),
      observer_(observer),
      session_(checkpoint, device, threads, observer.files),
      store_(load_photos(tests_of(session_.checkpoint, folders), session_.preprocessing, threads, observer)),
      source_(*session_.backend, store_),
      inference_(*session_.network, kSmallBatch),
      photos_(store_.size()) {
  std::iota(photos_.begin(), photos_.end(), 0u);
}

Tally TestedDevice::recall() { return evaluate(inference_, source_, photos_, session_.network->classes(), {}).overall; }

std::optional<StrangerResults> TestedDevice::meet(const std::string& strangers) {
  const std::optional<KnownPeople> known = known_people(session_.checkpoint, session_.model, place_);
  if (!known) return std::nullopt;
  return evaluate_strangers(session_, *known, inference_, source_, photos_, strangers, threads_, observer_);
}

}  // namespace tsugi::tools
