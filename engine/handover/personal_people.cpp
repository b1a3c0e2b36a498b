// Keeps people by name and photos by digest, whatever happens.
#include "engine/handover/personal_people.h"

#include <algorithm>
#include <set>

#include "engine/core/text.h"
#include "engine/data/photo.h"
#include "engine/handover/handover_settings.h"
#include "engine/handover/new_classes.h"
#include "engine/train/prepare.h"

namespace tsugi {
namespace {

/// The person of that name, made where there is none.
PersonalPerson& person_of(PeopleStatistics& statistics, const std::string& name) {
  auto& people = statistics.personal;
  const auto at = std::lower_bound(people.begin(), people.end(), name,
                                   [](const PersonalPerson& person, const std::string& n) { return person.name < n; });
  return at != people.end() && at->name == name ? *at : *people.insert(at, {name, {}, {}});
}

/// A list of a checkpoint's photos, and what they are known by where it says so.
struct PhotoList {
  std::vector<std::string>&photos, &digests, &prints;

  template <class Kept>
  void keep(const Kept& kept) {
    std::size_t left = 0;
    for (std::size_t i = 0; i < photos.size(); ++i) {
      if (!kept(photos[i])) continue;
      for (std::vector<std::string>* list : {&digests, &prints})
        if (!list->empty()) (*list)[left] = (*list)[i];
      photos[left++] = photos[i];
    }
    for (std::vector<std::string>* list : {&digests, &prints})
      if (!list->empty()) list->resize(left);
    photos.resize(left);
  }
};

struct ListedPhoto {
  std::string photo, digest, print;
};

void append(const PhotoList& list, std::vector<ListedPhoto>& to) {
  for (std::size_t i = 0; i < list.photos.size(); ++i)
    to.push_back({list.photos[i], list.digests[i], list.prints.empty() ? "" : list.prints[i]});
}

void join_lists(const std::vector<std::string>& personal, PhotoList before, PhotoList now) {
  if (before.photos.size() != before.digests.size() || now.photos.size() != now.digests.size()) return;
  const bool with_prints = !before.prints.empty() || !now.prints.empty();
  std::vector<ListedPhoto> all;
  append(before, all);
  append(now, all);
  const auto general = std::stable_partition(
      all.begin(), all.end(), [&](const ListedPhoto& one) { return !contains(personal, class_of(one.photo)); });
  std::sort(general, all.end(), [](const ListedPhoto& a, const ListedPhoto& b) {
    const std::string of_a = class_of(a.photo), of_b = class_of(b.photo);
    return of_a != of_b ? of_a < of_b : a.photo < b.photo;
  });
  now.photos.clear();
  now.digests.clear();
  now.prints.clear();
  for (ListedPhoto& one : all) {
    now.photos.push_back(std::move(one.photo));
    now.digests.push_back(std::move(one.digest));
    if (with_prints) now.prints.push_back(std::move(one.print));
  }
}

PhotoList training_list(Checkpoint& checkpoint) {
  return {checkpoint.train_photos, checkpoint.train_digests, checkpoint.train_prints};
}
PhotoList test_list(Checkpoint& checkpoint) {
  return {checkpoint.test_photos, checkpoint.test_digests, checkpoint.test_prints};
}

}  // namespace

void add_photos(PeopleStatistics& statistics, const std::vector<std::string>& names,
                const std::vector<std::string>& digests, const HeadSamples& samples) {
  check_samples(samples, statistics.width, "personal photos");
  for (std::size_t i = 0; i < names.size(); ++i) {
    PersonalPerson& person = person_of(statistics, names[i]);
    const auto at = std::lower_bound(person.digests.begin(), person.digests.end(), digests[i]);
    if (at != person.digests.end() && *at == digests[i]) continue;
    const auto width = static_cast<std::ptrdiff_t>(statistics.width);
    const auto from = samples.features.begin() + static_cast<std::ptrdiff_t>(i) * width;
    person.features.insert(person.features.begin() + (at - person.digests.begin()) * width, from, from + width);
    person.digests.insert(at, digests[i]);
  }
}

AnalyticHead remake_head(Checkpoint& checkpoint, const Model& model, const PeopleStatistics& statistics,
                         double general_loss) {
  AnalyticHead head = analytic_head(statistics, general_loss, has_bias(checkpoint, model));
  store_head(head.rows, model.layers.back().name, checkpoint);
  store_people(statistics, checkpoint);
  return head;
}

void forget_training(Checkpoint& checkpoint) {
  checkpoint.moments.clear();
  checkpoint.metrics = "{}";
  checkpoint.progress = {checkpoint.progress.seed, 0, 0, 0};
}

void keep_photo_lists(Checkpoint& checkpoint, Checkpoint before) {
  const std::vector<std::string>& personal = checkpoint.personal_classes;
  std::set<std::string> now(checkpoint.train_photos.begin(), checkpoint.train_photos.end());
  now.insert(checkpoint.test_photos.begin(), checkpoint.test_photos.end());
  for (PhotoList list : {training_list(before), test_list(before)})
    list.keep([&](const std::string& photo) { return now.count(photo) == 0; });
  join_lists(personal, training_list(before), training_list(checkpoint));
  join_lists(personal, test_list(before), test_list(checkpoint));
}

void keep_photos_of(Checkpoint& checkpoint, const std::vector<std::string>& people) {
  for (PhotoList list : {training_list(checkpoint), test_list(checkpoint)})
    list.keep([&](const std::string& photo) { return contains(people, class_of(photo)); });
}

std::vector<std::string> personal_names(const Checkpoint& checkpoint, std::vector<std::string> names,
                                        const std::string& place) {
  for (std::string& name : names) name = composed(name);
  if (checkpoint.personal_classes.empty())
    throw Error(place + ": knows no personal people, " + joined(names) + " expected");
  for (const std::string& name : names)
    if (!contains(checkpoint.personal_classes, name))
      throw Error(place + ": " + shown(name) + " is none of its " + std::to_string(checkpoint.personal_classes.size()) +
                  " personal people (" + joined(checkpoint.personal_classes) + "), one of them expected");
  return names;
}

void forget_people(Checkpoint& checkpoint, const std::vector<std::string>& who, const std::string& place) {
  const Model model = parse_model(checkpoint.model, place + ": model");
  std::optional<PeopleStatistics> statistics = read_people(checkpoint, model, place);
  const std::vector<std::string> names = personal_names(checkpoint, who, place);
  if (!statistics)
    throw Error(
        place + ": holds no statistics of its people: its layers learnt of " + joined(names) +
        " (or an older tsugi wrote it), and no row tells what. Hand over again without them: tsugi forget --bundle "
        "takes the bundle that it began with");
  const auto forgotten = [&](const std::string& name) { return contains(names, name); };
  const bool listed = !checkpoint.train_photos.empty();  // not in a compact one
  const std::size_t taught = training_photos_of(checkpoint);
  std::size_t forgotten_photos = 0;
  auto& people = statistics->personal;
  for (const PersonalPerson& person : people) forgotten_photos += forgotten(person.name) ? person.digests.size() : 0;
  people.erase(std::remove_if(people.begin(), people.end(),
                              [&](const PersonalPerson& person) { return forgotten(person.name); }),
               people.end());
  std::vector<std::string> left = checkpoint.class_names;
  left.erase(std::remove_if(left.begin(), left.end(), forgotten), left.end());
  set_people(checkpoint, model, left, place);
  auto& personal = checkpoint.personal_classes;
  personal.erase(std::remove_if(personal.begin(), personal.end(), forgotten), personal.end());
  for (PhotoList list : {training_list(checkpoint), test_list(checkpoint)})
    list.keep([&](const std::string& photo) { return !forgotten(class_of(photo)); });
  const HandoverSettings settings = named_settings(checkpoint.settings, place + ": settings").handover.values;
  remake_head(checkpoint, model, *statistics, static_cast<double>(settings.general_loss));
  forget_training(checkpoint);
  const std::size_t left_photos = listed ? checkpoint.train_photos.size() : taught - std::min(taught, forgotten_photos);
  checkpoint.provenance = provenance_json(checkpoint.class_names, personal, left_photos,
                                          provenance_of(checkpoint, "command"), provenance_of(checkpoint, "received"));
}

}  // namespace tsugi
