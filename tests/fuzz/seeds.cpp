// What mutation begins with: small files of every kind, made by the writers themselves.
#include <random>

#include "bench/measure/result_file.h"
#include "bench/plan/device_description.h"
#include "engine/core/sha256.h"
#include "engine/data/photo.h"
#include "engine/data/photo_formats.h"
#include "engine/formats/gzip.h"
#include "engine/handover/feature_bundle.h"
#include "engine/handover/handover_settings.h"
#include "engine/handover/manifest.h"
#include "engine/handover/people_statistics.h"
#include "engine/handover/release.h"
#include "engine/model/parameters.h"
#include "engine/train/metrics.h"
#include "engine/train/settings.h"
#include "engine/tuning/tuning_file.h"
#include "tests/data_path/image_files.h"
#include "tests/formats/bundle_support.h"
#include "tests/fuzz/targets.h"
#include "tools/experiment/cells.h"

namespace tsugi::fuzz::seeds {
namespace {

using test::bytes_of;

constexpr const char* kModel = R"({"name":"small","training":{"lr":0.05,"epochs":3},"input":[8,8,3],"layers":[
{"type":"conv2d","name":"conv1","filters":4,"kernel":3,"stride":2,"pad":1},{"type":"batch_norm","name":"bn1"},
{"type":"relu","name":"out1"},{"type":"conv2d","name":"conv2","filters":4,"kernel":[3,1],"groups":2,"bias":false},
{"type":"leaky_relu","slope":0.1},{"type":"max_pool","kernel":2,"stride":1},{"type":"dropout","rate":0.2},
{"type":"global_average_pool","name":"gap"},{"type":"flatten"},{"type":"dense","name":"head","units":"classes"}]})";
constexpr const char* kResidual = R"({"name":"sum","input":[8,8,3],"layers":[
{"type":"conv2d","name":"a","filters":3,"kernel":3,"pad":1},{"type":"add","name":"s","inputs":["a","input"]},
{"type":"conv2d","name":"d","filters":3,"kernel":3,"groups":"depthwise"},{"type":"average_pool","kernel":2,"stride":2},
{"type":"flatten"},{"type":"dense","name":"head","units":"classes"}]})";
const std::vector<std::string> kPeople = {"Ann", "Bob", "Eve"};

std::vector<NamedTensor> tensors_of(const std::vector<ParameterInfo>& infos, const std::vector<float>& values) {
  std::vector<NamedTensor> tensors;
  for (const ParameterInfo& info : infos) tensors.push_back(make_tensor(info.name, info.shape, &values[info.offset]));
  return tensors;
}

/// A checkpoint of kModel, whose weights nobody trained.
Checkpoint server() {
  const Model model = parse_model(kModel, "seed");
  const ParameterLayout layout(model, static_cast<int>(kPeople.size()));
  std::vector<float> weights(layout.count()), statistics(layout.statistics_count());
  initialise_parameters(layout, model, 1, weights.data());
  initialise_statistics(layout, statistics.data());
  Checkpoint checkpoint;
  checkpoint.model = model.json;
  checkpoint.class_names = kPeople;
  checkpoint.settings = to_json(TrainSettings());
  checkpoint.preprocessing = to_json(default_preprocessing(8));
  checkpoint.metrics = to_json(MetricsHistory());
  checkpoint.parameters = tensors_of(layout.parameters(), weights);
  checkpoint.statistics = tensors_of(layout.statistics(), statistics);
  return checkpoint;
}

PeopleStatistics statistics_of(std::size_t photos) {
  PeopleStatistics k;
  k.classes = kPeople.size();
  k.width = feature_width(parse_model(kModel, "seed"), static_cast<int>(kPeople.size()));
  k.logits.assign(photos * k.classes, 0.5f);
  k.feature_mean.assign(k.classes * k.width, 0.25f);
  k.feature_covariance.assign(k.width * k.width, 0.125f);
  k.feature_count.assign(k.classes, 4.0f);
  return k;
}

Bundle photo_bundle() {
  Bundle bundle;
  bundle.checkpoint = server();
  bundle.strategy = "stratified";
  bundle.fraction = 0.5;
  const auto jpeg = std::make_shared<const Bytes>(photo().front());
  for (const std::string& person : kPeople) bundle.photos.push_back({person, "1.jpg", false, jpeg, {}});
  bundle.photos.push_back({kPeople[0], "2.jpg", true, jpeg, {}});
  bundle.tensors[kKnowledgeName] = write_people_statistics(statistics_of(kPeople.size()));
  return bundle;
}

