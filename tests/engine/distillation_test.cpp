// Distillation: the teacher's logits, the loss that a step reports, and what a network learns from its teacher.
#include <cmath>
#include <limits>
#include <memory>

#include "engine/handover/teacher.h"
#include "kernels/api/registry.h"
#include "tests/engine/counting_backend.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr int kPeople = 3, kEach = 4, kPhotos = kPeople * kEach;

Model small() {
  return parse_model(
      model_json(R"({"type": "conv2d", "filters": 6, "kernel": 3, "stride": 2, "pad": 1}, {"type": "relu"},
      {"type": "max_pool", "kernel": 2}, {"type": "flatten"}, {"type": "dense", "name": "head", "units": "classes"})"),
      "test");
}

std::vector<std::uint32_t> all_photos() {
  std::vector<std::uint32_t> photos;
  for (std::uint32_t i = 0; i < kPhotos; ++i) photos.push_back(i);
  return photos;
}

/// A teacher that knows the first two people and has an opinion of each of the three that is not their label's; of
/// every third photo none.
SoftLabels opinionated(int classes = 2) {
  SoftLabels teacher;
  teacher.classes = classes;
  for (int i = 0; i < kPhotos; ++i) {
    for (int j = 0; j < classes; ++j)
      teacher.logits.push_back(3.0f * std::sin(static_cast<float>(5 * (i / kEach) + 3 * j)));
    teacher.known.push_back(i % 3 != 2);
  }
  return teacher;
}

/// The photos as they are, all in one batch, so that a step's loss can be computed from an inference.
TrainSettings plain_settings() {
  TrainSettings settings = short_settings();
  settings.variants = 1;
  settings.batch = kPhotos;
  settings.epochs = 40;
  settings.optimizer.clip_norm = 0.0f;
  return settings;
}

std::vector<double> log_softmax(const float* logits, int classes, double temperature) {
  double largest = -1e30, sum = 0.0;
  for (int j = 0; j < classes; ++j) largest = std::max(largest, static_cast<double>(logits[j]) / temperature);
  for (int j = 0; j < classes; ++j) sum += std::exp(static_cast<double>(logits[j]) / temperature - largest);
  std::vector<double> result;
  for (int j = 0; j < classes; ++j)
    result.push_back(static_cast<double>(logits[j]) / temperature - largest - std::log(sum));
  return result;
}

Predictions said_by(const Network& network, const PhotoSource& source, const std::vector<std::uint32_t>& photos) {
  InferenceOptions options;
  options.logits = true;
  return Inference(network, static_cast<int>(photos.size())).run(source, photos, options);
}

/// T^2 KL(teacher || network) of one photo.
double distance(const float* teacher, const float* logits, int classes, double temperature) {
  const std::vector<double> p = log_softmax(teacher, classes, temperature),
                            q = log_softmax(logits, classes, temperature);
  double sum = 0.0;
  for (std::size_t j = 0; j < p.size(); ++j) sum += std::exp(p[j]) * (p[j] - q[j]);
  return temperature * temperature * sum;
}

Training::Options with_teacher(const SoftLabels& teacher, float weight = 0.5f, float temperature = 2.0f) {
  Training::Options options;
  options.soft_labels = teacher;
  options.soft_labels.weight = weight;
  options.soft_labels.temperature = temperature;
  return options;
}

/// The mean distance to the teacher over the photos that it knows.
double distance_of(Training& training, const SoftLabels& teacher) {
  const Predictions now = said_by(training.network, training.source, all_photos());
  double sum = 0.0;
  int photos = 0;
  for (std::size_t i = 0; i < kPhotos; ++i) {
    if (!teacher.known[i]) continue;
    ++photos;
    sum += distance(&teacher.logits[i * static_cast<std::size_t>(teacher.classes)], &now.logits[i * kPeople],
                    teacher.classes, 2.0);
  }
  return sum / photos;
}

