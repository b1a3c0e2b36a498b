// One training step of every built-in model against PyTorch's, from tests/data/golden_<model>.safetensors. Weights and
// inputs are drawn by the formula of tests/data/golden_step.py, exact in float32; dropout has a rate of 0.
#include <cmath>
#include <nlohmann/json.hpp>

#include "engine/core/input_file.h"
#include "engine/formats/safetensors.h"
#include "engine/optim/optimizer.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

constexpr int kSize = 32, kBatch = 2, kSamples = 8;

/// Element i of a stream, in [-1, 1): golden_step.py's draw().
float draw(std::uint32_t stream, std::uint32_t i) {
  std::uint32_t h = i * 0x9E3779B9u + stream * 0x85EBCA6Bu + 0x1234567u;
  h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
  h = (h ^ (h >> 13)) * 0xC2B2AE35u;
  h ^= h >> 16;
  return (static_cast<float>(h >> 8) - 8388608.0f) / 8388608.0f;
}

float start_value(const ParameterInfo& info, std::uint32_t stream, std::uint32_t i) {
  const std::string kind = info.name.substr(info.name.rfind('.') + 1);
  if (kind == "weight") {
    const double fan_in = static_cast<double>(info.count) / static_cast<double>(info.shape[0]);
    return draw(stream, i) * static_cast<float>(std::exp2(std::round(std::log2(std::sqrt(6.0 / fan_in)))));
  }
  return kind == "gamma" ? 1.0f + draw(stream, i) * 0.25f : draw(stream, i) * 0.125f;
}

std::vector<std::size_t> sampled(std::size_t count, std::uint32_t stream) {
  std::vector<std::size_t> positions;
  for (std::uint32_t i = 0; i < kSamples; ++i)
    positions.push_back(static_cast<std::size_t>((static_cast<double>(draw(1000 + stream, i)) + 1.0) * 0.5 *
                                                 static_cast<double>(count)));
  return positions;
}

Model without_dropout(const std::string& name) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(find_model(name).json);
  for (auto& layer : json["layers"])
    if (layer["type"] == "dropout") layer["rate"] = 0.0;
  return with_input_size(parse_model(json.dump(), name), kSize);
}

/// golden values by name; a missing one fails.
class Golden {
 public:
  explicit Golden(const std::string& model) {
    InputFile file(TSUGI_TEST_DATA "/golden_" + model + ".safetensors");
    file_ = read_safetensors(file, model);
  }
  std::vector<float> operator()(const std::string& name) const {
    const NamedTensor* tensor = find_tensor(file_.tensors, name);
    REQUIRE_MESSAGE(tensor != nullptr, "golden_step.py wrote no " << name << ": run it again");
    return values_of(*tensor);
  }
  std::size_t size() const { return file_.tensors.size(); }

 private:
  SafetensorsFile file_;
};

void expect_near(const std::string& what, double got, double want, double allowed) {
  INFO(what << ": got " << got << ", PyTorch has " << want << ", allowed " << allowed);
  CHECK(std::abs(got - want) <= allowed);
}

void prepare(Bench& bench) {
  std::uint32_t stream = 0;
  for (const ParameterInfo& info : bench.layout().parameters()) {
    ++stream;
    for (std::size_t i = 0; i < info.count; ++i)
      bench.parameters()[info.offset + i] = start_value(info, stream, static_cast<std::uint32_t>(i));
  }
  for (std::size_t i = 0; i < bench.input.size(); ++i) bench.input[i] = draw(0, static_cast<std::uint32_t>(i));
  bench.labels = {2, 0};
  initialise_statistics(bench.layout(), bench.statistics().data());
}

/// Each op rounds to float32 (6e-8) or sums there (a few 1e-7); sixty ops deep, with batch norms over as few as 8 rows
/// that divide by what is left after the mean is taken off, gradients are good to about 1e-5 of their tensor's norm.
/// kBound leaves a factor of ten; a wrong epsilon, momentum, decay, mask or layout is off by far more.
constexpr double kBound = 1e-4;

