// Whole networks: the gradient of the loss against central differences, one backend against the other, micro-batches
// against one batch. The topologies reach every layer type, every fusion and every way a gradient is masked or added
// up.
#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

struct Topology {
  const char* name;
  const char* layers;
  bool batch_norm = false;
};

const Topology kTopologies[] = {
    {"conv2d + relu, max pool, dropout", R"(
      {"type": "conv2d", "filters": 6, "kernel": 3, "pad": 1}, {"type": "relu"}, {"type": "max_pool", "kernel": 2},
      {"type": "dropout", "rate": 0.4}, {"type": "conv2d", "filters": 5, "kernel": 3}, {"type": "relu"}, {"type": "flatten"},
      {"type": "dense", "units": "classes"})"},
    {"leaky relu, max pool with overlap, dropout after dense", R"(
      {"type": "conv2d", "filters": 6, "kernel": [3, 2], "pad": [1, 0], "stride": [2, 1]}, {"type": "leaky_relu", "slope": 0.2},
      {"type": "max_pool", "kernel": 3, "stride": 1, "pad": 1}, {"type": "flatten"}, {"type": "dense", "units": 16},
      {"type": "leaky_relu", "slope": 0.1}, {"type": "dropout", "rate": 0.3}, {"type": "dense", "units": "classes"})"},
    {"residual with batch norm, projection and average pool", R"(
      {"type": "conv2d", "filters": 4, "kernel": 3, "pad": 1, "bias": false}, {"type": "batch_norm"}, {"type": "relu", "name": "in"},
      {"type": "average_pool", "kernel": 2}, {"type": "conv2d", "filters": 6, "kernel": 1, "bias": false}, {"type": "batch_norm", "name": "short"},
      {"type": "conv2d", "filters": 6, "kernel": 3, "stride": 2, "pad": 1, "bias": false, "input": "in"}, {"type": "batch_norm"}, {"type": "relu"},
      {"type": "conv2d", "filters": 6, "kernel": 3, "pad": 1, "bias": false}, {"type": "batch_norm", "name": "long"},
      {"type": "add", "name": "sum", "inputs": ["long", "short"]}, {"type": "relu"},
      {"type": "global_average_pool"}, {"type": "flatten"}, {"type": "dense", "units": "classes"})",
     true},
    {"identity residual: batch norm + add + relu, two readers", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1}, {"type": "batch_norm"}, {"type": "relu", "name": "in"},
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1}, {"type": "batch_norm", "name": "long"},
      {"type": "add", "inputs": ["in", "long"]}, {"type": "leaky_relu", "slope": 0.3}, {"type": "max_pool", "kernel": 4},
      {"type": "flatten"}, {"type": "dense", "units": "classes"})",
     true},
    {"pre-activation residual: batch norm reads what the add reads too", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1, "name": "in"}, {"type": "batch_norm"}, {"type": "relu"},
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1, "name": "c1"}, {"type": "add", "name": "s1", "inputs": ["c1", "in"]},
      {"type": "batch_norm"}, {"type": "relu"}, {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1, "name": "c2"},
      {"type": "add", "name": "s2", "inputs": ["s1", "c2"]}, {"type": "batch_norm"}, {"type": "relu"},
      {"type": "global_average_pool"}, {"type": "flatten"}, {"type": "dense", "units": "classes"})",
     true},
    {"batch norm added to its own input", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "name": "in"}, {"type": "batch_norm", "name": "bn"},
      {"type": "add", "inputs": ["bn", "in"]}, {"type": "relu"}, {"type": "global_average_pool"}, {"type": "flatten"},
      {"type": "dense", "units": "classes"})",
     true},
    {"batch norm added to its own input, which others read too", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "name": "in"}, {"type": "relu", "name": "r"}, {"type": "batch_norm", "name": "bn"},
      {"type": "add", "name": "s", "inputs": ["r", "bn"]}, {"type": "conv2d", "filters": 5, "kernel": 1, "input": "r", "name": "side"},
      {"type": "add", "inputs": ["s", "side"]}, {"type": "relu"}, {"type": "global_average_pool"}, {"type": "flatten"},
      {"type": "dense", "units": "classes"})",
     true},
    {"sum of two batch norms of one value", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "name": "in"}, {"type": "relu", "name": "r"}, {"type": "batch_norm", "name": "a"},
      {"type": "batch_norm", "name": "b", "input": "r"}, {"type": "relu", "name": "br"}, {"type": "add", "inputs": ["a", "br"]},
      {"type": "global_average_pool"}, {"type": "flatten"}, {"type": "dense", "units": "classes"})",
     true},
    {"a value added to itself", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3}, {"type": "relu", "name": "r"}, {"type": "add", "inputs": ["r", "r"]},
      {"type": "leaky_relu", "slope": 0.4}, {"type": "average_pool", "kernel": 2}, {"type": "flatten"}, {"type": "dense", "units": "classes"})"},
    {"batch norm's output added to itself", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3}, {"type": "batch_norm", "name": "bn"}, {"type": "add", "inputs": ["bn", "bn"]},
      {"type": "relu"}, {"type": "global_average_pool"}, {"type": "flatten"}, {"type": "dense", "units": "classes"})",
     true},
    {"an activated value read by two convolutions", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1}, {"type": "relu", "name": "r"},
      {"type": "conv2d", "filters": 4, "kernel": 3, "pad": 1, "name": "a"}, {"type": "relu", "name": "ar"},
      {"type": "conv2d", "filters": 4, "kernel": 1, "input": "r", "name": "b"}, {"type": "add", "inputs": ["ar", "b"]},
      {"type": "relu"}, {"type": "flatten"}, {"type": "dense", "units": "classes"})"},
    {"an activated value read by a pool and a convolution, the pool first", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1}, {"type": "relu", "name": "r"}, {"type": "max_pool", "kernel": 2, "name": "p"},
      {"type": "conv2d", "filters": 5, "kernel": 2, "stride": 2, "input": "r", "name": "b"}, {"type": "add", "inputs": ["p", "b"]},
      {"type": "average_pool", "kernel": 2}, {"type": "flatten"}, {"type": "dense", "units": "classes"})"},
    {"an activated value read by a convolution and a dropout, the convolution first", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1}, {"type": "leaky_relu", "name": "r"},
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1, "name": "a"}, {"type": "dropout", "rate": 0.5, "input": "r", "name": "d"},
      {"type": "add", "inputs": ["a", "d"]}, {"type": "dropout", "rate": 0.25}, {"type": "global_average_pool"}, {"type": "flatten"},
      {"type": "dense", "units": "classes"})"},
    {"average pool and global average pool after relu", R"(
      {"type": "conv2d", "filters": 6, "kernel": 3, "pad": 1}, {"type": "relu"}, {"type": "average_pool", "kernel": 3, "stride": 2, "pad": 1},
      {"type": "conv2d", "filters": 6, "kernel": 3}, {"type": "leaky_relu", "slope": 0.25}, {"type": "global_average_pool"}, {"type": "flatten"},
      {"type": "dense", "units": "classes", "bias": false})"},
    {"depthwise and grouped convolutions", R"(
      {"type": "conv2d", "filters": 4, "kernel": 1}, {"type": "relu"},
      {"type": "conv2d", "filters": 4, "kernel": 3, "pad": 1, "groups": "depthwise", "bias": false}, {"type": "batch_norm"}, {"type": "relu"},
      {"type": "conv2d", "filters": 8, "kernel": 3, "stride": 2, "pad": 1, "groups": 2}, {"type": "relu"},
      {"type": "conv2d", "filters": 16, "kernel": 3, "groups": "depthwise"}, {"type": "relu"},
      {"type": "flatten"}, {"type": "dense", "units": "classes"})",
     true},
    {"activations that cannot fuse", R"(
      {"type": "relu", "name": "r0"}, {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1, "name": "c"}, {"type": "relu", "name": "r1"},
      {"type": "leaky_relu", "slope": 0.3, "input": "c", "name": "r2"}, {"type": "leaky_relu", "slope": 0.5, "name": "r3"},
      {"type": "add", "inputs": ["r1", "r3"]}, {"type": "max_pool", "kernel": 2}, {"type": "relu"}, {"type": "flatten"},
      {"type": "dropout", "rate": 0.2}, {"type": "leaky_relu", "slope": 0.2}, {"type": "dense", "units": "classes"})"},
    {"batch norm on the input", R"(
      {"type": "batch_norm"}, {"type": "relu"}, {"type": "conv2d", "filters": 5, "kernel": 3}, {"type": "relu"},
      {"type": "global_average_pool"}, {"type": "batch_norm"}, {"type": "flatten"}, {"type": "dense", "units": "classes"})",
     true},
    {"batch norm and residual of the input itself", R"(
      {"type": "conv2d", "filters": 3, "kernel": 3, "pad": 1}, {"type": "batch_norm", "name": "bn"}, {"type": "add", "inputs": ["bn", "input"]},
      {"type": "relu"}, {"type": "dropout", "rate": 0.3}, {"type": "max_pool", "kernel": 2}, {"type": "flatten"},
      {"type": "dense", "units": "classes"})",
     true},
    {"dropout and pooling of the input", R"(
      {"type": "dropout", "rate": 0.2}, {"type": "max_pool", "kernel": 2}, {"type": "dropout", "rate": 0.2}, {"type": "dropout", "rate": 0.3},
      {"type": "flatten"}, {"type": "dense", "units": 8}, {"type": "relu"}, {"type": "batch_norm"}, {"type": "dropout", "rate": 0.3},
      {"type": "dense", "units": "classes"})",
     true},
    {"one value under two names through flatten", R"(
      {"type": "conv2d", "filters": 4, "kernel": 8, "name": "c"}, {"type": "flatten", "name": "f"}, {"type": "relu", "name": "fr"},
      {"type": "relu", "input": "c", "name": "cr"}, {"type": "flatten", "name": "crf"}, {"type": "flatten", "name": "crff"},
      {"type": "add", "inputs": ["fr", "crf"], "name": "s"}, {"type": "add", "inputs": ["s", "crff"]}, {"type": "dense", "units": "classes"})"},
    {"batch norm, activation and in-place dropout before a batch norm", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3}, {"type": "batch_norm"}, {"type": "leaky_relu", "slope": 0.3}, {"type": "dropout", "rate": 0.3},
      {"type": "batch_norm"}, {"type": "relu"}, {"type": "average_pool", "kernel": 2}, {"type": "dropout", "rate": 0.3}, {"type": "flatten"},
      {"type": "dense", "units": "classes"})",
     true},
    {"silu behind every op that takes an epilogue, and by itself", R"(
      {"type": "conv2d", "filters": 6, "kernel": 3, "pad": 1}, {"type": "silu"}, {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1},
      {"type": "batch_norm"}, {"type": "silu", "name": "s"}, {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1}, {"type": "silu", "name": "c"},
      {"type": "add", "inputs": ["s", "c"]}, {"type": "silu"}, {"type": "max_pool", "kernel": 2}, {"type": "silu"},
      {"type": "conv2d", "filters": 5, "kernel": 2}, {"type": "silu"}, {"type": "dropout", "rate": 0.3}, {"type": "silu"}, {"type": "flatten"},
      {"type": "dense", "units": 8}, {"type": "silu"}, {"type": "dense", "units": "classes"})",
     true},
    {"hard_swish beside relu: residual batch norm, pools, two readers", R"(
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1}, {"type": "hard_swish", "name": "in"},
      {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1, "groups": "depthwise"}, {"type": "batch_norm", "name": "long"},
      {"type": "add", "inputs": ["in", "long"]}, {"type": "hard_swish", "name": "r"}, {"type": "average_pool", "kernel": 2, "name": "p"},
      {"type": "conv2d", "filters": 5, "kernel": 2, "stride": 2, "input": "r", "name": "b"}, {"type": "relu", "name": "br"},
      {"type": "add", "inputs": ["p", "br"]}, {"type": "hard_swish"}, {"type": "global_average_pool"}, {"type": "hard_swish"}, {"type": "flatten"},
      {"type": "dense", "units": "classes"})",
     true},
    {"gelu on the input, of one value under two names, and before dropout", R"(
      {"type": "gelu"}, {"type": "conv2d", "filters": 5, "kernel": 3, "pad": 1, "name": "c"}, {"type": "gelu", "name": "g"},
      {"type": "leaky_relu", "input": "c", "name": "l"}, {"type": "add", "inputs": ["g", "l"]}, {"type": "batch_norm"}, {"type": "gelu"},
      {"type": "dropout", "rate": 0.3}, {"type": "conv2d", "filters": 4, "kernel": 3}, {"type": "gelu"}, {"type": "max_pool", "kernel": 2},
      {"type": "flatten"}, {"type": "dense", "units": 8}, {"type": "gelu"}, {"type": "dense", "units": "classes"})",
     true},
};