TEST_CASE("a step's loss is the label's and the teacher's, weighted, where the photo has a teacher") {
  const PhotoSet set = make_photos(kPeople, kEach);
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  for (const float weight : {0.25f, 1.0f}) {
    CAPTURE(weight);
    const SoftLabels teacher = opinionated();
    const TrainSettings settings = plain_settings();
    Training training(*backend, small(), set, settings, with_teacher(teacher, weight));
    const Predictions before = said_by(training.network, training.source, all_photos());
    double expected = 0.0;
    for (std::size_t i = 0; i < kPhotos; ++i) {
      const float* logits = &before.logits[i * kPeople];
      const std::vector<double> q = log_softmax(logits, kPeople, 1.0);
      double label = 0.0;
      for (int j = 0; j < kPeople; ++j) {
        const double smoothing = static_cast<double>(settings.label_smoothing);
        label -= (smoothing / kPeople + (j == set.labels[i] ? 1.0 - smoothing : 0.0)) * q[static_cast<std::size_t>(j)];
        CHECK(std::exp(q[static_cast<std::size_t>(j)]) ==
              doctest::Approx(before.probabilities[i * kPeople + static_cast<std::size_t>(j)]).epsilon(1e-5));
      }
      const double w = teacher.known[i] ? static_cast<double>(weight) : 0.0;
      expected += (1.0 - w) * label + w * distance(&teacher.logits[i * 2], logits, 2, 2.0);
    }
    CHECK(training.steps(1)[0].loss == doctest::Approx(expected).epsilon(1e-5));  // float32 sums of a few terms a photo
  }
}

TEST_CASE("a network comes to say what its teacher says, and keeps to the labels where the teacher says nothing") {
  const PhotoSet set = make_photos(kPeople, kEach);
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const SoftLabels teacher = opinionated();
  Training taught(*backend, small(), set, plain_settings(), with_teacher(teacher, 1.0f)),
      alone(*backend, small(), set, plain_settings());
  const double start = distance_of(taught, teacher);
  REQUIRE(start > 0.5);
  taught.steps(40);
  alone.steps(40);
  CHECK(distance_of(taught, teacher) < 0.5 * start);
  CHECK(distance_of(taught, teacher) < 0.5 * distance_of(alone, teacher));

  SoftLabels silent = opinionated();
  silent.known.assign(kPhotos, false);
  silent.logits.assign(silent.logits.size(), std::numeric_limits<float>::quiet_NaN());
  Training untaught(*backend, small(), set, plain_settings(), with_teacher(silent, 1.0f));
  untaught.steps(40);
  CHECK(untaught.saved() == alone.saved());
}

TEST_CASE("a teacher goes with micro-batches, checkpoints, a recorded step and every type") {
  const PhotoSet set = make_photos(kPeople, kEach);
  TrainSettings settings = short_settings();
  settings.batch = 6;
  const auto expect_same_ends = [&](Backend& backend, DType dtype) {
    CAPTURE(backend.name());
    CAPTURE(name_of(dtype));
    Training::Options options = with_teacher(opinionated(3));
    options.trainer.dtype = dtype;
    Training whole(backend, small(), set, settings, options), first(backend, small(), set, settings, options);
    whole.steps(6);
    first.steps(3);
    options.initial_seed = 999;
    options.trainer.graph = false;
    Training second(backend, small(), set, settings, options);
    second.load(first.saved());
    second.steps(3);
    CHECK(second.saved() == whole.saved());
    CHECK(whole.trainer.memory().other > 6 * (1 + 3) * sizeof(float));
  };
  const std::unique_ptr<Backend> cpu = make_cpu_backend(1), reference = make_reference_backend();
  expect_same_ends(*cpu, DType::f32);
  if (cpu->supports(DType::bf16)) expect_same_ends(*cpu, DType::bf16);

  Training::Options options = with_teacher(opinionated());
  Training whole(*reference, small(), set, settings, options);
  options.trainer.memory_budget = whole.trainer.memory().total() - 1;
  Training parts(*reference, small(), set, settings, options);
  REQUIRE(parts.trainer.memory().micro_batch < 6);
  CHECK(whole.steps(1)[0].loss == doctest::Approx(parts.steps(1)[0].loss).epsilon(1e-6));
  for (std::size_t i = 0; i < whole.network.layout().count();
       ++i)  // gradients differ by their float32 sums' order: 1e-6
    CHECK(whole.network.parameters()[i] == doctest::Approx(parts.network.parameters()[i]).epsilon(1e-5).scale(0.1));

  const std::unique_ptr<RegistryBackend> simt = emulator(75);
  if (simt == nullptr) return;
  expect_same_ends(*simt, DType::f32);
  expect_same_ends(*simt, DType::f16);
  Training on_cpu(*cpu, small(), set, settings, with_teacher(opinionated())),
      on_simt(*simt, small(), set, settings, with_teacher(opinionated()));
  const StepTotals a = on_cpu.steps(4)[3], b = on_simt.steps(4)[3];
  CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-4));  // four steps of float32 rounding in two orders
}

