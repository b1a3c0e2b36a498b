// Prepares the device's run: bundle, personal photos, grown head; then trains as every run does. With features, what is
// trained is the upper part of the model, as a model of its own; the lower part joins it again whenever a checkpoint is
// written.
#include "engine/handover/handover.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>

#include "engine/core/device.h"
#include "engine/handover/bundle.h"
#include "engine/handover/judge.h"
#include "engine/handover/knowledge.h"
#include "engine/handover/material.h"
#include "engine/handover/weight_average.h"
#include "engine/model/cut.h"
#include "engine/train/handover_settings.h"
#include "engine/train/memory_share.h"
#include "engine/train/prepare.h"
#include "engine/tuning/tuned_backend.h"

namespace tsugi {
namespace {

constexpr int kBatch = 16;                  // of evaluations before training: small, for small devices
constexpr double kLearningRateShare = 0.2;  // of pretraining's
constexpr float kLeastInterpolation =
    0.3f;  // chosen with the cube root and kLeastNewClassScale on lfw/tuning (README.md)
constexpr float kLeastNewClassScale = 0.65f;
constexpr float kNewRowLength = 2.0f;  // times the old rows' mean: what is no longer needs no scale
constexpr float kClipNorm = 1.0f;      // frozen batch norm does not tame large gradients
constexpr std::uint64_t kJudgesDraws =
    1;  // added to the seed: the judge's draws of old people are not those that rows were fitted to

bool carries_training_photos(const Bundle& bundle) {
  return std::any_of(bundle.photos.begin(), bundle.photos.end(), [](const BundlePhoto& photo) { return !photo.test; });
}

/// cut: null when the bundle carries photos.
TrainSettings settings_for(const HandoverRequest& request, const Bundle& bundle, const Model& model,
                           const Checkpoint& checkpoint, const CutBundle* cut, bool continued,
                           const RunObserver& observer) {
  TrainSettings settings;
  const NamedSettings sent = named_settings(checkpoint.settings, request.bundle + ": settings");
  sent.train.apply(settings, request.bundle + ": settings");
  if (!continued) {
    const std::string servers = unusual(sent.handover.values);
    if (!servers.empty() && observer.say)
      observer.say(request.bundle + ": its settings of the hand-over (" + servers +
                   ") are left aside: they are this device's to choose");
    settings.epochs = kHandoverEpochs;
    settings.freeze_until = cut != nullptr ? ""
                                           : default_freeze(model, static_cast<int>(checkpoint.class_names.size()),
                                                            carries_training_photos(bundle));
    settings.balanced = true;
    settings.frozen_batch_norm = true;
    settings.optimizer.clip_norm = kClipNorm;
    settings.optimizer.lr = static_cast<float>(settings.optimizer.lr * kLearningRateShare);
    settings.schedule.kind = ScheduleKind::cosine;
    settings.schedule.warmup_epochs = 0.1;
  }
  if (cut != nullptr) settings.variants = cut->features.variants;
  request.train.overrides.apply(settings, "command line");
  if (cut != nullptr && settings.variants != cut->features.variants)
    throw Error(request.bundle + ": carries " + std::to_string(cut->features.variants) +
                " variants of each photo as activations, --augment asks for " + std::to_string(settings.variants));
  if (continued && settings.seed != checkpoint.progress.seed)
    throw Error("seed is " + std::to_string(settings.seed) + ", but " + request.continue_from +
                " was trained with seed " + std::to_string(checkpoint.progress.seed) + " and goes on with it");
  return settings;
}

/// start: what the interrupted hand-over left, or `grown`: the network before the first step, its rows from first_new
/// on fitted to new people.
HandoverSettings own_settings(const HandoverRequest& request, const Bundle& bundle, const Checkpoint& start,
                              const Checkpoint& grown, const std::string& head, int first_new) {
  HandoverSettings own;
  if (request.continue_from.empty()) {
    own.weight_interpolation = default_weight_interpolation(bundle.fraction);
    own.new_class_scale = default_new_class_scale(grown, head, first_new);
  } else {
    const std::string place = request.continue_from + ": settings";
    named_settings(start.settings, place).handover.apply(own, place);
  }
  request.overrides.apply(own, "command line");
  return own;
}

std::vector<std::uint32_t> general_only(const SampleSource& source, const std::vector<std::uint32_t>& photos,
                                        int first_new) {
  std::vector<std::uint32_t> general;
  for (const std::uint32_t i : photos)
    if (source.label(i) < first_new) general.push_back(i);
  return general;
}

/// How the checkpoint does on the general test photos as it was received.
void measure_before(Backend& backend, const Checkpoint& received, const Model& model, const SampleSource& source,
                    const Split& split, const std::string& place, MetricsHistory& history) {
  Network network(backend, model, received.class_names);
  network.load(received, place);
  Inference inference(network, kBatch);
  const auto photos = general_only(source, split.test, network.classes());
  const Evaluation evaluation = evaluate(inference, source, photos, network.classes(), {});
  history.accuracy_general_before = evaluation.overall.accuracy();
  history.before = evaluation.per_class;
}

/// The checkpoint that training starts from, its head grown: the bundle's, or that of the interrupted hand-over.
Checkpoint starting_point(const HandoverRequest& request, const Checkpoint& received, const Model& model,
                          const PhotoFolder& personal, FileLog* files) {
  Checkpoint start = received;
  grow_head(start, model, personal.class_names, request.personal);
  if (request.continue_from.empty()) return start;
  Checkpoint interrupted = read_checkpoint(request.continue_from, files);
  if (interrupted.class_names != start.class_names || interrupted.model != start.model)
    throw Error(request.continue_from + ": is of model and people other than " + request.bundle + " with " +
                request.personal);
  mark_personal(interrupted, start.personal_classes);  // whatever the interrupted checkpoint says
  return interrupted;
}

/// The part of `start` above the cut. An interrupted hand-over must have the bundle's weights below it.
Checkpoint upper_part(const Checkpoint& start, const CutBundle& cut, const std::string& place) {
  CheckpointParts parts = split_checkpoint(start, cut.cut, place);
  const std::string found = weights_sha256(parts.lower);
  if (found != cut.features.lower_sha256)
    throw Error(place + ": its weights below " + cut.cut.layer + " have digest " + found + ", the bundle's have " +
                cut.features.lower_sha256);
  return parts.upper;
}

/// What the received network says of the training photos; nothing when nothing is distilled. cut: null when the bundle
/// carries photos.
Teacher teacher_for(Backend& backend, const Bundle& bundle, const CutBundle* cut, const Model& trained,
                    const SampleSource& source, const Split& split, const HandoverSettings& own,
                    const std::string& place, const RunObserver& observer) {
  if (own.distillation == 0.0f) return {};
  const Checkpoint& received = cut != nullptr ? cut->upper : bundle.checkpoint;
  Network network(backend, trained, received.class_names);
  network.load(received, place);
  const StoredLogits stored =
      cut != nullptr ? StoredLogits() : stored_logits(bundle, trained, place);  // by photo, and there is none
  Teacher teacher = make_teacher(network, source, split.train, stored, own.distillation_personal, place);
  teacher.weight = own.distillation;
  teacher.temperature = own.distillation_temperature;
  if (observer.say)
    observer.say("distilling what the received network says of " +
                 std::to_string(std::count(teacher.known.begin(), teacher.known.end(), true)) + " of " +
                 std::to_string(teacher.known.size()) + " training photos; the bundle has it of " +
                 std::to_string(stored.size()));
  return teacher;
}

}  // namespace

std::string default_freeze(const Model& model, int classes, bool old_photos) {
  if (old_photos) return "";
  const std::vector<CutPlace> places = cut_places(model, classes);
  return places.empty() ? "" : places.back().layer;
}

float default_new_class_scale(const Checkpoint& grown, const std::string& head, int first_new) {
  const float ratio = new_row_length(grown, head, first_new);
  return ratio > kNewRowLength ? std::max(kLeastNewClassScale, kNewRowLength / ratio) : 1.0f;
}

float default_weight_interpolation(double fraction) {
  return std::max(kLeastInterpolation, static_cast<float>(std::cbrt(fraction)));
}

RunSummary resume(const HandoverRequest& request, const RunObserver& observer) {
  const Stopwatch clock;  // from just before the bundle is opened
  validate(request.overrides.values, "command line");
  if (observer.files != nullptr) observer.files->personal(request.personal);
  BundleLimits limits;  // what does not fit --memory need not be read first
  if (request.train.memory_budget != 0)
    limits.total_bytes = std::min<std::uint64_t>(limits.total_bytes, request.train.memory_budget);
  const Bundle bundle = read_bundle(request.bundle, limits, observer.files);
  const bool continued = !request.continue_from.empty();
  const Model model = parse_model(bundle.checkpoint.model, request.bundle + ": model");
  const std::unique_ptr<CutBundle> cut = cut_bundle(bundle, model, request.bundle);
  const Model& trained = cut != nullptr ? cut->cut.upper : model;
  const Checkpoint& received = cut != nullptr ? cut->upper : bundle.checkpoint;
  const PhotoFolder personal = scan_person(request.personal);
  Checkpoint start = starting_point(request, bundle.checkpoint, model, personal, observer.files);
  if (cut != nullptr) start = upper_part(start, *cut, continued ? request.continue_from : request.bundle);
  const int first_new = static_cast<int>(received.class_names.size());
  const TrainSettings settings = settings_for(request, bundle, model, start, cut.get(), continued, observer);
  (void)frozen_layers(trained, settings.freeze_until);  // a slip in its name shows before photos are decoded
  const Preprocessing preprocessing =
      preprocessing_from_json(received.preprocessing, request.bundle + ": preprocessing");
  const std::vector<OutputClaim> claims = claim_outputs(request.train.run, true, observer.files);
  const std::unique_ptr<Backend> backend = make_tuned_backend(request.train.device, request.train.threads,
                                                              {request.train.tuning, observer.files, observer.say});
  const DType dtype = choose_precision(request.train.precision, *backend);

  // The bundle stays in memory; the weights as they came, as they began, as they are and as they are averaged.
  const ParameterLayout layout(trained, static_cast<int>(start.class_names.size()));
  const std::size_t held = std::filesystem::file_size(request.bundle) + 4 * layout.count() * sizeof(float);
  const MemoryShare share = share_memory(request.train.memory_budget, *backend, layout, settings.optimizer, held);
  const MaterialRequest wanted{bundle,        personal, request.personal,        start.class_names,     first_new,
                               preprocessing, settings, request.personal_photos, request.train.threads, share.photos};
  const std::unique_ptr<Material> material =
      cut != nullptr ? feature_material(*backend, wanted, *cut, observer) : photo_material(*backend, wanted, observer);
  SampleSource& source = *material->source;
  const Split& split = material->split;
  if (continued) {
    Checkpoint now;
    describe(now, start.settings, preprocessing, source, split);
    check_same_photos(start, now, "resume", request.continue_from, observer);
  }
  MetricsHistory history;
  if (continued) {
    history = continued_history(start, request.continue_from, request.train.run.metrics, observer.files);
  } else {
    measure_before(*backend, received, trained, source, split, request.bundle, history);
  }

  Network network(*backend, trained, start.class_names);
  const std::optional<Knowledge> knowledge =
      read_knowledge(bundle, model, request.bundle,
                     cut != nullptr ? std::optional<std::size_t>(cut->features.train_files.size()) : std::nullopt);
  Checkpoint before_training = received;  // also where training began long ago
  grow_head(before_training, trained, personal.class_names, request.personal);
  before_training.progress = {settings.seed, 0, 0, 0};
  network.load(before_training, request.bundle);
  start_new_rows(request.new_row, network, first_new, source, split, knowledge, settings);
  network.store(before_training);
  const std::string& head = trained.layers.back().name;
  const HandoverSettings own = own_settings(request, bundle, start, before_training, head, first_new);
  const bool only_head = frozen_layers(trained, settings.freeze_until) + 1 == static_cast<int>(trained.layers.size());
  const Judge judge(network, source, split.train, first_new,
                    knowledge ? replay(*knowledge, settings.seed + kJudgesDraws) : HeadSamples{}, only_head, settings);
  const Recalls at_start = request.keep == Keep::better ? judge.look() : Recalls{};
  if (!continued) start = before_training;
  if (continued && history.kept == "trained" && start.progress.epoch < static_cast<std::uint32_t>(settings.epochs)) {
    // It ended with settings that may not be today's: it trains on as it was before.
    const HandoverSettings ended = named_settings(start.settings, request.continue_from + ": settings").handover.values;
    adjust_new_rows(start, head, first_new, 1.0f / ended.new_class_scale,
                    ended.new_class_bias_shift / ended.new_class_scale);
  }
  Trainer trainer(network, source, split.train, settings, {dtype, share.training, request.train.graph},
                  teacher_for(*backend, bundle, cut.get(), trained, source, split, own, request.bundle, observer));
  trainer.load(start, request.bundle);
  announce(observer, *backend, network, trainer, split.train.size(), split.test.size());

  Run run{network, trainer, source, split.test, {}, true, settings, start, history, clock};
  if (cut != nullptr) run.lower = &cut->lower;
  run.start = &before_training;
  if (own.weight_interpolation < 1.0f)
    run.average = [&](Checkpoint& trained_weights) {
      average_weights(trained_weights, before_training, own.weight_interpolation);
    };
  if (own.new_class_scale != 1.0f || own.new_class_bias_shift > 0.0f)
    run.new_rows = [&](Checkpoint& kept) {
      adjust_new_rows(kept, head, first_new, own.new_class_scale, -own.new_class_bias_shift);
    };
  if (request.keep == Keep::better) run.worth_keeping = [&] { return is_better(at_start, judge.look()); };
  for (const std::string& name : start.class_names)
    run.personal.push_back(std::find(start.personal_classes.begin(), start.personal_classes.end(), name) !=
                           start.personal_classes.end());
  describe(run.checkpoint, to_json(settings, own), preprocessing, source, split);
  run.checkpoint.provenance = provenance_json(start.class_names, start.personal_classes, split.train.size(), "resume");
  return run_training(run, request.train.run, observer);
}

}  // namespace tsugi
