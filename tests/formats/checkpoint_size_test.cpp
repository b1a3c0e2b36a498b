// How large compact checkpoints are beside the full one (weights and SGD momentum), for the built-in models as they are
// trained: on 32 people as in the source paper, and on a small synthetic folder, where headers weigh most.
#include "engine/model/builtin_models.h"
#include "engine/model/description.h"
#include "engine/model/parameters.h"
#include "engine/train/metrics.h"
#include "engine/train/settings.h"
#include "tests/formats/support.h"

using tsugi::Checkpoint;
using tsugi::CheckpointKind;
using tsugi::NamedTensor;
using tsugi::ParameterInfo;

namespace {

std::vector<NamedTensor> tensors_of(const std::vector<ParameterInfo>& infos, const std::vector<float>& flat) {
  std::vector<NamedTensor> tensors;
  for (const auto& info : infos)
    tensors.push_back(tsugi::make_tensor(info.name, info.shape, flat.data() + info.offset));
  return tensors;
}

// What pretrain writes after 10 epochs with its default settings, but for the values: weights are the normal start
// values.
Checkpoint trained_checkpoint(const std::string& model_name, int people, int photos, const std::string& person) {
  const tsugi::Model model = tsugi::find_model(model_name);
  const tsugi::ParameterLayout layout(model, people);
  std::vector<float> weights(layout.count()), statistics(layout.statistics_count());
  tsugi::initialise_parameters(layout, model, 1, weights.data());
  std::mt19937_64 random(1);
  std::normal_distribution<float> draw(1.0f, 0.3f);
  for (float& value : statistics) value = draw(random);
  for (const auto& info : layout.parameters())  // biases and batch norm start as constants, which would pack too well
    if (info.shape.size() == 1)
      for (std::size_t i = 0; i < info.count; ++i) weights[info.offset + i] = draw(random);
  Checkpoint checkpoint;
  checkpoint.model = model.json;
  checkpoint.preprocessing = to_json(tsugi::default_preprocessing(64));
  checkpoint.settings = to_json(tsugi::TrainSettings{});
  checkpoint.provenance =
      R"({"tsugi":"0.1.0","command":"pretrain","classes_seen":32,"training_photos":816,"personal":false})";
  for (int i = 0; i < people; ++i) {
    const std::string name = person + std::to_string(10 + i);
    checkpoint.class_names.push_back(name);
    for (int k = 0; k < photos; ++k)
      (k % 5 == 0 ? checkpoint.test_photos : checkpoint.train_photos)
          .push_back(name + "/" + name + "_00" + std::to_string(10 + k) + ".jpg");
  }
  tsugi::MetricsHistory history;
  for (int epoch = 1; epoch <= 10; ++epoch) {
    tsugi::MetricsRow row;
    row.wall_s = 12.345678 * epoch;
    row.step = static_cast<std::uint32_t>(130 * epoch);
    row.epoch = static_cast<std::uint32_t>(epoch);
    row.loss = 3.4567891 / epoch;
    row.accuracy = 0.0912345 * epoch;
    history.rows.push_back(row);
  }
  checkpoint.metrics = to_json(history);
  checkpoint.progress = {1, 10, 0, 1300};
  checkpoint.parameters = tensors_of(layout.parameters(), weights);
  checkpoint.statistics = tensors_of(layout.statistics(), statistics);
  checkpoint.moments["momentum"] = checkpoint.parameters;
  return checkpoint;
}

}  // namespace

TEST_CASE("fp16 is at most a quarter of the full checkpoint, int8 at most an eighth") {
  struct Case {
    const char* model;
    int people, photos;
    const char* person;
    double fp16, int8;  // bounds of the ratios
  };
  // float16 is a quarter exactly, so names, shapes and descriptions must cost less than a quarter of what the full file
  // spends on them and on its lists of photos: not so on a small folder, where the smallest network is 0.4 % above.
  for (const Case& c :
       {Case{"faces-resnet", 32, 33, "George_W_Bush", 0.25, 0.125},
        Case{"faces-cnn", 32, 33, "George_W_Bush", 0.25, 0.125},
        Case{"faces-mobile", 32, 33, "George_W_Bush", 0.25, 0.125},
        Case{"faces-resnet", 12, 30, "person", 0.2515, 0.125}, Case{"faces-cnn", 12, 30, "person", 0.25, 0.125},
        Case{"faces-mobile", 12, 30, "person", 0.255, 0.127}}) {
    const std::string model = c.model;
    CAPTURE(model);
    CAPTURE(c.people);
    const Checkpoint checkpoint = trained_checkpoint(model, c.people, c.photos, c.person);
    const auto full = static_cast<double>(encode_checkpoint(checkpoint, CheckpointKind::full).size());
    const auto fp16 = static_cast<double>(encode_checkpoint(checkpoint, CheckpointKind::fp16).size());
    const auto int8 = static_cast<double>(encode_checkpoint(checkpoint, CheckpointKind::int8).size());
    CHECK(fp16 / full <= c.fp16);
    CHECK(int8 / full <= c.int8);
  }
}