void expect_golden_step(Backend& backend, const std::string& name) {
  const Golden golden(name);
  Bench bench(backend, without_dropout(name), kBatch, 1);
  prepare(bench);
  std::vector<float> gradient = bench.gradient();
  const std::vector<float> statistics = bench.updated_statistics();
  expect_near("loss", bench.loss(), static_cast<double>(golden("loss")[0]), kBound);
  const std::vector<float> logits = bench.logits(), want_logits = golden("logits");
  REQUIRE(logits.size() == want_logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    expect_near("logit", static_cast<double>(logits[i]), static_cast<double>(want_logits[i]),
                kBound * (1.0 + std::abs(static_cast<double>(want_logits[i]))));

  std::vector<float> updated = bench.parameters();
  for (const ParameterInfo& info :
       bench.layout().parameters())  // the gaps are not part of any tensor: a run holds zeros there
    for (std::size_t i = info.offset + info.count; i % 16 != 0; ++i) gradient[i] = 0.0f;
  OptimizerSettings settings;
  settings.lr = 0.1f;
  Optimizer optimizer(backend, settings, bench.layout().count(), bench.layout().trained_ranges(0));
  StepState state;
  state.lr = settings.lr;
  UpdateReport report;
  optimizer.update(updated.data(), gradient.data(), nullptr, DType::f32, &state, &report);

  std::uint32_t stream = 0;
  for (const ParameterInfo& info : bench.layout().parameters()) {
    ++stream;
    const double want_norm = static_cast<double>(golden(info.name + "/gradient_norm")[0]);
    // A bias before a batch norm has no gradient but rounding: that is why there is an absolute part.
    const double allowed = kBound * want_norm + 1e-6;
    expect_near(info.name + " gradient norm", norm(&gradient[info.offset], info.count), want_norm, allowed);
    const std::vector<float> want_gradient = golden(info.name + "/gradient"),
                             want_updated = golden(info.name + "/updated");
    const std::vector<std::size_t> positions = sampled(info.count, stream);
    for (std::size_t i = 0; i < positions.size(); ++i) {
      const std::size_t at = info.offset + positions[i];
      expect_near(info.name + " gradient", static_cast<double>(gradient[at]), static_cast<double>(want_gradient[i]),
                  allowed);
      // lr (1 + momentum) times the gradient's error, and the roundings of a weight of about 1.
      expect_near(info.name + " updated", static_cast<double>(updated[at]), static_cast<double>(want_updated[i]),
                  0.19 * allowed + 3e-7);
    }
  }
  stream = 0;
  for (const ParameterInfo& info : bench.layout().statistics()) {
    const std::vector<float> want = golden(info.name);
    const std::vector<std::size_t> positions = sampled(info.count, ++stream);
    for (std::size_t i = 0; i < positions.size(); ++i)
      expect_near(info.name, static_cast<double>(statistics[info.offset + positions[i]]), static_cast<double>(want[i]),
                  1e-5 * (1.0 + std::abs(static_cast<double>(want[i]))));
  }
  // Nothing in the file is left unchecked: a changed model needs new golden values.
  CHECK(golden.size() == 2 + 3 * bench.layout().parameters().size() + bench.layout().statistics().size());
}

TEST_CASE("a training step of every built-in model is PyTorch's, on the CPU backend") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(2);
  for (const std::string& name : builtin_model_names()) {
    INFO("model: ", name);
    expect_golden_step(*backend, name);
  }
}

TEST_CASE("a training step of every built-in model is PyTorch's, on the reference") {
  const std::unique_ptr<Backend> backend = make_reference_backend();
  for (const std::string& name : builtin_model_names()) {
    INFO("model: ", name);
    expect_golden_step(*backend, name);
  }
}

}  // namespace
}  // namespace tsugi::test
