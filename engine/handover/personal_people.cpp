// Keeps people by name and photos by digest, whatever happens.
#include "engine/handover/personal_people.h"

#include <algorithm>

#include "engine/core/text.h"
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

std::string class_of(const std::string& photo) { return photo.substr(0, photo.find('/')); }

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The photos of a list that are `kept`, with their digests where it has any.
struct PhotoList {
  std::vector<std::string>&photos, &digests;

  template <class Kept>
  void keep(const Kept& kept) {
    std::size_t left = 0;
    const bool with_digests = !digests.empty();
    for (std::size_t i = 0; i < photos.size(); ++i) {
      if (!kept(photos[i])) continue;
      photos[left] = photos[i];
      if (with_digests) digests[left] = digests[i];
      ++left;
    }
    photos.resize(left);
    if (with_digests) digests.resize(left);
  }
};

void join_lists(const std::vector<std::string>& personal, std::vector<std::string> before,
                std::vector<std::string> before_digests, PhotoList now) {
  PhotoList{before, before_digests}.keep([&](const std::string& photo) { return !contains(now.photos, photo); });
  if (before.size() != before_digests.size() || now.photos.size() != now.digests.size()) return;
  struct Row {
    std::string photo, digest;
  };
  std::vector<Row> rows;
  for (std::size_t i = 0; i < before.size(); ++i) rows.push_back({before[i], before_digests[i]});
  for (std::size_t i = 0; i < now.photos.size(); ++i) rows.push_back({now.photos[i], now.digests[i]});
  const auto general = std::stable_partition(rows.begin(), rows.end(),
                                             [&](const Row& row) { return !contains(personal, class_of(row.photo)); });
  std::sort(general, rows.end(), [](const Row& a, const Row& b) {
    const std::string of_a = class_of(a.photo), of_b = class_of(b.photo);
    return of_a != of_b ? of_a < of_b : a.photo < b.photo;
  });
  now.photos.clear();
  now.digests.clear();
  for (Row& row : rows) {
    now.photos.push_back(std::move(row.photo));
    now.digests.push_back(std::move(row.digest));
  }
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
  const std::string& name = model.layers.back().name;
  const bool bias = find_tensor(checkpoint.parameters, name + ".bias") != nullptr;
  AnalyticHead head = analytic_head(statistics, general_loss, bias);
  store_head(head.rows, name, checkpoint);
  store_people(statistics, checkpoint);
  return head;
}

void forget_training(Checkpoint& checkpoint) {
  checkpoint.moments.clear();
  checkpoint.metrics = "{}";
  checkpoint.progress = {checkpoint.progress.seed, 0, 0, 0};
}

void keep_photo_lists(Checkpoint& checkpoint, const Checkpoint& before) {
  const std::vector<std::string>& personal = checkpoint.personal_classes;
  join_lists(personal, before.train_photos, before.train_digests, {checkpoint.train_photos, checkpoint.train_digests});
  join_lists(personal, before.test_photos, before.test_digests, {checkpoint.test_photos, checkpoint.test_digests});
}

void forget_people(Checkpoint& checkpoint, const std::vector<std::string>& names, const std::string& place) {
  const Model model = parse_model(checkpoint.model, place + ": model");
  std::optional<PeopleStatistics> statistics = read_people(checkpoint, model, place);
  for (const std::string& name : names)
    if (!contains(checkpoint.personal_classes, name))
      throw Error(place + ": " + shown(name) + " is none of its " + std::to_string(checkpoint.personal_classes.size()) +
                  " personal people (" + joined(checkpoint.personal_classes) + "), one of them expected");
  if (!statistics)
    throw Error(place + ": holds no statistics of its people: its layers learnt of " + joined(names) +
                " (or an older tsugi wrote it), and no row tells what. Hand over again from the bundle without them");
  const auto forgotten = [&](const std::string& name) { return contains(names, name); };
  auto& people = statistics->personal;
  people.erase(std::remove_if(people.begin(), people.end(),
                              [&](const PersonalPerson& person) { return forgotten(person.name); }),
               people.end());
  std::vector<std::string> left = checkpoint.class_names;
  left.erase(std::remove_if(left.begin(), left.end(), forgotten), left.end());
  set_people(checkpoint, model, left, place);
  auto& personal = checkpoint.personal_classes;
  personal.erase(std::remove_if(personal.begin(), personal.end(), forgotten), personal.end());
  for (PhotoList list : {PhotoList{checkpoint.train_photos, checkpoint.train_digests},
                         PhotoList{checkpoint.test_photos, checkpoint.test_digests}})
    list.keep([&](const std::string& photo) { return !forgotten(class_of(photo)); });
  const HandoverSettings settings = named_settings(checkpoint.settings, place + ": settings").handover.values;
  remake_head(checkpoint, model, *statistics, static_cast<double>(settings.general_loss));
  forget_training(checkpoint);
  checkpoint.provenance = provenance_json(checkpoint.class_names, personal, checkpoint.train_photos.size(),
                                          provenance_of(checkpoint, "command"), provenance_of(checkpoint, "received"));
}

}  // namespace tsugi
