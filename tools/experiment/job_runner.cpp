// One job: pretraining, a device alone, or bundle and resume.
#include "tools/experiment/job_runner.h"

#include <algorithm>
#include <filesystem>

#include "engine/state/bundle.h"
#include "engine/state/subset.h"
#include "engine/train/dataset.h"

namespace tsugi::tools {
namespace {

namespace fs = std::filesystem;

std::uint64_t bytes_of(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = fs::file_size(path, error);
  return error ? 0 : static_cast<std::uint64_t>(size);
}

const Method& method_of(const ExperimentSettings& settings, const std::string& name) {
  return *std::find_if(settings.methods.begin(), settings.methods.end(), [&](const Method& method) { return method.name == name; });
}

BundlePhoto bundle_photo(const Photo& photo, bool test) {
  return {photo.class_name, photo.file.substr(photo.file.find('/') + 1), test, nullptr, photo.path};
}

}  // namespace

TrainRequest JobRunner::train_request(const Job& job, int epochs) const {
  TrainRequest request;
  request.device = settings_.device;
  request.precision = settings_.precision;
  request.threads = settings_.threads;
  Json overrides = {{"seed", job.seed}};
  if (epochs > 0) overrides["epochs"] = epochs;
  if (settings_.variants > 0) overrides["variants"] = settings_.variants;
  request.overrides = overrides.dump();
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

void JobRunner::write_job_bundle(const Job& job, const Method& method, const std::string& path, Cell& sizes) const {
  const std::string server = store_.pretrained_path(job);
  Bundle bundle;
  bundle.checkpoint = read_checkpoint(server);
  bundle.kind = bundle.checkpoint.kind;
  bundle.strategy = strategy_of(method);
  bundle.fraction = job.fraction;
  bundle.seed = job.seed;
  const PhotoFolder folder = only_people(general_, bundle.checkpoint.class_names, settings_.general);
  TrainSettings settings;
  apply_json(settings, bundle.checkpoint.settings, server + ": settings");
  const Split split = split_as_trained(folder.photos, folder.labels, bundle.checkpoint, settings.test_fraction, settings.seed);
  std::vector<std::int32_t> labels;
  for (const std::uint32_t i : split.train) labels.push_back(folder.labels[i]);
  for (const std::size_t i : choose_subset(labels, job.fraction, subset_strategy(bundle.strategy), job.seed)) {
    const Photo& photo = folder.photos[split.train[i]];
    bundle.photos.push_back(bundle_photo(photo, false));
    sizes.photo_bytes += bytes_of(photo.path);
  }
  for (const std::uint32_t i : split.test) {
    bundle.photos.push_back(bundle_photo(folder.photos[i], true));
    sizes.timing.test_bytes += bytes_of(folder.photos[i].path);
  }
  const BundleSummary written = write_bundle(path, bundle);
  sizes.photos_sent = written.photos;
  sizes.timing.bundle_bytes = written.bytes;
  sizes.timing.checkpoint_bytes = bytes_of(server);
}

RunSummary JobRunner::hand_over(const Job& job, const std::string& checkpoint, const RunObserver& observer, Cell& sizes) const {
  const Method& method = method_of(settings_, job.method);
  HandoverRequest request;
  request.train = train_request(job, settings_.handover_epochs);
  request.train.run.output = checkpoint;
  request.bundle = store_.work_path(job, ".tar");
  request.personal = settings_.personal;
  request.personal_photos = settings_.personal_photos;
  apply_resume(method, request);
  write_job_bundle(job, method, request.bundle, sizes);
  const RunSummary summary = resume(request, observer);
  if (!summary.stopped) store_.put_away(request.bundle, settings_.keep);
  return summary;
}

bool JobRunner::run(const Job& job, const RunObserver& observer) {
  const Stopwatch clock;
  const bool handover = job.kind == JobKind::handover;
  const std::string checkpoint = job.kind == JobKind::pretrain ? store_.pretrained_path(job) : store_.work_path(job, ".safetensors");
  Cell sizes;
  const RunSummary summary = handover ? hand_over(job, checkpoint, observer, sizes) : train(job, checkpoint, observer);
  if (summary.stopped) return false;
  Cell cell = cell_of(job, summary);
  cell.photos_sent = sizes.photos_sent;
  cell.photo_bytes = sizes.photo_bytes;
  cell.timing.bundle_bytes = sizes.timing.bundle_bytes;
  cell.timing.checkpoint_bytes = sizes.timing.checkpoint_bytes;
  cell.timing.test_bytes = sizes.timing.test_bytes;
  cell.timing.elapsed_s = clock.seconds();
  const Checkpoint trained = read_checkpoint(checkpoint);
  cell.train_photos = trained.train_photos.size();
  cell.settings = Json::parse(trained.settings);
  store_.write(job, to_json(cell));
  if (job.kind != JobKind::pretrain) store_.put_away(checkpoint, settings_.keep);
  return true;
}

}  // namespace tsugi::tools
