#include "bench/measure/recorded_step.h"

#include <numeric>

#include "bench/measure/recording_backend.h"
#include "engine/train/photo_source.h"
#include "engine/train/pretrain.h"

namespace tsugi::bench {
namespace {

/// As many photos as are planned for, and the pixels of none.
class PlannedPhotos : public SampleSource {
 public:
  PlannedPhotos(Backend& backend, const StepRequest& request)
      : SampleSource(backend),
        preprocessing_(request.preprocessing),
        shape_(request.list.model.input),
        photos_(request.photos + request.other_photos),
        classes_(request.list.classes) {
    row_.resize(row_bytes());
  }

  std::size_t size() const override { return photos_; }
  int label(std::size_t item) const override { return static_cast<int>(item % static_cast<std::size_t>(classes_)); }
  const std::string& name(std::size_t) const override { return name_; }
  const PhotoIdentity& identity(std::size_t) const override { return identity_; }  // nobody asks
  SampleShape shape() const override { return shape_; }
  const std::uint8_t* rows() const override { return row_.data(); }
  std::size_t row_bytes() const override {
    const auto side = static_cast<std::size_t>(preprocessing_.stored_size);
    return side * side * 3;
  }
  std::size_t bytes() const override { return photos_ * row_bytes(); }
  std::uint32_t row(std::uint32_t, std::uint32_t) const override { return 0; }
  std::size_t workspace_bytes(const SampleRequest& request) const override {
    return backend().workspace_bytes(augment_op(preprocessing_, request));
  }
  void make_batch(const SampleRequest& request) const override {
    backend().augment_forward(augment_op(preprocessing_, request));
  }

 private:
  Preprocessing preprocessing_;
  SampleShape shape_;
  std::size_t photos_;
  int classes_;
  std::string name_ = "planned/photo";
  PhotoIdentity identity_;
  std::vector<std::uint8_t> row_;
};

}  // namespace

StepRequest usual_step(const ShapeList& list, int batch, DType dtype) {
  StepRequest request;
  request.list = list;
  request.settings = pretrain_settings(list.model, "model " + list.model.name);
  request.settings.batch = batch;
  request.dtype = dtype;
  request.photos = 2 * static_cast<std::size_t>(batch);
  request.preprocessing = default_preprocessing(list.model.input.h);
  return request;
}

RecordedStep record_step(Backend& kernels, const StepRequest& request) {
  constexpr std::size_t kMostPhotos = 4000000;
  if (request.photos + request.other_photos > kMostPhotos)
    throw Error("plan: " + std::to_string(request.photos + request.other_photos) + " photos, at most " +
                std::to_string(kMostPhotos) + " are planned for");
  RecordingBackend backend(kernels, request.device, request.device_memory);
  Network network(backend, request.list.model, request.list.class_names());
  PlannedPhotos source(backend, request);
  std::vector<std::uint32_t> photos(request.photos);
  std::iota(photos.begin(), photos.end(), 0u);
  Trainer trainer(network, source, std::move(photos), request.settings, {request.dtype, request.memory_budget, false});
  RecordedStep step;
  step.memory = trainer.memory();
  step.batch = trainer.batch();
  step.steps_per_epoch = trainer.steps_per_epoch();
  trainer.watch(&backend);
  backend.start();
  trainer.step();
  backend.take(step);
  return step;
}

}  // namespace tsugi::bench
