// Hand-overs of small and hardly trained servers: a few photos a person or one, no epoch or three, photos that are all
// alike. Whatever the statistics degenerate to, a hand-over ends with finite numbers. Every case is drawn from its
// seed; TSUGI_TEST_SEED=<seed> TSUGI_TEST_HANDOVERS=1 repeats it, and TSUGI_TEST_HANDOVERS=500 draws that many.
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/data/encode.h"
#include "engine/handover/handover.h"
#include "engine/handover/make_bundle.h"
#include "engine/model/cut.h"
#include "tests/engine/overrides.h"
#include "tests/engine/photos.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

using Json = nlohmann::json;

/// What a case consists of, drawn in turn.
class Draw {
 public:
  explicit Draw(std::uint64_t seed) : random_(seed) {}
  int whole(int low, int high) {
    return low + static_cast<int>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  double share() { return static_cast<double>(random_() >> 11) / 9007199254740992.0; }
  bool maybe() { return whole(0, 1) == 1; }
  template <class T>
  T one_of(std::initializer_list<T> values) {
    return values.begin()[whole(0, static_cast<int>(values.size()) - 1)];
  }

 private:
  std::mt19937_64 random_;
};

/// How much photos differ.
enum class Look { drawn, plain, alike };  // stripes and noise; one colour a person; the same for everybody

/// Up to 8 photos a person, from `least` on.
PhotoSet draw_people(Draw& draw, Look look, int people, int first, int least) {
  constexpr int kSide = 32;
  PhotoSet set;
  for (int person = first; person < first + people; ++person) {
    const PhotoSet one = make_photos(1, draw.whole(least, 8), person);
    for (std::size_t number = 0; number < one.photos.size(); ++number) {
      Photo photo = one.photos[number];
      const auto grey = static_cast<std::uint8_t>(look == Look::alike ? 0 : 40 * person);
      std::vector<std::uint8_t> pixels(kSide * kSide * 3, grey);
      pixels[0] = static_cast<std::uint8_t>(number);  // photos, not copies of one
      if (look != Look::drawn)
        photo.bytes = std::make_shared<const std::vector<std::uint8_t>>(encode_png({pixels.data(), kSide, kSide, 3}));
      set.photos.push_back(photo);
    }
  }
  return set;
}

/// Settings that both phases know. Learning rates are the models' own or lower: one that is too high is an error, and
/// rightly so.
void draw_training(Draw& draw, double test_fraction, Json& settings) {
  settings["batch"] = draw.one_of({1, 2, 5, 16, 64});
  settings["variants"] = draw.whole(1, 3);
  settings["seed"] = draw.whole(1, 1000000);
  settings["test_fraction"] = test_fraction;
  if (draw.maybe()) settings["label_smoothing"] = draw.one_of({0.0, 0.3, 0.9});
  if (draw.maybe()) settings["balanced"] = draw.maybe();
  if (draw.maybe()) settings["frozen_batch_norm"] = draw.maybe();
  if (draw.maybe()) settings["schedule"] = draw.one_of({"constant", "step", "cosine"});
  if (draw.whole(0, 3) == 0) {
    settings["optimizer"] = draw.one_of({"adam", "adamw"});
    settings["lr"] = 1e-3;
  }
}

Json draw_handover(Draw& draw, double test_fraction, const Model& model, bool features) {
  Json settings;
  draw_training(draw, test_fraction, settings);
  if (features) settings.erase("variants");  // the bundle has them
  settings["epochs"] = draw.whole(0, 3);
  if (draw.maybe()) settings["distillation"] = draw.share();
  if (draw.maybe()) settings["distillation_temperature"] = 0.5 + 4.0 * draw.share();
  if (draw.maybe()) settings["distillation_personal"] = draw.maybe();
  if (draw.maybe()) settings["weight_interpolation"] = draw.share();
  if (draw.maybe()) settings["new_class_scale"] = 0.1 + draw.share();
  if (draw.maybe()) settings["new_class_bias_shift"] = draw.share();
  if (!features && draw.maybe()) settings["freeze_until"] = draw.maybe() ? "" : cut_places(model, 2).back().layer;
  return settings;
}

void expect_finite(const Checkpoint& checkpoint) {
  for (const std::vector<NamedTensor>* tensors : {&checkpoint.parameters, &checkpoint.statistics})
    for (const NamedTensor& tensor : *tensors)
      for (const float value : values_of(tensor))
        if (!std::isfinite(value)) throw Error("tensor " + tensor.name + " holds " + std::to_string(value));
}

/// story: what was drawn, for who reads a failure. Throws Error when something fails.
void hand_over(std::uint64_t seed, std::string& story) {
  Draw draw(seed);
  const ScratchFolder folder;
  const std::string photos = folder / "general", personal = folder / "personal";
  const Look look = draw.whole(0, 3) != 0 ? Look::drawn : draw.one_of({Look::plain, Look::alike});
  const int people = draw.whole(2, 5);
  const double test_fraction = draw.one_of({0.0, 0.2, 0.5});
  const int least = test_fraction > 0.0 ? 2 : 1;  // one to train on, one to test
  write_photos(draw_people(draw, look, people, 0, least), photos);
  write_photos(draw_people(draw, look, draw.whole(1, 2), people, least), personal);

  PretrainRequest server;
  server.photos = photos;
  server.model = draw.one_of({"faces-mobile", "faces-resnet", "faces-cnn"});
  server.size = draw.one_of({16, 16, 32});
  server.train.threads = 1;
  server.train.device = "cpu";
  server.train.precision = draw.one_of({"auto", "fp32"});
  server.train.run.output = folder / "server.safetensors";
  Json settings;
  draw_training(draw, test_fraction, settings);
  settings["epochs"] = draw.whole(0, 3);
  // What pretraining from nothing may run away with, which is an error of its own: batch norm that tames nothing, and
  // the models' learning rates with batches of one photo or two.
  settings.erase("frozen_batch_norm");
  if (settings["batch"] == 1) settings["batch"] = 2;
  if (settings["batch"] == 2) settings["clip_norm"] = 1.0;
  set_overrides(server, settings.dump());
  story += server.model + " of " + std::to_string(people) + " people, photos of kind " +
           std::to_string(static_cast<int>(look)) + ", trained with " + settings.dump();
  pretrain(server, {});
  const Model model = parse_model(read_checkpoint(server.train.run.output).model, "server");

  BundleRequest bundle;
  bundle.output = folder / "handover.tar";
  bundle.strategy = subset_strategy(draw.one_of({"stratified", "random", "herding", "k-center", "typical"}));
  bundle.fraction = draw.whole(0, 2) == 0 ? draw.one_of({0.0, 1.0}) : draw.share();
  bundle.test_photos = draw.maybe();
  bundle.knowledge = draw.whole(0, 3) != 0;
  if (draw.maybe()) bundle.kind = draw.one_of({CheckpointKind::full, CheckpointKind::fp16, CheckpointKind::int8});
  if (draw.maybe()) {
    bundle.features = PackOptions();
    bundle.features->threads = 1;
    bundle.features->variants = static_cast<std::uint32_t>(draw.whole(1, 3));
    const std::vector<CutPlace> places = cut_places(model, people);
    if (draw.maybe())
      bundle.features->layer =
          places[static_cast<std::size_t>(draw.whole(0, static_cast<int>(places.size()) - 1))].layer;
  }
  story += "; bundle of " + std::to_string(bundle.fraction) + " by " + name_of(bundle.strategy) +
           (bundle.knowledge ? ", knowledge" : "") +
           (bundle.features ? ", activations of " + bundle.features->layer : "");
  BundleSource source;
  source.checkpoint = server.train.run.output;
  source.photos = photos;
  source.device = "cpu";
  source.threads = 1;
  make_bundle(source, bundle, {});

  HandoverRequest device;
  device.bundle = bundle.output;
  device.personal = personal;
  device.train = server.train;
  device.train.run.output = folder / "device.safetensors";
  const std::string drawn = draw_handover(draw, test_fraction, model, bundle.features.has_value()).dump();
  set_overrides(device, drawn);
  device.new_row = draw.whole(0, 3) != 0 ? NewRow::imprint : NewRow::random;
  device.keep = draw.maybe() ? Keep::better : Keep::trained;
  if (draw.maybe()) device.personal_photos = static_cast<std::size_t>(draw.whole(1, 4));
  story += "; handed over with " + drawn + (device.new_row == NewRow::imprint ? ", imprinted: " : ", drawn: ");
  const RunSummary summary = resume(device, {});
  if (!std::isfinite(summary.evaluation.loss))
    throw Error("the loss on test photos is " + std::to_string(summary.evaluation.loss));
  expect_finite(read_checkpoint(device.train.run.output));
}

TEST_CASE("a hand-over from a small or hardly trained server never fails") {
  const char* wanted = std::getenv("TSUGI_TEST_HANDOVERS");
  const int cases = wanted != nullptr ? std::atoi(wanted) : kSanitized ? 4 : 12;
  REQUIRE(cases > 0);
  const std::uint64_t first = fresh_seed();
  MESSAGE(cases, " hand-overs from TSUGI_TEST_SEED=", first);
  for (int i = 0; i < cases; ++i) {
    const std::uint64_t seed = first + static_cast<std::uint64_t>(i);
    std::string story;
    try {
      hand_over(seed, story);
    } catch (const std::exception& error) {
      FAIL_CHECK("TSUGI_TEST_SEED=", seed, ": ", story, std::string(error.what()));
    }
  }
}

}  // namespace
}  // namespace tsugi::test
