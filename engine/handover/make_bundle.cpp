// Chooses, measures and packs. The choice looks at photos and at the server's own features of them, never at test
// photos.
#include "engine/handover/make_bundle.h"

#include <numeric>

#include "engine/core/output_claim.h"
#include "engine/core/text.h"
#include "engine/handover/analytic_head.h"
#include "engine/handover/known_people.h"
#include "engine/handover/parts.h"
#include "engine/train/known_photos.h"
#include "engine/train/photo_source.h"
#include "engine/train/strangers.h"

namespace tsugi {
namespace {

constexpr int kBatch = 64;
constexpr std::uint32_t kStatisticsDraws = 3;  // augmented variants of each photo in the statistics, beside the photo

BundlePhoto bundle_photo(const Photo& photo, bool test) {
  return {photo.class_name, photo.file.substr(photo.file.find('/') + 1), test, photo.bytes, photo.path};
}

/// What was learnt from personal photos does not leave their device, and neither do they.
void refuse_personal(const Checkpoint& checkpoint, const std::string& place) {
  if (checkpoint.personal_classes.empty()) return;
  throw Error(place + ": holds what was learnt from the personal photos of " + joined(checkpoint.personal_classes) +
              ", which do not leave their device");
}

std::vector<std::uint32_t> all_of(const PhotoStore& store) {
  std::vector<std::uint32_t> photos(store.size());
  std::iota(photos.begin(), photos.end(), std::uint32_t{0});
  return photos;
}

}  // namespace

BundleMaker::BundleMaker(const BundleSource& source, const RunObserver& observer)
    : source_(source),
      observer_(observer),
      session_(source.checkpoint, source.device, source.threads, observer.files, observer.say) {
  const Checkpoint& checkpoint = session_.checkpoint;
  forget_strangers(session_.checkpoint);
  refuse_personal(checkpoint, source.checkpoint);
  folder_ = scan_photos(source.photos, 1);
  if (source.only_known_people) folder_ = only_people(folder_, checkpoint.class_names, source.photos);
  folder_.labels = labels_among(folder_, checkpoint.class_names, source.photos);
}

void BundleMaker::check_stop() const {
  if (observer_.should_stop && observer_.should_stop()) throw Error("bundle: stopped, nothing was written");
}

/// A photo that the device could not read would not be worth its bytes, and what a photo shows says whether the
/// checkpoint was trained on it. Of test photos the features stay, not the pixels.
void BundleMaker::decode() {
  if (store_ != nullptr) return;
  RunObserver observer = observer_;
  observer.decoding = [&](std::size_t done, std::size_t total) {
    check_stop();
    if (observer_.decoding) observer_.decoding(done, total);
  };
  PhotoStore store = load_photos(folder_, session_.preprocessing, source_.threads, observer);
  const Split split = split_as_trained(store, session_.checkpoint, source_.checkpoint, session_.settings.test_fraction,
                                       session_.settings.seed, observer_);
  check_nobody_missing(split, store.labels(), session_.checkpoint.class_names, source_.photos,
                       source_.allow_missing_people, observer_);
  for (const std::uint32_t i : split.test) {
    test_photos_.push_back(store.photo(i));
    tests_.labels.push_back(store.label(i));
  }
  if (!split.test.empty()) tests_.features = run(session_, store, split.test, 0, false).features;
  store.keep(split.train);
  store_ = std::make_unique<PhotoStore>(std::move(store));
}

/// Draws are those of this maker's checkpoint, whoever looks at them.
Predictions BundleMaker::run(const CheckpointSession& session, const PhotoStore& store,
                             const std::vector<std::uint32_t>& photos, std::uint32_t variant, bool logits) const {
  const PhotoSource source(*session.backend, store);
  Inference inference(*session.network, kBatch);
  inference.before_each_batch([this] { check_stop(); });
  InferenceOptions options;
  options.logits = logits;
  options.features = true;
  options.variant = variant;
  options.variants = 1 + kStatisticsDraws;
  options.strength = session_.settings.augment;
  options.seed = session_.settings.seed;
  return inference.run(source, photos, options);
}

/// All training photos.
Predictions BundleMaker::run(std::uint32_t variant, bool logits) const {
  return run(session_, *store_, all_of(*store_), variant, logits);
}

/// How the training photos' features come out of those that the release before makes of them.
FeatureMap BundleMaker::map_from(const std::string& previous) {
  const CheckpointSession old(previous, source_.device, source_.threads, observer_.files, observer_.say);
  refuse_personal(old.checkpoint, previous);
  PhotoFolder folder;
  folder.class_names = {""};  // it may know other people: nobody asks it for names
  folder.photos = store_->photos();
  folder.labels.assign(folder.photos.size(), 0);
  const PhotoStore store = load_photos(folder, old.preprocessing, source_.threads, observer_);
  std::vector<float> before, now;
  for (std::uint32_t variant = 0; variant <= kStatisticsDraws; ++variant) {
    const std::vector<float> seen = run(old, store, all_of(store), variant, false).features;
    before.insert(before.end(), seen.begin(), seen.end());
    const std::vector<float> features = variant == 0 ? seen_.features : run(variant, false).features;
    now.insert(now.end(), features.begin(), features.end());
  }
  FeatureMap map = fit_feature_map(before, feature_width(old.model, old.network->classes()), now,
                                   feature_width(session_.model, session_.network->classes()));
  map.weights = weights_sha256(old.checkpoint);
  return map;
}

void BundleMaker::look() {
  if (seen_.features.empty()) seen_ = run(0, true);
}

void BundleMaker::gather_statistics() {
  if (statistics_.classes > 0) return;
  const auto classes = static_cast<std::size_t>(session_.network->classes());
  FeatureStatistics statistics(classes, feature_width(session_.model, session_.network->classes()), seen_.features,
                               store_->labels());
  statistics.add(seen_.features, store_->labels());
  for (std::uint32_t draw = 1; draw <= kStatisticsDraws; ++draw)
    statistics.add(run(draw, false).features, store_->labels());
  statistics.store(statistics_);
  look_at_held_out();
}

/// How well the head of the statistics does on test photos tells the device how far from its mean a new photo lies; how
/// well they fit, what a photo of somebody known looks like.
void BundleMaker::look_at_held_out() {
  if (tests_.labels.empty()) return;
  const bool bias = has_bias(session_.checkpoint, session_.model);
  const std::vector<int> predicted = predict_by_head(analytic_head(statistics_, 0.0, bias).rows, tests_);
  const KnownPeople known(statistics_, 1.0, bias);
  std::vector<double> scores;
  for (std::size_t i = 0; i < predicted.size(); ++i) {
    statistics_.held_out_correct += predicted[i] == tests_.labels[i] ? 1.0f : 0.0f;
    if (predicted[i] >= 0)
      scores.push_back(
          known.score(known.cosines(&tests_.features[i * statistics_.width]), static_cast<std::size_t>(predicted[i])));
  }
  statistics_.held_out_photos = static_cast<float>(predicted.size());
  statistics_.held_out_scores = score_quantiles(std::move(scores));
}

/// The device reads photos by class and file, and so did the scan: rows in the order of `chosen` are in the bundle's
/// order.
SafetensorsFile BundleMaker::statistics_of(const std::vector<std::size_t>& chosen) const {
  PeopleStatistics statistics = statistics_;
  for (const std::size_t photo : chosen) {
    const auto row = seen_.logits.begin() + static_cast<std::ptrdiff_t>(photo * statistics.classes);
    statistics.logits.insert(statistics.logits.end(), row, row + static_cast<std::ptrdiff_t>(statistics.classes));
  }
  return write_people_statistics(statistics);
}

MadeBundle BundleMaker::make(const BundleRequest& request) {
  const OutputClaim claim(request.output, {"bundle", observer_.files});
  decode();
  if (request.knowledge || needs_features(request.strategy) || !request.previous.empty()) look();
  if (request.knowledge) gather_statistics();
  Bundle bundle;
  bundle.checkpoint = session_.checkpoint;
  bundle.checkpoint.people.clear();  // they lie beside it
  bundle.checkpoint.people_photos = "{}";
  bundle.kind = request.kind.value_or(session_.checkpoint.kind);
  bundle.strategy = name_of(request.strategy);
  bundle.fraction = request.fraction;
  bundle.seed = request.seed;
  const std::vector<std::size_t> chosen =
      choose_subset(store_->labels(), request.fraction, request.strategy, request.seed, seen_.features);
  for (const std::size_t i : chosen) bundle.photos.push_back(bundle_photo(store_->photo(i), false));
  if (request.test_photos)
    for (const Photo& photo : test_photos_) bundle.photos.push_back(bundle_photo(photo, true));
  if (request.knowledge) bundle.tensors[kKnowledgeName] = statistics_of(chosen);
  if (!request.previous.empty()) bundle.tensors[kPreviousName] = write_feature_map(map_from(request.previous));
  MadeBundle made;
  if (request.features)
    made.features = pack_features(bundle, *session_.backend, *request.features, source_.checkpoint, observer_);
  made.written = write_bundle(request.output, bundle, observer_.files);
  made.training_photos = store_->size();
  made.knowledge_bytes = made.written.tensors_bytes;
  if (made.features) {
    made.written.photos = made.features->photos;
    made.written.test_photos = made.features->test_photos;
    made.knowledge_bytes -= made.features->member_bytes;
  }
  return made;
}

MadeBundle make_bundle(const BundleSource& source, const BundleRequest& request, const RunObserver& observer) {
  return BundleMaker(source, observer).make(request);
}

}  // namespace tsugi