TEST_CASE("nothing is allocated while a teacher is listened to, and the plan counts its bytes") {
  const PhotoSet set = make_photos(kPeople, kEach);
  const auto planned = [&](float distillation) {
    CountingBackend backend(make_cpu_backend(1));
    Training training(backend, small(), set, plain_settings(), with_teacher(opinionated(), distillation));
    const int before = backend.allocations;
    training.steps(3);
    CHECK(backend.allocations == before);
    const std::size_t used = backend.peak_bytes + training.store.bytes(), total = training.trainer.memory().total();
    CHECK(used >= total);
    CHECK(used <= total + 16);  // an empty buffer takes a byte
    return total;
  };
  CHECK(planned(0.5f) == planned(0.0f) + kPhotos * (1 + 2) * sizeof(float));  // a batch of weights and rows
}

TEST_CASE("a teacher is the stored logits, else what the network says, of personal photos only when asked") {
  const PhotoSet set = make_photos(kPeople, kEach);
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  Training training(*backend, small(), set, short_settings());
  Network received(*backend, small(), {"p0", "p1"});  // p2 is new
  received.initialise(3);
  const std::vector<std::uint32_t> photos = {11, 0, 5, 4};
  const StoredLogits stored = {{"p0/0.png", {7.0f, -7.0f}}, {"elsewhere/1.png", {1.0f, 2.0f}}};
  const Predictions said = said_by(received, training.source, photos);
  for (const bool include_new : {false, true}) {
    const SoftLabels teacher = make_teacher(received, training.source, photos, stored, include_new, "handover.tar");
    CHECK(teacher.classes == 2);
    REQUIRE(teacher.logits.size() == 2 * kPhotos);
    for (std::uint32_t i = 0; i < kPhotos; ++i)
      CHECK(teacher.known[i] == (i == 0 || i == 4 || i == 5 || (i == 11 && include_new)));
    CHECK(teacher.logits[0] == 7.0f);
    CHECK(teacher.logits[1] == -7.0f);
    for (std::size_t i = 0; i < photos.size(); ++i)
      for (std::size_t j = 0; j < 2 && i != 1 && teacher.known[photos[i]]; ++j)  // rounded in another batch size
        CHECK(teacher.logits[2 * photos[i] + j] == doctest::Approx(said.logits[2 * i + j]).epsilon(1e-5).scale(0.01));
  }
  CHECK(said.logits[4] != said.logits[6]);
  expect_parts(error_of([&] {
                 make_teacher(received, training.source, photos, {{"p0/0.png", {1.0f}}}, false, "handover.tar");
               }),
               {"handover.tar", "1 logits", "p0/0.png", "2 people"});
}

TEST_CASE("stored logits go to the bundle's training photos in their order") {
  Bundle bundle;
  bundle.photos = {
      {"p0", "a.jpg", false, nullptr, ""}, {"p0", "b.jpg", true, nullptr, ""}, {"p1", "c.jpg", false, nullptr, ""}};
  PeopleStatistics knowledge;
  knowledge.classes = 2;
  knowledge.logits = {1.0f, -2.0f, 3.0f, 0.5f};
  CHECK(stored_logits(bundle, knowledge) == StoredLogits{{"p0/a.jpg", {1.0f, -2.0f}}, {"p1/c.jpg", {3.0f, 0.5f}}});
}

TEST_CASE("a teacher that does not fit is refused with both values") {
  const PhotoSet set = make_photos(kPeople, kEach);
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  const auto error = [&](const SoftLabels& teacher, float weight = 0.5f, float temperature = 2.0f) {
    return error_of(
        [&] { Training(*backend, small(), set, plain_settings(), with_teacher(teacher, weight, temperature)); });
  };
  expect_parts(error({}), {"distillation", "0 people", "1 to 3"});
  expect_parts(error(opinionated(4)), {"distillation", "4 people", "1 to 3"});
  SoftLabels teacher = opinionated();
  teacher.known.pop_back();
  expect_parts(error(teacher), {"24 logits of 11 photos", "2 of each of 12"});
  teacher = opinionated();
  teacher.logits.pop_back();
  expect_parts(error(teacher), {"23 logits of 12 photos", "2 of each of 12"});
  teacher = opinionated();
  teacher.logits[7] = std::numeric_limits<float>::infinity();
  expect_parts(error(teacher), {"logit 1", "p0/3.png", "inf", "finite"});
  expect_parts(error(opinionated(), 1.5f), {"distillation", "weight 1.5", "0 to 1"});
  expect_parts(error(opinionated(), 0.5f, 0.0f), {"distillation", "temperature 0", "0.1"});
}

}  // namespace
}  // namespace tsugi::test
