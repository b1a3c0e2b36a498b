// Prepares the device's run, step by step; then it trains as every run does. With features, what is trained is the
// upper part of the model, as a model of its own; the lower part joins it again whenever a checkpoint is written.
#include "engine/handover/handover.h"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "engine/core/device.h"
#include "engine/core/text.h"
#include "engine/formats/file_kind.h"
#include "engine/handover/bundle.h"
#include "engine/handover/chosen_settings.h"
#include "engine/handover/ending.h"
#include "engine/handover/head_draws.h"
#include "engine/handover/head_start.h"
#include "engine/handover/material.h"
#include "engine/handover/new_classes.h"
#include "engine/handover/personal_people.h"
#include "engine/handover/release.h"
#include "engine/handover/teacher.h"
#include "engine/train/crop_sheet.h"
#include "engine/train/dataset.h"
#include "engine/train/inference.h"
#include "engine/train/memory_share.h"
#include "engine/train/prepare.h"
#include "engine/tuning/tuned_backend.h"

namespace tsugi {
namespace {

constexpr std::uint64_t kKeepBestDraws = 1;  // added to the seed: it sees draws that no row was fitted to

/// A hand-over under way. Its steps are called once each, in the order of their declaration.
class Handover {
 public:
  Handover(const HandoverRequest& request, const RunObserver& observer)
      : request_(request), observer_(observer), continued_(!request.continue_from.empty()) {}

  void read_bundle();
  void grow_head();
  void choose_settings();
  void prepare_device();
  void mix_photos();
  void look_back();
  void start_head();
  void teach();
  RunSummary train_on();

 private:
  // What is trained, and the weights that it came with: with features, the part above the cut.
  const Model& trained() const { return cut_ != nullptr ? cut_->cut.upper : model_; }
  const Checkpoint& received() const { return cut_ != nullptr ? cut_->upper : bundle_.checkpoint; }
  int first_new() const { return static_cast<int>(statistics_ ? statistics_->classes : received().class_names.size()); }
  const std::string& head() const { return trained().layers.back().name; }

  void take_checkpoint();
  void carry_over();
  Checkpoint interrupted();
  Checkpoint upper_part(const Checkpoint& whole, const std::string& place) const;
  void measure_received();
  std::optional<KeepBest> keep_best() const;

  const HandoverRequest& request_;
  const RunObserver& observer_;
  bool continued_;
  bool lives_ = false;  // on a device already: a checkpoint with statistics takes the bundle's place
  Stopwatch clock_;

