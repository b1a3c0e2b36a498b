// Looks at known and at strange photos, and counts.
#include "tools/strangers.h"

#include <algorithm>
#include <numeric>

#include "engine/core/text.h"
#include "engine/train/dataset.h"
#include "engine/train/photo_source.h"

namespace tsugi::tools {
namespace {

struct FittedPhoto {
  int person;  // -1: a stranger
  std::size_t taken_for;
  std::vector<double> cosines;
};

void fit(const KnownPeople& known, Inference& inference, const SampleSource& source,
         const std::vector<std::uint32_t>& photos, bool strangers, std::vector<FittedPhoto>& to) {
  InferenceOptions options;
  options.features = true;
  const Predictions predictions = inference.run(source, photos, options);
  for (std::size_t i = 0; i < photos.size(); ++i)
    to.push_back({strangers ? -1 : source.label(photos[i]), static_cast<std::size_t>(predictions.predicted[i]),
                  known.cosines(&predictions.features[i * inference.features_count()])});
}

PhotoFolder strange_photos(const std::string& place, const std::vector<std::string>& people) {
  PhotoFolder folder = scan_person(place);
  for (const std::string& name : folder.class_names)
    if (contains(people, name))
      throw Error(place + ": " + shown(name) + " is one of the " + std::to_string(people.size()) +
                  " people that the checkpoint knows, strangers expected");
  std::fill(folder.labels.begin(), folder.labels.end(), 0);  // nobody's
  return folder;
}

/// A personal person's photos against everybody else's.
double verification_auroc(const std::vector<FittedPhoto>& photos, std::size_t person) {
  std::vector<double> own, others;
  for (const FittedPhoto& photo : photos)
    (photo.person == static_cast<int>(person) ? own : others)
        .push_back(KnownPeople::verification(photo.cosines, person));
  return auroc(own, others);
}

}  // namespace

KnownPeople known_to(const CheckpointSession& session, const std::string& place, std::optional<double> accept,
                     const std::string& option) {
  std::optional<KnownPeople> known = known_people(session.checkpoint, session.model, place, accept);
  if (!known)
    throw Error(place + ": holds no statistics of its people, which " + option +
                " needs: a hand-over leaves them that trains nothing, as of a bundle with no photo to train on");
  return *std::move(known);
}

std::string without_threshold(const std::string& place) {
  return place +
         ": its bundle had no test photos, or an older tsugi made it: there is no threshold, and nobody is called "
         "unknown";
}

StrangerResults evaluate_strangers(const CheckpointSession& session, const KnownPeople& known, Inference& inference,
                                   const SampleSource& source, const std::vector<std::uint32_t>& photos,
                                   const std::string& strangers, int threads, const RunObserver& observer) {
  const std::vector<std::string>& names = session.checkpoint.class_names;
  const std::size_t first_personal = names.size() - session.checkpoint.personal_classes.size();
  const PhotoFolder folder = strange_photos(strangers, names);
  if (observer.files != nullptr) observer.files->personal(strangers);  // nobody says whose photos these are
  const PhotoStore store = load_photos(folder, session.preprocessing, threads, observer);
  std::vector<std::uint32_t> all(store.size());
  std::iota(all.begin(), all.end(), 0u);
  std::vector<FittedPhoto> fitted;
  fit(known, inference, source, photos, false, fitted);
  fit(known, inference, PhotoSource(*session.backend, store), all, true, fitted);

  StrangerResults results;
  results.threshold = known.threshold();
  std::vector<double> scores, strange;
  for (const FittedPhoto& photo : fitted) {
    const double score = known.score(photo.cosines, photo.taken_for);
    const bool stranger = photo.person < 0, accepted = score >= results.threshold.value_or(score);
    (stranger ? strange : scores).push_back(score);
    if (!results.threshold) continue;
    const auto count = [&](Tally& tally, bool correct) {
      ++tally.photos;
      tally.correct += correct;
    };
    if (stranger) {
      count(results.strangers, accepted);
      count(results.named_owner, accepted && photo.taken_for >= first_personal);
    } else {
      count(static_cast<std::size_t>(photo.person) < first_personal ? results.general : results.personal, accepted);
    }
  }
  results.photos = strange.size();
  results.auroc = auroc(scores, strange);
  std::vector<double> owners;
  for (std::size_t person = first_personal; person < names.size(); ++person)
    if (const double area = verification_auroc(fitted, person); area == area) owners.push_back(area);
  results.owner_auroc = std::accumulate(owners.begin(), owners.end(), 0.0) / static_cast<double>(owners.size());
  return results;
}

}  // namespace tsugi::tools