Model model_of(const Topology& topology) { return parse_model(model_json(topology.layers), topology.name); }

/// Whether d loss / d direction is what the gradient says, at a random direction with a share of the gradient in it,
/// for one tensor. Bound: logits in float32 carry about 1e-6, so the difference over the smallest step 5e-4 is good to
/// about 2e-3 in the worst case, while its truncation error at the largest (4e-3) is about 1e-4; 2 % of the tensor's
/// gradient is far below what one wrong mask, scale or missing term leaves.
bool right_slope(Bench& bench, const ParameterInfo& info, const std::vector<float>& gradient, double whole,
                 std::mt19937_64& random) {
  const float* g = &gradient[info.offset];
  const double length = norm(g, info.count);
  std::normal_distribution<double> draw(0.0, 1.0 / std::sqrt(static_cast<double>(info.count)));
  std::vector<double> direction(info.count);
  double slope = 0.0;
  for (std::size_t i = 0; i < info.count; ++i) {
    direction[i] = draw(random) + (length > 0.0 ? static_cast<double>(g[i]) / length : 0.0);
    slope += direction[i] * static_cast<double>(g[i]);
  }
  const std::vector<float> start = bench.parameters();
  const double allowed = 0.02 * length + 1e-3 * whole + 1e-4;
  double best = HUGE_VAL;
  for (const double step : {4e-3, 2e-3, 1e-3, 5e-4}) {
    double loss[2], moved = 0.0;
    for (const int side : {0, 1}) {
      for (std::size_t i = 0; i < info.count; ++i)
        bench.parameters()[info.offset + i] =
            start[info.offset + i] + static_cast<float>((side == 0 ? step : -step) * direction[i]);
      loss[side] = bench.loss();
    }
    moved = 2.0 * step;
    best = std::min(best, std::abs((loss[0] - loss[1]) / moved - slope));
    bench.parameters() = start;
    if (best <= allowed) break;
  }
  return best <= allowed;
}

