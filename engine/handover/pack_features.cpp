// Decodes the bundle's photos, cuts the model, and runs the lower part over every variant.
#include "engine/handover/pack_features.h"

#include <filesystem>
#include <optional>
#include <set>

#include "engine/core/sha256.h"
#include "engine/handover/activate.h"
#include "engine/train/dataset.h"
#include "engine/train/photo_source.h"
#include "engine/train/settings.h"

namespace tsugi {
namespace {

struct Decoded {
  std::optional<PhotoStore> store;         // none where there is no photo
  std::vector<std::uint32_t> train, test;  // photos of the store
};

std::uint64_t file_bytes(const BundlePhoto& photo) {
  return photo.bytes != nullptr ? photo.bytes->size() : std::filesystem::file_size(photo.path);
}

Decoded decode(const Bundle& bundle, const Preprocessing& preprocessing, const PackOptions& options,
               const RunObserver& observer) {
  Decoded result;
  if (bundle.photos.empty()) return result;
  PhotoFolder folder;
  folder.class_names = bundle.checkpoint.class_names;
  std::set<std::string> test;
  for (const BundlePhoto& photo : bundle.photos) {
    folder.photos.push_back({photo.class_name, photo.class_name + "/" + photo.file, photo.path, photo.bytes});
    if (photo.test) test.insert(folder.photos.back().file);
  }
  folder.labels = labels_among(folder, folder.class_names, "bundle");
  result.store = load_photos(folder, preprocessing, options.threads, observer);
  for (std::uint32_t i = 0; i < result.store->size(); ++i)
    (test.count(result.store->photo(i).file) > 0 ? result.test : result.train).push_back(i);
  return result;
}

/// Fills the rows of `features`, and whose they are.
void compute(Backend& backend, const Checkpoint& lower_weights, const ModelCut& cut, const Decoded& photos,
             const std::string& place, const RunObserver& observer, BundledFeatures& features) {
  if (!photos.store) return;
  TrainSettings settings;
  apply_recorded(settings, lower_weights.settings, place + ": settings");
  Network lower(backend, cut.lower, lower_weights.class_names);
  lower.load(lower_weights, place);
  const PhotoSource source(backend, *photos.store);
  const auto check_stop = [&] {
    if (observer.should_stop && observer.should_stop()) throw Error("bundle: stopped, nothing was written");
  };
  const ActivateRequest request{{{photos.train, features.variants}, {photos.test, 1}},
                                settings.augment,
                                settings.seed,
                                check_stop,
                                observer.files};
  Activated activated = activate(lower, source, request, place);
  for (const std::uint32_t i : photos.train) features.train_files.push_back(source.name(i));
  for (const std::uint32_t i : photos.test) features.test_files.push_back(source.name(i));
  features.quantization = std::move(activated.quantization);
  const std::size_t train_bytes = photos.train.size() * features.variants * cut.upper.input.count();
  features.train.assign(activated.rows.begin(), activated.rows.begin() + static_cast<std::ptrdiff_t>(train_bytes));
  features.test.assign(activated.rows.begin() + static_cast<std::ptrdiff_t>(train_bytes), activated.rows.end());
}

}  // namespace

PackSummary pack_features(Bundle& bundle, Backend& backend, const PackOptions& options, const std::string& place,
                          const RunObserver& observer) {
  if (options.variants < 1 || options.variants > kMostVariants)
    throw Error(place + ": variants is " + std::to_string(options.variants) + ", 1 to " +
                std::to_string(kMostVariants) + " expected");
  const std::vector<std::uint8_t> bytes = encode_checkpoint(bundle.checkpoint, bundle.kind);
  const Checkpoint sent = decode_checkpoint(bytes.data(), bytes.size(), place);
  const Model model = parse_model(sent.model, place + ": model");
  const int classes = static_cast<int>(sent.class_names.size());
  const ModelCut cut = cut_model(model, options.layer.empty() ? default_cut(model, classes).layer : options.layer);
  if (observer.say)
    observer.say("device " + backend.name() + " (" + backend.description() + ") computes activations at " + cut.layer);

  const CheckpointParts parts = split_checkpoint(sent, cut, place);
  const Decoded photos =
      decode(bundle, preprocessing_from_json(sent.preprocessing, place + ": preprocessing"), options, observer);
  const SampleShape& shape = cut.upper.input;
  BundledFeatures features;
  features.layer = cut.layer;
  features.variants = options.variants;
  features.model_sha256 = sha256_hex(sent.model);
  features.lower_sha256 = weights_sha256(parts.lower);
  features.extents = {shape.h, shape.w, shape.c};
  compute(backend, parts.lower, cut, photos, place, observer, features);

  PackSummary summary;
  for (const CutPlace& each : cut_places(model, classes))
    if (each.layer == cut.layer) summary.place = each;
  summary.photos = photos.train.size();
  summary.test_photos = photos.test.size();
  for (const BundlePhoto& photo : bundle.photos) summary.photo_bytes += file_bytes(photo);
  summary.feature_bytes = features.train.size() + features.test.size();
  bundle.photos.clear();
  SafetensorsFile& file = bundle.tensors[kActivationsName];
  file = to_safetensors(features);
  summary.member_bytes = encode_safetensors(file).size();
  return summary;
}

}  // namespace tsugi
