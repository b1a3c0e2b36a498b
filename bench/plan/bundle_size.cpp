#include "bench/plan/bundle_size.h"

#include <cmath>
#include <cstdio>

#include "engine/data/photo_identity.h"
#include "engine/handover/people_statistics.h"
#include "engine/model/parameters.h"

namespace tsugi::bench {
namespace {

constexpr double kTarBlock = 512.0;       // a header, and what members are padded to
constexpr double kManifestPhoto = 170.0;  // a line of the manifest (engine/README.md)
constexpr double kManifest = 1000.0;

/// A member of a tar: header, bytes, padding.
double member(double bytes) { return kTarBlock + std::ceil(bytes / kTarBlock) * kTarBlock; }

/// Names as long as those of the usual face collections.
std::string person(int index) {
  char text[32];
  std::snprintf(text, sizeof text, "Person_Number_%04d", index);
  return text;
}

std::vector<NamedTensor> tensors(const std::vector<ParameterInfo>& infos, const std::vector<float>& values) {
  std::vector<NamedTensor> made;
  for (const ParameterInfo& info : infos)
    made.push_back(make_tensor(info.name, info.shape, values.data() + info.offset));
  return made;
}

/// Values that a freshly trained network could have: start values compress as trained ones do.
Checkpoint example(const ShapeList& list, const TrainSettings& settings, const BundleRequestSize& request) {
  const ParameterLayout layout(list.model, list.classes);
  std::vector<float> values(layout.count()), statistics(layout.statistics_count());
  initialise_parameters(layout, list.model, 1, values.data());
  initialise_statistics(layout, statistics.data());
  Checkpoint checkpoint;
  checkpoint.model = list.model.json;
  checkpoint.settings = to_json(settings);
  for (int i = 0; i < list.classes; ++i) checkpoint.class_names.push_back(person(i));
  checkpoint.parameters = tensors(layout.parameters(), values);
  checkpoint.statistics = tensors(layout.statistics(), statistics);
  if (settings.optimizer.kind != OptimizerKind::sgd) {
    checkpoint.moments["adam_m"] = checkpoint.moments["adam_v"] = checkpoint.parameters;
  } else if (settings.optimizer.momentum != 0.0f) {
    checkpoint.moments["momentum"] = checkpoint.parameters;
  }
  const auto name = [&](std::size_t i) {
    return person(static_cast<int>(i % static_cast<std::size_t>(list.classes))) + "/" + person(static_cast<int>(i)) +
           ".jpg";
  };
  for (std::size_t i = 0; i < request.train_photos; ++i) checkpoint.train_photos.push_back(name(i));
  for (std::size_t i = 0; i < request.test_photos; ++i)
    checkpoint.test_photos.push_back(name(request.train_photos + i));
  const PhotoIdentity some{std::string(64, '0'), std::string(64, '0'), 0};
  checkpoint.train_digests.assign(request.train_photos, some.file);
  checkpoint.test_digests.assign(request.test_photos, some.file);
  checkpoint.train_prints.assign(request.train_photos, to_print(some));
  checkpoint.test_prints.assign(request.test_photos, to_print(some));
  return checkpoint;
}

}  // namespace

BundleSizes::BundleSizes(const ShapeList& list, const TrainSettings& settings, const BundleRequestSize& request)
    : request_(request),
      classes_(list.classes),
      width_(static_cast<double>(feature_width(list.model, list.classes))),
      checkpoint_(static_cast<double>(encode_checkpoint(example(list, settings, request), request.kind).size())) {}

BundleSize BundleSizes::with(std::size_t sent) const {
  constexpr double kHeader = 500.0, kHalf = 2.0, kFloat = 4.0;
  const auto photos = static_cast<double>(sent),
             tests = request_.send_test_photos ? static_cast<double>(request_.test_photos) : 0.0;
  const double padded = request_.photo_bytes + 1.5 * kTarBlock;  // header, and half a block of padding on average
  BundleSize size;
  size.checkpoint = member(checkpoint_);
  if (request_.knowledge) {
    const double covariance = width_ <= static_cast<double>(kLargestCovariance) ? width_ * width_ : width_;
    size.knowledge = member(kHeader + kHalf * classes_ * photos + kFloat * (classes_ * (width_ + 1.0) + covariance));
  }
  size.photos = photos * padded;
  size.test_photos = tests * padded;
  size.manifest = member(kManifest + kManifestPhoto * (photos + tests));
  size.total = size.checkpoint + size.knowledge + size.photos + size.test_photos + size.manifest + 2.0 * kTarBlock;
  return size;
}

}  // namespace tsugi::bench