Bundle feature_bundle() {
  Bundle bundle;
  bundle.checkpoint = server();
  bundle.strategy = "stratified";
  const Model model = parse_model(bundle.checkpoint.model, "seed");
  const ModelCut cut = cut_model(model, "out1");
  BundledFeatures f;
  f.layer = cut.layer;
  f.variants = 2;
  f.model_sha256 = sha256_hex(bundle.checkpoint.model);
  f.lower_sha256 = weights_sha256(split_checkpoint(bundle.checkpoint, cut, "seed").lower);
  f.train_files = {"Ann/1.jpg", "Bob/1.jpg"};
  f.test_files = {"Eve/2.jpg"};
  const SampleShape shape = cut.upper.input;
  f.extents = {shape.h, shape.w, shape.c};
  f.quantization.scale.assign(static_cast<std::size_t>(shape.c), 0.01f);
  f.quantization.offset.assign(static_cast<std::size_t>(shape.c), -1.0f);
  f.train.assign(2 * f.variants * shape.count(), 7);
  f.test.assign(shape.count(), 9);
  bundle.tensors[kActivationsName] = to_safetensors(f);
  bundle.tensors[kKnowledgeName] = write_people_statistics(statistics_of(f.train_files.size()));
  return bundle;
}

Bytes arrays_of(const Bundle& bundle, const char* name) { return encode_safetensors(bundle.tensors.at(name)); }

}  // namespace

std::vector<Bytes> checkpoint() {
  std::mt19937_64 random(1);
  const Checkpoint content = test::small_checkpoint(random);
  return {encode_checkpoint(content, CheckpointKind::full), encode_checkpoint(content, CheckpointKind::fp16),
          encode_checkpoint(content, CheckpointKind::int8)};
}

std::vector<Bytes> safetensors() { return checkpoint(); }

std::vector<Bytes> packed() {
  const Bytes outer = checkpoint().back();
  const SafetensorsFile file = decode_safetensors(outer.data(), outer.size(), "seed");
  return {gunzip(file.tensors.at(0).data, std::stoull(file.metadata.at("packed_from")), "seed")};
}

std::vector<Bytes> gzip_data() { return {gzip(bytes_of("a text, a text, a text")), gzip(packed().front())}; }

std::vector<Bytes> manifest() {
  Manifest content;
  content.strategy = "random";
  content.class_names = {"a"};
  const std::string digest(64, '0');
  content.members = {{"checkpoint.safetensors", 1000, digest, "checkpoint"}, {"photos/a/b.jpg", 7, digest, "train"}};
  return {bytes_of(format_manifest(content))};
}

std::vector<Bytes> bundle() { return {test::bundle_bytes(test::sample_bundle())}; }

std::vector<Bytes> sealed_bundle() {
  return {test::bundle_bytes(photo_bundle()), test::bundle_bytes(feature_bundle())};
}

std::vector<Bytes> knowledge() { return {arrays_of(photo_bundle(), kKnowledgeName)}; }

std::vector<Bytes> feature_map() {
  const Bundle bundle = photo_bundle();
  const Model content = parse_model(bundle.checkpoint.model, "seed: model");
  const std::size_t width = feature_width(content, static_cast<int>(bundle.checkpoint.class_names.size()));
  FeatureMap map = fit_feature_map({1, 2, 3, 4}, 2, std::vector<float>(2 * width, 1.0f), width);
  map.weights = std::string(64, '0');
  return {encode_safetensors(write_feature_map(map))};
}

std::vector<Bytes> activations() { return {arrays_of(feature_bundle(), kActivationsName)}; }

std::vector<Bytes> model() { return {bytes_of(kModel), bytes_of(kResidual)}; }

std::vector<Bytes> settings() {
  return {bytes_of(to_json(TrainSettings())), bytes_of(to_json(TrainSettings(), HandoverSettings()))};
}

std::vector<Bytes> preprocessing() { return {bytes_of(to_json(default_preprocessing(64)))}; }

std::vector<Bytes> metrics() {
  MetricsHistory history;
  history.rows.resize(2);
  history.rows[1].handover = true;
  history.rows[1].step = 7;
  history.before = {{4, 3}, {2, 2}};
  history.kept = "trained";
  return {bytes_of(to_json(history))};
}