/// The tensors whose gradient is not the slope of the loss.
std::set<std::string> wrong_tensors(Bench& bench, std::uint64_t seed) {
  const std::vector<float> gradient = bench.gradient();
  double whole = 0.0;
  for (const ParameterInfo& info : bench.layout().parameters())
    whole += std::pow(norm(&gradient[info.offset], info.count), 2);
  whole = std::sqrt(whole);
  REQUIRE(whole > 1e-3);
  std::mt19937_64 random(seed);
  std::set<std::string> wrong;
  for (const ParameterInfo& info : bench.layout().parameters())
    for (int repeat = 0; repeat < 2; ++repeat)
      if (!right_slope(bench, info, gradient, whole, random)) wrong.insert(info.name);
  return wrong;
}

/// Between two points with a kink (relu, maximum) in the middle, the difference is not the slope: kinks are left out by
/// drawing another network. A wrong gradient is wrong in all four, a kink in the way of a tensor in about one of 100.
void check_gradient(Backend& backend, const Topology& topology, int batch, BatchNormMode mode, std::uint64_t seed) {
  std::set<std::string> wrong;
  for (std::uint64_t draw = 0; draw < 4 && (draw == 0 || !wrong.empty()); ++draw) {
    Bench bench(backend, model_of(topology), batch, seed + draw);
    bench.mode = mode;
    const std::set<std::string> now = wrong_tensors(bench, seed + draw);
    std::set<std::string> still;
    for (const std::string& name : now)
      if (draw == 0 || wrong.count(name) != 0) still.insert(name);
    wrong = still;
  }
  for (const std::string& name : wrong) FAIL_CHECK("the gradient of ", name, " is not the slope of the loss");
}