  Bundle bundle_;
  std::string
      received_sha256_;  // of the weights that it began with; "" where an older version's checkpoint does not say
  Model model_;          // the bundle's, whole
  std::unique_ptr<CutBundle> cut_;  // null when the bundle carries photos
  PhotoFolder personal_;
  std::vector<std::string> joining_;  // personal people: of the folder, and those that are carried over
  Checkpoint before_;                 // of the device, whose photo lists live on; empty when it begins with the bundle
  Checkpoint start_;  // what training starts from, its head grown: the bundle's, or that of the interrupted hand-over
  Checkpoint imprinted_;  // where training begins or, continued, began long ago
  TrainSettings settings_;
  HandoverSettings own_;
  const Checkpoint unknown_;  // knows no photo
  Preprocessing preprocessing_;
  std::vector<OutputClaim> claims_;
  std::unique_ptr<Backend> backend_;
  DType dtype_ = DType::f32;
  MemoryShare share_;
  std::unique_ptr<Material> material_;
  MetricsHistory history_;
  std::unique_ptr<Network> network_;
  std::optional<PeopleStatistics> statistics_;
  double spread_ = kUsualSpread;  // of draws of the old people
};

void Handover::read_bundle() {
  validate(request_.overrides.values, "command line");
  if (observer_.files != nullptr)
    for (const std::string& place : {request_.personal, request_.from})
      if (!place.empty()) observer_.files->personal(place);
  if (detect_file_kind(request_.bundle, observer_.files) == FileKind::safetensors) return take_checkpoint();
  BundleLimits limits;  // what does not fit --memory need not be read first
  if (request_.train.memory_budget != 0)
    limits.total_bytes = std::min<std::uint64_t>(limits.total_bytes, request_.train.memory_budget);
  bundle_ = tsugi::read_bundle(request_.bundle, limits, observer_.files);
  bundle_.checkpoint.people.clear();  // a bundle's lie beside its checkpoint
  bundle_.checkpoint.people_photos = "{}";
  received_sha256_ = weights_sha256(bundle_.checkpoint);
  if (!request_.received.empty() && request_.received != received_sha256_)
    throw Error(request_.bundle + ": its weights have digest " + received_sha256_ + ", " + request_.received +
                " expected: another bundle than the hand-over began with");
  model_ = parse_model(bundle_.checkpoint.model, request_.bundle + ": model");
  cut_ = cut_bundle(bundle_, model_, request_.bundle);
  std::optional<std::size_t> training_photos;  // where the bundle does not carry them as photos
  if (cut_ != nullptr) training_photos = cut_->features.train_files.size();
  statistics_ = read_people_statistics(bundle_, model_, request_.bundle, training_photos);
}

/// A checkpoint that knows where everybody's features lie is a bundle without photos.
void Handover::take_checkpoint() {
  lives_ = true;
  bundle_.checkpoint = read_checkpoint(request_.bundle, observer_.files);
  bundle_.kind = bundle_.checkpoint.kind;
  received_sha256_ = provenance_of(bundle_.checkpoint, "received");
  model_ = parse_model(bundle_.checkpoint.model, request_.bundle + ": model");
  statistics_ = read_people(bundle_.checkpoint, model_, request_.bundle);
  const bool handed_over = provenance_of(bundle_.checkpoint, "command") == "resume";
  if (!statistics_ || !handed_over)
    throw Error(
        request_.bundle + ": is a checkpoint " +
        (handed_over ? "without statistics of its people, because its layers learnt since" : "that no hand-over left") +
        "; a bundle expected, or what a hand-over left that learnt the head alone");
}

void Handover::grow_head() {
  if (!request_.personal.empty()) personal_ = scan_person(request_.personal);
  if (!request_.people.empty()) personal_ = only_people(personal_, request_.people, request_.personal);
  joining_ = personal_.class_names;
  if (!request_.from.empty()) carry_over();
  start_ = bundle_.checkpoint;
  tsugi::grow_head(start_, model_, joining_, request_.personal);
  if (continued_) start_ = interrupted();
  if (cut_ != nullptr) start_ = upper_part(start_, continued_ ? request_.continue_from : request_.bundle);
}

/// What an earlier release's device knows of personal people whose photos are not at hand.
void Handover::carry_over() {
  if (lives_ || !statistics_ || cut_ != nullptr)
    throw Error(request_.bundle + ": is no release that " + request_.from +
                " could be carried over to: a bundle with statistics of its people expected, not of activations");
  before_ = read_checkpoint(request_.from, observer_.files);
  statistics_->personal =
      carried_people(before_, request_.from, bundle_, statistics_->width, request_.bundle, personal_.class_names);
  std::vector<std::string> carried;
  for (const PersonalPerson& person : statistics_->personal) carried.push_back(person.name);
  joining_.insert(joining_.end(), carried.begin(), carried.end());
  if (joining_.empty()) throw Error(request_.from + ": knows no personal people, at least 1 expected");
  keep_photos_of(before_, carried);
}

Checkpoint Handover::interrupted() {
  Checkpoint interrupted = read_checkpoint(request_.continue_from, observer_.files);
  if (interrupted.class_names != start_.class_names || interrupted.model != start_.model)
    throw Error(request_.continue_from + ": is of model and people other than " + request_.bundle + " with " +
                request_.personal);
  const std::string began = provenance_of(interrupted, "received");
  if (began.empty() && provenance_of(interrupted, "command") == "resume" && observer_.say)
    observer_.say(
        request_.continue_from +
        ": holds no digest of the weights it began with, an older tsugi wrote it: whether they are those of " +
        request_.bundle + " is not checked");
  if (!began.empty() && began != received_sha256_)
    throw Error(request_.continue_from + ": began with weights of digest " + shown(began) + ", those of " +
                request_.bundle + " have " + received_sha256_ +
                "; a hand-over goes on with the bundle that it began with");
  received_sha256_ = began;                             // what nobody checked stays unsaid
  mark_personal(interrupted, start_.personal_classes);  // whatever the interrupted checkpoint says
  return interrupted;
}

/// An interrupted hand-over must have the bundle's weights below the cut.
Checkpoint Handover::upper_part(const Checkpoint& whole, const std::string& place) const {
  CheckpointParts parts = split_checkpoint(whole, cut_->cut, place);
  const std::string found = weights_sha256(parts.lower);
  if (found != cut_->features.lower_sha256)
    throw Error(place + ": its weights below " + cut_->cut.layer + " have digest " + found + ", the bundle's have " +
                cut_->features.lower_sha256);
  return parts.upper;
}

void Handover::choose_settings() {
  const bool statistics = statistics_ && request_.new_row == NewRow::imprint;
  const HandoverOrigin origin{lives_, statistics, statistics && !statistics_->personal.empty()};
  settings_ = chosen_settings(request_, bundle_, model_, start_, cut_.get(), origin, observer_);
  std::error_code not_there;
  const std::string& output = request_.train.run.output;
  if (lives_ && settings_.epochs > 0 && std::filesystem::equivalent(output, request_.bundle, not_there))
    throw Error(output +
                ": is what training begins with, and an interrupted run must find it again; another file "
                "expected, which may take its place at the end");
  (void)frozen_layers(trained(), settings_.freeze_until);  // a slip in its name shows before photos are decoded
  preprocessing_ = preprocessing_from_json(received().preprocessing, request_.bundle + ": preprocessing");
}

void Handover::prepare_device() {
  const TrainRequest& train = request_.train;
  claims_ = claim_outputs(train.run, true, observer_.files);
  if (!train.save_crops.empty()) make_crop_folder(train.save_crops);
  backend_ = make_tuned_backend(train.device, train.threads, {train.tuning, observer_.files, observer_.say});
  dtype_ = choose_precision(train.precision, *backend_);
  // Until training begins: the bundle, and the weights as they came, as they began and as they start. Then less.
  const ParameterLayout layout(trained(), static_cast<int>(start_.class_names.size()));
  const std::size_t held = std::filesystem::file_size(request_.bundle) + 4 * layout.count() * sizeof(float);
  share_ = share_memory(train.memory_budget, *backend_, layout, settings_.optimizer, held);
}

void Handover::mix_photos() {
  const MaterialRequest wanted{bundle_,
                               personal_,
                               request_.personal,
                               start_.class_names,
                               first_new(),
                               preprocessing_,
                               settings_,
                               continued_ || lives_ ? start_ : unknown_,
                               request_.personal_photos,
                               request_.train.threads,
                               share_.photos,
                               request_.train.save_crops};
  material_ = cut_ != nullptr ? feature_material(*backend_, wanted, *cut_, observer_)
                              : photo_material(*backend_, wanted, observer_);
}

/// What was known before: of an interrupted run its history, else how the network does that came.
void Handover::look_back() {
  if (!continued_) return measure_received();
  Checkpoint now;
  describe(now, start_.settings, preprocessing_, *material_->source, material_->split);
  if (lives_) {
    now.personal_classes = start_.personal_classes;
    keep_photo_lists(now, bundle_.checkpoint);
  }
  if (cut_ != nullptr) {  // activations are compared, not what they were made from
    now.train_prints.clear();
    now.test_prints.clear();
  }
  check_same_photos(start_, now, "resume", request_.continue_from, observer_);
  history_ = continued_history(start_, request_.continue_from, request_.train.run.metrics, observer_.files);
  if (history_.before.empty()) measure_received();  // nothing is written of a run without a step
}

/// On the general test photos.
void Handover::measure_received() {
  Network network(*backend_, trained(), received().class_names);
  network.load(received(), request_.bundle);
  Inference inference(network, kSmallBatch);
  std::vector<std::uint32_t> photos;
  for (const std::uint32_t i : material_->split.test)
    if (material_->source->label(i) < first_new()) photos.push_back(i);
  const Evaluation evaluation = evaluate(inference, *material_->source, photos, network.classes(), {});
  history_.accuracy_general_before = evaluation.overall.accuracy();
  history_.before = evaluation.per_class;
}

void Handover::start_head() {
  network_ = std::make_unique<Network>(*backend_, trained(), start_.class_names);
  imprinted_ = received();
  tsugi::grow_head(imprinted_, trained(), joining_, request_.personal);
  imprinted_.progress = {settings_.seed, 0, 0, 0};
  own_ = chosen_own_settings(request_, bundle_, start_, lives_);
  network_->load(imprinted_, request_.bundle);
  spread_ = tsugi::start_head({request_.new_row, *network_, *material_->source, material_->split.train, first_new(),
                               static_cast<double>(own_.general_loss), observer_.say},
                              statistics_, imprinted_);
  network_->load(imprinted_, request_.bundle);
  if (!continued_) start_ = imprinted_;
  if (history_.kept == "trained" && start_.progress.epoch < static_cast<std::uint32_t>(settings_.epochs)) {
    // It ended with settings that may not be today's: it trains on as it was before.
    const HandoverSettings ended =
        named_settings(start_.settings, request_.continue_from + ": settings").handover.values;
    adjust_new_classes(start_, head(), first_new(), 1.0f / ended.new_class_scale,
                       ended.new_class_bias_shift / ended.new_class_scale);
  }
}

/// Distillation: what the received network says of the training photos is learnt beside their labels.
void Handover::teach() {
  if (own_.distillation == 0.0f) return;
  Network network(*backend_, trained(), received().class_names);
  network.load(received(), request_.bundle);
  StoredLogits stored;  // by photo: a bundle of features has none
  if (statistics_ && !statistics_->logits.empty() && cut_ == nullptr) stored = stored_logits(bundle_, *statistics_);
  const std::vector<std::uint32_t>& photos = material_->split.train;
  SoftLabels teacher =
      make_teacher(network, *material_->source, photos, stored, own_.distillation_personal, request_.bundle);
  teacher.weight = own_.distillation;
  teacher.temperature = own_.distillation_temperature;
  if (observer_.say)
    observer_.say("distilling what the received network says of " +
                  std::to_string(std::count(teacher.known.begin(), teacher.known.end(), true)) + " of " +
                  std::to_string(photos.size()) + " training photos; the bundle has it of " +
                  std::to_string(stored.size()));
  material_->source->set_soft_labels(std::move(teacher));
}

std::optional<KeepBest> Handover::keep_best() const {
  if (request_.keep == Keep::trained || settings_.epochs == 0) return std::nullopt;
  const bool only_head =
      frozen_layers(trained(), settings_.freeze_until) + 1 == static_cast<int>(trained().layers.size());
  return KeepBest(
      *network_, *material_->source, material_->split.train, first_new(),
      statistics_ ? HeadDraws(*statistics_, settings_.seed + kKeepBestDraws).samples(spread_) : HeadSamples{},
      only_head, settings_);
}

RunSummary Handover::train_on() {
  SampleSource& source = *material_->source;
  const Split& split = material_->split;
  const HandoverEnding ending({*network_, imprinted_, first_new(), cut_ != nullptr ? &cut_->lower : nullptr}, own_,
                              keep_best());
  if (lives_) before_ = std::move(bundle_.checkpoint);
  bundle_.checkpoint = {};  // nobody looks at the received weights from here on
  give_back_memory();
  Trainer trainer(*network_, source, split.train, settings_, {dtype_, share_.training, request_.train.graph});
  trainer.load(start_, request_.bundle);
  announce(observer_, *backend_, *network_, trainer, split.train.size(), split.test.size());
  Run run{*network_,
          trainer,
          source,
          split.test,
          true,
          settings_,
          std::move(start_),
          history_,
          clock_,
          &ending,
          request_.continue_from};
  describe(run.checkpoint, to_json(settings_, own_), preprocessing_, source, split);
  keep_photo_lists(run.checkpoint, std::move(before_));
  run.checkpoint.provenance = provenance_json(run.checkpoint.class_names, run.checkpoint.personal_classes,
                                              run.checkpoint.train_photos.size(), "resume", received_sha256_);
  return run_training(run, request_.train.run, observer_);
}

}  // namespace

HandoverRequest without_people(const Checkpoint& trained, const std::vector<std::string>& who,
                               const std::string& place) {
  const std::vector<std::string> names = personal_names(trained, who, place);
  HandoverRequest request;
  request.received = provenance_of(trained, "received");
  if (request.received.empty())
    throw Error(place + ": holds no digest of the weights that it began with; what " +
                (provenance_of(trained, "command") == "resume" ? "this version's" : "a") + " hand-over left expected");
  const NamedSettings settings = named_settings(trained.settings, place + ": settings");
  request.train.overrides = settings.train;
  request.overrides = settings.handover;
  request.train.run.output_kind = trained.kind;
  for (const std::string& name : trained.personal_classes)
    if (std::find(names.begin(), names.end(), name) == names.end()) request.people.push_back(name);
  return request;
}

RunSummary resume(const HandoverRequest& request, const RunObserver& observer) {
  Handover handover(request, observer);  // time runs from just before the bundle is opened
  handover.read_bundle();
  handover.grow_head();
  handover.choose_settings();
  handover.prepare_device();
  handover.mix_photos();
  handover.look_back();
  handover.start_head();
  handover.teach();
  return handover.train_on();  // keeps the best, and writes it
}

}  // namespace tsugi