std::vector<Bytes> photo() {
  const Image image = tsugi_test::make_image(11, 14, 1);
  const Bytes jpeg = tsugi_test::encode_jpeg(image);
  return {jpeg,
          tsugi_test::encode_jpeg(image, 1),
          tsugi_test::with_orientation(jpeg, 6, true),
          tsugi_test::encode_png(image),
          tsugi_test::encode_png(image, 4, 99),
          tsugi_test::encode_png16(image),
          tsugi_test::sample_photo("progressive.jpg"),
          tsugi_test::sample_photo("cmyk.jpg")};
}

std::vector<Bytes> heif() {
  std::vector<Bytes> files;
  for (const char* name : {"turned.heic", "transparent.heic", "deep.heic", "plain.avif"}) {
    files.push_back(tsugi_test::sample_photo(name));
    if (!why_unreadable(read_photo_header(files.back(), name).kind).empty()) files.pop_back();
  }
  return files;
}

std::vector<Bytes> webp() {
  if (!why_unreadable(PhotoKind::webp).empty()) return {};
  return {tsugi_test::sample_photo("lossy.webp"), tsugi_test::sample_photo("lossless.webp"),
          tsugi_test::sample_photo("turned.webp"), tsugi_test::sample_photo("transparent.webp")};
}

std::vector<Bytes> exif() {
  std::vector<Bytes> blocks;
  for (const bool big_endian : {false, true}) {
    const Bytes jpeg = tsugi_test::with_orientation(photo().front(), 6, big_endian);
    const std::size_t length = static_cast<std::size_t>(jpeg[4]) << 8 | jpeg[5];
    blocks.emplace_back(jpeg.begin() + 6, jpeg.begin() + 4 + static_cast<std::ptrdiff_t>(length));
  }
  return blocks;
}

std::vector<Bytes> tuning() {
  TuningFile file{"0.1.0", "2026-01-02", "a device", "oneDNN 2.6.3", std::string(64, '0'), {}};
  Conv2dShape shape;
  shape.n = 16, shape.h = shape.w = 8, shape.c = 32, shape.k = 64;
  for (const auto op : {KernelOp::conv2d_forward, KernelOp::conv2d_backward_weight})
    file.calls.push_back({{op, shape, DType::f32, false}, "product", "direct", 0.001, 0.002});
  return {bytes_of(to_json(file))};
}

std::vector<Bytes> device_description() {
  std::vector<Bytes> devices;
  for (const std::string& name : bench::shipped_device_names())
    devices.push_back(bytes_of(bench::to_json(bench::find_device(name))));
  return devices;
}

std::vector<Bytes> result_file() {
  bench::ResultFile file;
  file.context.version = file.context.commit = "1", file.context.device = "cpu";
  file.context.limits.f32 = file.context.limits.copy = 1e10;
  bench::ResultEntry entry;
  entry.name = "faces-cnn/b16/conv1/conv2d_forward/f32/cold", entry.model = "faces-cnn", entry.layer = "conv1";
  entry.op = "conv2d_forward", entry.dtype = "f32", entry.cache = "cold", entry.batch = 16;
  entry.samples = entry.calls = 3, entry.seconds = 0.001, entry.flops = 1e9, entry.bytes = 1e6;
  file.entries = {entry};
  file.step.measured = true;
  file.step.model = "faces-cnn", file.step.precision = "fp32", file.step.batch = 16, file.step.step_s = 0.1;
  file.step.layers = {{"conv1", "conv2d", 0.01, 0.02, 1e9}};
  return {bytes_of(bench::to_json(file, false))};
}

std::vector<Bytes> cell() {
  tools::Cell content;
  content.job.kind = tools::JobKind::pretrain;
  content.job.people = 2;
  content.people = {{"Ann", false, 3, 2, 1}, {"Tony", true, 4, 4, 0}};
  content.device = "cpu", content.precision = "fp32", content.timing.finished = "2026-01-02T03:04:05Z";
  content.settings = Json::parse(to_json(TrainSettings()));
  return {bytes_of(tools::to_json(content).dump(1))};
}

std::vector<Bytes> experiment() {
  return {bytes_of(R"({"format":"tsugi experiment 1","identity":{"general":"photos","seeds":5},
"methods":{"default":{"what":"w","ingredient":true,"bundle":{},"resume":{}}},
"about":{"cells":3,"command":"tsugi","people in order":["Ann"]}})")};
}

}  // namespace tsugi::fuzz::seeds
