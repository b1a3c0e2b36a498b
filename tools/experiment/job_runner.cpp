// One job: pretraining, a device alone, or bundle and resume.
#include "tools/experiment/job_runner.h"

#include <algorithm>
#include <filesystem>

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

const Method& method_of(const ExperimentSettings& settings, const std::string& name) {
  return *std::find_if(settings.methods.begin(), settings.methods.end(),
                       [&](const Method& method) { return method.name == name; });
}

/// What travelled, training and test photos apart.
void set_sizes(const MadeBundle& made, Cell& cell) {
  cell.photos_sent = made.written.photos;
  cell.photo_bytes = made.written.photo_bytes;
  cell.knowledge_bytes = made.knowledge_bytes;
  cell.timing.bundle_bytes = made.written.bytes;
  cell.timing.checkpoint_bytes = made.written.checkpoint_bytes;
  cell.timing.test_bytes = made.written.test_photo_bytes;
  if (!made.features) return;
  cell.timing.test_bytes = made.features->test_photos * made.features->place.shape.count();  // a byte a value
  cell.feature_bytes = made.features->feature_bytes - cell.timing.test_bytes;
  cell.step_flops = made.features->place.training_flops;
  cell.step_flops_share = made.features->place.share;
}

}  // namespace

TrainRequest JobRunner::train_request(const Job& job, int epochs) const {
  TrainRequest request;
  request.device = settings_.device;
  request.precision = settings_.precision;
  request.threads = settings_.threads;
  request.overrides.set(&TrainSettings::seed, job.seed);
  if (epochs > 0) request.overrides.set(&TrainSettings::epochs, epochs);
  if (settings_.variants > 0) request.overrides.set(&TrainSettings::variants, settings_.variants);
  request.run.metrics = store_.metrics_path(job);
  return request;
}

RunSummary JobRunner::train(const Job& job, const std::string& checkpoint, const RunObserver& observer) const {
  PretrainRequest request;
  request.train = train_request(job, settings_.epochs);
  request.train.run.output = checkpoint;
  request.photos = settings_.general;
  request.people.assign(order_.begin(), order_.begin() + job.people);
  request.model = settings_.model;
  request.size = settings_.size;
  if (fs::exists(checkpoint)) request.continue_from = checkpoint;
  if (job.kind == JobKind::alone) {
    request.personal = settings_.personal;
    request.personal_photos = settings_.personal_photos;
  }
  return pretrain(request, observer);
}

BundleMaker& JobRunner::maker_of(const std::string& checkpoint, const RunObserver& observer) {
  if (maker_ == nullptr || made_of_ != checkpoint) {
    maker_.reset();  // the old one's photos first
    BundleSource source;
    source.checkpoint = checkpoint;
    source.photos = settings_.general;
    source.only_known_people = true;
    source.device = settings_.device;
    source.threads = settings_.threads;
    maker_ = std::make_unique<BundleMaker>(source, observer);
    made_of_ = checkpoint;
  }
  return *maker_;
}

RunSummary JobRunner::hand_over(const Job& job, const std::string& checkpoint, const RunObserver& observer,
                                MadeBundle& made) {
  const Method& method = method_of(settings_, job.method);
  BundleRequest bundle;
  bundle.output = store_.work_path(job, ".tar");
  bundle.fraction = job.fraction;
  bundle.seed = job.seed;
  method.bundle(bundle);
  if (bundle.features) {  // they are augmented on the server
    bundle.features->threads = settings_.threads;
    if (settings_.variants > 0) bundle.features->variants = static_cast<std::uint32_t>(settings_.variants);
  }
  made = maker_of(store_.pretrained_path(job), observer).make(bundle);

  HandoverRequest request;
  request.train = train_request(job, settings_.handover_epochs);
  request.train.run.output = checkpoint;
  request.bundle = bundle.output;
  request.personal = settings_.personal;
  request.personal_photos = settings_.personal_photos;
  method.resume(request);
  const RunSummary summary = resume(request, observer);
  if (!summary.stopped) store_.put_away(request.bundle, settings_.keep);
  return summary;
}

bool JobRunner::run(const Job& job, const RunObserver& observer) {
  const Stopwatch clock;
  const bool handover = job.kind == JobKind::handover;
  const std::string checkpoint =
      job.kind == JobKind::pretrain ? store_.pretrained_path(job) : store_.work_path(job, ".safetensors");
  MadeBundle made;
  const RunSummary summary = handover ? hand_over(job, checkpoint, observer, made) : train(job, checkpoint, observer);
  if (summary.stopped) return false;
  Cell cell = cell_of(job, summary);
  set_sizes(made, cell);
  cell.timing.elapsed_s = clock.seconds();
  const Checkpoint trained = read_checkpoint(checkpoint, observer.files);
  cell.train_photos = trained.train_photos.size();
  cell.settings = Json::parse(trained.settings);
  store_.write(job, to_json(cell));
  if (job.kind != JobKind::pretrain) store_.put_away(checkpoint, settings_.keep);
  return true;
}

}  // namespace tsugi::tools
