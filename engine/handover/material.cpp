// Joins what the server sent and what the device has, and splits the latter.
#include "engine/handover/material.h"

#include <algorithm>
#include <map>

#include "engine/handover/activate.h"
#include "engine/train/crop_sheet.h"
#include "engine/train/dataset.h"
#include "engine/train/known_photos.h"

namespace tsugi {
namespace {

constexpr std::size_t kFewPhotos = 5;  // fewer tell little of a person; a judgement, no measured border

int label_of(const std::string& name, const std::vector<std::string>& class_names) {
  return static_cast<int>(std::find(class_names.begin(), class_names.end(), name) - class_names.begin());
}

void add_personal(const MaterialRequest& request, PhotoFolder& folder) {
  folder.class_names = request.class_names;
  folder.ignored = request.personal.ignored;
  for (const Photo& photo : request.personal.photos) {
    folder.photos.push_back(photo);
    folder.labels.push_back(label_of(photo.class_name, request.class_names));
  }
}

/// The personal photos among `store`'s, which come last, by the usual split, the training ones capped.
Split split_personal(const PhotoStore& store, const MaterialRequest& request, const RunObserver& observer) {
  const auto is_personal = [&](int label) { return label >= request.first_new; };
  const auto first = std::find_if(store.labels().begin(), store.labels().end(), is_personal) - store.labels().begin();
  Split split = split_as_trained(store, request.known, request.personal_place, request.settings.test_fraction,
                                 request.settings.seed, observer, static_cast<std::size_t>(first));
  cap_training(split, store.labels(), request.first_new, request.personal_photos);
  return split;
}

/// What the photos show that came as activations, by the names that the server's checkpoint has for them.
void add_looks(const Checkpoint& checkpoint, std::vector<FeatureItem>& items) {
  const PhotoIndex known = known_photos(checkpoint, "bundle");
  for (FeatureItem& item : items)
    if (const std::optional<std::size_t> found = known.find(item.name, {})) {
      item.identity.pixels = known.identity(*found).pixels;
      item.identity.look = known.identity(*found).look;
    }
}

/// Says of whom there is little to learn from.
void warn_of_few(const PhotoStore& store, const Split& own, const MaterialRequest& request,
                 const RunObserver& observer) {
  std::vector<std::size_t> photos(request.class_names.size(), 0);
  for (const std::uint32_t i : own.train) ++photos[static_cast<std::size_t>(store.label(i))];
  for (std::size_t person = static_cast<std::size_t>(request.first_new); person < photos.size(); ++person)
    if (photos[person] > 0 && photos[person] < kFewPhotos && observer.say)
      observer.say(request.class_names[person] + ": " + std::to_string(photos[person]) + " training photo" +
                   (photos[person] == 1 ? "" : "s") + ", few to know somebody by: " + std::to_string(kFewPhotos) +
                   " at least are advised");
}

void append(std::vector<std::uint32_t>& to, const std::vector<std::uint32_t>& more) {
  to.insert(to.end(), more.begin(), more.end());
}

void save_crops(Backend& backend, const PhotoSource& source, const MaterialRequest& request,
                const RunObserver& observer) {
  if (request.save_crops.empty()) return;
  const TrainSettings& settings = request.settings;
  write_crop_sheets(backend, source, {settings.variants, settings.augment, settings.seed}, request.save_crops,
                    {"crops", observer.files, true}, observer.say);
}

}  // namespace

std::unique_ptr<Material> photo_material(Backend& backend, const MaterialRequest& request,
                                         const RunObserver& observer) {
  PhotoFolder folder;
  std::map<std::string, bool> is_test;
  for (const BundlePhoto& photo : request.bundle.photos) {
    folder.photos.push_back({photo.class_name, photo.class_name + "/" + photo.file, "", photo.bytes});
    folder.labels.push_back(label_of(photo.class_name, request.class_names));
    is_test[folder.photos.back().file] = photo.test;
  }
  add_personal(request, folder);
  auto material = std::make_unique<Material>();
  material->store = load_photos(folder, request.preprocessing, request.threads, observer, request.memory);
  const PhotoStore& store = *material->store;
  check_readable(store, request.class_names, request.personal.class_names, request.personal_place);
  for (std::uint32_t i = 0; i < store.size(); ++i)
    if (store.label(i) < request.first_new)
      (is_test.at(store.photo(i).file) ? material->split.test : material->split.train).push_back(i);
  const Split own = split_personal(store, request, observer);
  warn_of_few(store, own, request, observer);
  append(material->split.train, own.train);
  append(material->split.test, own.test);
  auto source = std::make_unique<PhotoSource>(backend, store);
  save_crops(backend, *source, request, observer);
  material->source = std::move(source);
  return material;
}

std::unique_ptr<Material> feature_material(Backend& backend, const MaterialRequest& request, const CutBundle& cut,
                                           const RunObserver& observer) {
  PhotoFolder folder;
  add_personal(request, folder);
  const PhotoStore store = load_photos(folder, request.preprocessing, request.threads, observer, request.memory);
  check_readable(store, request.class_names, request.personal.class_names, request.personal_place);
  const Split own = split_personal(store, request, observer);
  warn_of_few(store, own, request, observer);

  const Stopwatch clock;
  Network lower(backend, cut.cut.lower, request.class_names);
  lower.load(cut.lower, "bundle");
  const PhotoSource photos(backend, store);
  save_crops(backend, photos, request, observer);
  const std::uint32_t variants = cut.features.variants;
  const TrainSettings& settings = request.settings;
  const auto check_stop = [&] {
    if (observer.should_stop && observer.should_stop())
      throw Error("resume: stopped before the first step, nothing was written");
  };
  const ActivateRequest wanted{
      {{own.train, variants}, {own.test, 1}}, settings.augment, settings.seed, check_stop, observer.files};
  Activated activated = activate(lower, photos, wanted, request.personal_place);

  auto material = std::make_unique<Material>();
  FeatureSet& set = material->features;
  set = feature_set(cut.features, request.class_names);
  add_looks(request.bundle.checkpoint, set.items);
  const auto sent = static_cast<std::uint32_t>(set.items.size()),
             sent_train = static_cast<std::uint32_t>(cut.features.train_files.size());
  auto row = static_cast<std::uint32_t>(set.rows.size() / set.shape.count());
  const auto add = [&](const std::vector<std::uint32_t>& items, std::uint32_t kept, std::vector<std::uint32_t>& role) {
    for (const std::uint32_t i : items) {
      role.push_back(static_cast<std::uint32_t>(set.items.size()));
      set.items.push_back({store.photo(i).file, store.label(i), row, kept, store.identity(i)});
      row += kept;
    }
  };
  for (std::uint32_t i = 0; i < sent; ++i) (i < sent_train ? material->split.train : material->split.test).push_back(i);
  add(own.train, variants, material->split.train);
  add(own.test, 1, material->split.test);
  set.append(std::move(activated.rows), activated.quantization);
  material->source = std::make_unique<FeatureSource>(backend, set);
  if (observer.say)
    observer.say("features at " + cut.features.layer + ": " + std::to_string(sent) +
                 " photos came as activations, those of " + std::to_string(own.train.size() + own.test.size()) +
                 " personal photos were computed in " + std::to_string(clock.seconds()).substr(0, 4) + " s, once");
  return material;
}

}  // namespace tsugi