/// Largest difference of two gradients, tensor by tensor, relative to the tensor and a hundredth of the whole.
double difference(const Bench&, const ParameterLayout& layout, const std::vector<float>& a,
                  const std::vector<float>& b) {
  double whole = 0.0, worst = 0.0;
  for (const ParameterInfo& info : layout.parameters()) whole += std::pow(norm(&a[info.offset], info.count), 2);
  for (const ParameterInfo& info : layout.parameters()) {
    std::vector<float> apart(info.count);
    for (std::size_t i = 0; i < info.count; ++i) apart[i] = a[info.offset + i] - b[info.offset + i];
    const double error = norm(apart.data(), info.count) / (norm(&a[info.offset], info.count) + 0.01 * std::sqrt(whole));
    if (!(error <= worst)) worst = error;  // NaN stays
  }
  return worst;
}

TEST_CASE("the gradient of whole networks is the slope of their loss") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const std::unique_ptr<Backend> backend = make_reference_backend();
  for (const Topology& topology : kTopologies) {
    INFO("topology: ", std::string(topology.name));
    check_gradient(*backend, topology, 4, BatchNormMode::batch_statistics, seed);
  }
}

TEST_CASE("the gradient is the slope with frozen batch norm too") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const std::unique_ptr<Backend> backend = make_reference_backend();
  for (const Topology& topology : kTopologies) {
    if (!topology.batch_norm) continue;
    INFO("topology: ", std::string(topology.name));
    check_gradient(*backend, topology, 3, BatchNormMode::running_statistics, seed);
  }
}

