// Prepares the device's run: bundle, personal photos, grown head; then trains as every run does.
#include "engine/train/handover.h"

#include <algorithm>
#include <map>

#include "engine/core/device.h"
#include "engine/state/bundle.h"
#include "engine/train/dataset.h"
#include "engine/train/prepare.h"

namespace tsugi {
namespace {

constexpr int kBatch = 16;                   // of evaluations before training: small, for small devices
constexpr float kLearningRateShare = 0.2f;  // of pretraining's: the old people's weights are good already

/// Photos of both sides, and which of them train and test.
struct Material {
  PhotoFolder folder;
  std::vector<bool> is_test;      // bundle photos: their role; personal ones are split later
  std::size_t bundle_photos = 0;  // they come first
};

Material gather(const Bundle& bundle, const PhotoFolder& personal, const std::vector<std::string>& class_names) {
  Material material;
  material.folder.class_names = class_names;
  material.folder.ignored = personal.ignored;
  const auto label_of = [&](const std::string& name) {
    return static_cast<int>(std::find(class_names.begin(), class_names.end(), name) - class_names.begin());
  };
  for (const BundlePhoto& photo : bundle.photos) {
    material.folder.photos.push_back({photo.class_name, photo.class_name + "/" + photo.file, "", photo.bytes});
    material.folder.labels.push_back(label_of(photo.class_name));
    material.is_test.push_back(photo.test);
  }
  material.bundle_photos = bundle.photos.size();
  for (const Photo& photo : personal.photos) {
    material.folder.photos.push_back(photo);
    material.folder.labels.push_back(label_of(photo.class_name));
  }
  return material;
}

/// Roles of the decoded photos: the bundle's as it says, personal ones by the usual split, the training ones capped.
Split split_material(const Material& material, const PhotoStore& store, const TrainSettings& settings, std::size_t cap, int first_new) {
  std::map<std::string, bool> test_of;
  for (std::size_t i = 0; i < material.bundle_photos; ++i) test_of[material.folder.photos[i].file] = material.is_test[i];
  Split split;
  std::vector<Photo> personal;
  std::vector<int> labels;
  std::vector<std::uint32_t> positions;
  for (std::uint32_t i = 0; i < store.size(); ++i) {
    if (store.label(i) >= first_new) {
      personal.push_back(store.photo(i));
      labels.push_back(store.label(i));
      positions.push_back(i);
    } else {
      (test_of.at(store.photo(i).file) ? split.test : split.train).push_back(i);
    }
  }
  Split own = split_by_person(personal, labels, settings.test_fraction, settings.seed);
  cap_training(own, labels, first_new, cap);
  for (const std::uint32_t i : own.train) split.train.push_back(positions[i]);
  for (const std::uint32_t i : own.test) split.test.push_back(positions[i]);
  return split;
}

/// Broken photos are skipped, but a person of whom nothing is left cannot be learnt.
void check_personal(const PhotoStore& store, const std::vector<std::string>& class_names, int first_new, const std::string& place) {
  for (int label = first_new; label < static_cast<int>(class_names.size()); ++label)
    if (std::count(store.labels().begin(), store.labels().end(), label) == 0)
      throw Error(place + ": " + class_names[static_cast<std::size_t>(label)] + " has 0 photos that can be read, at least 2 are needed");
}

TrainSettings settings_for(const HandoverRequest& request, const Checkpoint& checkpoint, bool continued) {
  TrainSettings settings;
  apply_json(settings, checkpoint.settings, request.bundle + ": settings");
  if (!continued) {
    settings.epochs = 4;
    settings.balanced = true;
    settings.optimizer.lr *= kLearningRateShare;
    settings.schedule.kind = ScheduleKind::cosine;
    settings.schedule.warmup_epochs = 0.1;
  }
  apply_json(settings, request.train.overrides, "command line");
  if (continued && settings.seed != checkpoint.progress.seed)
    throw Error("seed is " + std::to_string(settings.seed) + ", but " + request.continue_from + " was trained with seed " +
                std::to_string(checkpoint.progress.seed) + " and goes on with it");
  return settings;
}

std::vector<int> labels_of(const PhotoStore& store, const std::vector<std::uint32_t>& photos) {
  std::vector<int> labels;
  for (const std::uint32_t i : photos) labels.push_back(store.label(i));
  return labels;
}

void start_new_rows(NewRow how, Network& network, int first_new, const PhotoSource& source, const Split& split, std::uint64_t seed) {
  if (how == NewRow::imprint) {
    Inference inference(network, kBatch);
    const Predictions predictions = inference.run(source, split.train, true);
    imprint_rows(network, first_new, predictions.features, labels_of(source.store(), split.train));
    return;
  }
  const ParameterInfo& info = *network.layout().find(static_cast<int>(network.model().layers.size()) - 1, "weight");
  const auto width = static_cast<std::size_t>(info.shape[1]);
  std::vector<float> rows(static_cast<std::size_t>(network.classes() - first_new) * width);
  fill_normal(seed, static_cast<std::uint32_t>(first_new), 0.01f, rows.data(), rows.size());
  network.backend().copy_to_device(network.parameters() + info.offset + static_cast<std::size_t>(first_new) * width, rows.data(),
                                   rows.size() * sizeof(float));
}

std::vector<std::uint32_t> general_only(const PhotoStore& store, const std::vector<std::uint32_t>& photos, int first_new) {
  std::vector<std::uint32_t> general;
  for (const std::uint32_t i : photos)
    if (store.label(i) < first_new) general.push_back(i);
  return general;
}

/// How the checkpoint does on the general test photos as it was received.
void measure_before(Backend& backend, const Checkpoint& received, const Model& model, const PhotoSource& source, const Split& split,
                    const std::string& place, MetricsHistory& history) {
  Network network(backend, model, received.class_names);
  network.load(received, place);
  Inference inference(network, kBatch);
  const auto photos = general_only(source.store(), split.test, network.classes());
  const Evaluation evaluation = evaluate(inference, source, photos, network.classes(), {});
  history.accuracy_general_before = evaluation.overall.accuracy();
  history.before = evaluation.per_class;
}

}  // namespace

RunSummary resume(const HandoverRequest& request, const RunObserver& observer) {
  const Stopwatch clock;  // from just before the bundle is opened
  if (observer.files != nullptr) {
    observer.files->personal(request.personal);
    if (!request.train.run.metrics.empty()) observer.files->personal(request.train.run.metrics);  // accuracies of personal photos
  }
  const Bundle bundle = read_bundle(request.bundle, {}, observer.files);
  const bool continued = !request.continue_from.empty();
  const Checkpoint& received = bundle.checkpoint;
  const Model model = parse_model(received.model, request.bundle + ": model");
  const PhotoFolder personal = scan_person(request.personal);
  Checkpoint start = received;
  grow_head(start, model, personal.class_names, request.personal);
  const int first_new = static_cast<int>(received.class_names.size());
  if (continued) {
    const Checkpoint interrupted = read_checkpoint(request.continue_from, observer.files);
    if (interrupted.class_names != start.class_names || interrupted.model != start.model)
      throw Error(request.continue_from + ": is of model and people other than " + request.bundle + " with " + request.personal);
    const std::vector<std::string> personal_now = start.personal_classes;
    start = interrupted;
    mark_personal(start, personal_now);  // whatever the interrupted checkpoint says
  }
  const TrainSettings settings = settings_for(request, start, continued);
  const Preprocessing preprocessing = preprocessing_from_json(received.preprocessing, request.bundle + ": preprocessing");
  check_outputs(request.train.run, observer.files);
  const std::unique_ptr<Backend> backend = make_backend(request.train.device, request.train.threads);
  const DType dtype = choose_precision(request.train.precision, *backend);

  const Material material = gather(bundle, personal, start.class_names);
  const PhotoStore store = load_photos(material.folder, preprocessing, request.train.threads, observer);
  check_personal(store, start.class_names, first_new, request.personal);
  const Split split = split_material(material, store, settings, request.personal_photos, first_new);
  if (continued && start.progress.batch != 0 && start.train_photos.size() != split.train.size())
    throw Error(request.continue_from + ": stopped in the middle of an epoch over " + std::to_string(start.train_photos.size()) +
                " training photos, now there are " + std::to_string(split.train.size()));
  PhotoSource source(*backend, store);
  MetricsHistory history;
  if (continued) {
    history = metrics_from_json(start.metrics, request.continue_from);
  } else {
    start.progress = {settings.seed, 0, 0, 0};
    measure_before(*backend, received, model, source, split, request.bundle, history);
  }

  Network network(*backend, model, start.class_names);
  network.load(start, request.bundle);
  if (!continued) start_new_rows(request.new_row, network, first_new, source, split, settings.seed);
  if (!continued) network.store(start);
  Trainer trainer(network, source, split.train, settings, {dtype, request.train.memory_budget, request.train.graph});
  trainer.load(start, request.bundle);
  announce(observer, *backend, network, trainer, split.train.size(), split.test.size());

  Run run{network, trainer, source, split.test, {}, true, settings, start, history, clock};
  for (const std::string& name : start.class_names)
    run.personal.push_back(std::find(start.personal_classes.begin(), start.personal_classes.end(), name) != start.personal_classes.end());
  describe(run.checkpoint, settings, preprocessing, store, split);
  run.checkpoint.provenance = provenance_json(start.class_names, start.personal_classes, split.train.size(), "resume");
  return run_training(run, request.train.run, observer);
}

}  // namespace tsugi