TEST_CASE("the CPU backend and the reference agree on whole gradients") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const std::unique_ptr<Backend> reference = make_reference_backend(), cpu = make_cpu_backend(2);
  for (const Topology& topology : kTopologies) {
    INFO("topology: ", std::string(topology.name));
    Bench expected(*reference, model_of(topology), 4, seed), bench(*cpu, model_of(topology), 4, seed);
    // Each op errs by a few 1e-7 (float32 sums in another order); ten ops deep, and a batch norm divides by deviations
    // down to about 0.1: 2e-4 leaves a factor of ten. Both networks must draw the same dropout masks for this to hold.
    CHECK(difference(bench, bench.layout(), expected.gradient(), bench.gradient()) < 2e-4);
  }
}

TEST_CASE("gradients of micro-batches add up to the gradient of the batch") {
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  const std::unique_ptr<Backend> reference = make_reference_backend(), cpu = make_cpu_backend(2);
  for (const Topology& topology : kTopologies) {
    INFO("topology: ", std::string(topology.name));
    for (Backend* backend : {reference.get(), cpu.get()}) {
      CAPTURE(backend->name());
      Bench bench(*backend, model_of(topology), 6, seed);
      if (topology.batch_norm) bench.mode = BatchNormMode::running_statistics;  // batch statistics would be others
      const std::vector<float> whole = bench.gradient();
      // The same sums in another order: a few 1e-7 an op.
      for (const int micro : {1, 2, 3}) CHECK(difference(bench, bench.layout(), whole, bench.gradient(micro)) < 1e-4);
    }
  }
}

/// Cosine of the angle between two gradients, over the parameters alone (padding left out).
double cosine(const std::vector<float>& a, const std::vector<float>& b, const ParameterLayout& layout) {
  double dot = 0.0, a2 = 0.0, b2 = 0.0;
  for (const ParameterInfo& info : layout.parameters()) {
    for (std::size_t i = info.offset; i < info.offset + info.count; ++i) {
      const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
      dot += x * y;
      a2 += x * x;
      b2 += y * y;
    }
  }
  return dot / std::sqrt(a2 * b2);
}

TEST_CASE("bf16 gradients point the same way as float32's") {
  const std::unique_ptr<Backend> cpu = make_cpu_backend(2);
  if (!cpu->supports(DType::bf16)) {
    MESSAGE("skipped: this CPU does not compute in bf16");
    return;
  }
  const std::uint64_t seed = fresh_seed();
  CAPTURE(seed);
  // bf16 rounds to 2^-8; ten ops deep that is about 1 %, and kinks that a rounding crosses move whole elements of these
  // small networks. One draw can be ill-conditioned: a batch norm over six values that relu left nearly all zero
  // divides the rounding by a tiny deviation (a cosine of 0.51 was seen). A wrong mask or a missing term turns every
  // draw's gradient, so the median counts.
  constexpr int kDraws = 5;
  for (const Topology& topology : kTopologies) {
    INFO("topology: ", std::string(topology.name));
    std::vector<double> cosines;
    for (int draw = 0; draw < kDraws; ++draw) {
      Bench exact(*cpu, model_of(topology), 6, seed + draw),
          bench(*cpu, model_of(topology), 6, seed + draw, DType::bf16);
      cosines.push_back(cosine(exact.gradient(), bench.gradient(), bench.layout()));
    }
    std::nth_element(cosines.begin(), cosines.begin() + kDraws / 2, cosines.end());
    CHECK(cosines[kDraws / 2] > 0.9);
  }
}

}  // namespace
}  // namespace tsugi::test
