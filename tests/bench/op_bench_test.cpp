// Shapes, costs, and the timing of ops: against figures from elsewhere, and on a clock that only ops move.
#include <algorithm>
#include <map>

#include "bench/measure/op_bench.h"
#include "bench/measure/op_set.h"
#include "bench/measure/statistics.h"
#include "engine/model/parameters.h"
#include "kernels/api/registry.h"
#include "tests/bench/choosy_backend.h"
#include "tests/bench/support.h"
#include "tests/engine/support.h"

namespace tsugi::test {
namespace {

TEST_CASE("the models of the literature have the parameters and the arithmetic that others count") {
  // torchvision 0.15: sum(p.numel() for p in resnet18().parameters()), and of mobilenet_v2().
  const bench::ShapeList resnet = bench::find_shape_list("resnet-18"), mobile = bench::find_shape_list("mobilenet-v2");
  CHECK(ParameterLayout(resnet.model, resnet.classes).trained_count() == 11689512);
  CHECK(ParameterLayout(mobile.model, mobile.classes).trained_count() == 3504872);
  // torchvision's model pages: 1.81 and 0.3 GMAC; the sums by hand 1.814 and 0.3008.
  const auto forward_flops = [](const bench::ShapeList& list) {
    double flops = 0.0;
    for (const LayerCost& cost : layer_costs(list.model, list.classes)) flops += cost.forward_flops;
    return flops;
  };
  CHECK(forward_flops(resnet) == doctest::Approx(2.0 * 1.814e9).epsilon(0.001));
  CHECK(forward_flops(mobile) == doctest::Approx(2.0 * 0.3008e9).epsilon(0.001));
}

TEST_CASE("the ops of a list do the arithmetic of its layers, each layer once") {
  for (const std::string& name : model_names()) {
    CAPTURE(name);
    const bench::ShapeList list = bench::find_shape_list(name);
    double expected = 0.0, flops = 0.0;
    for (const LayerCost& cost : layer_costs(list.model, list.classes)) expected += cost.forward_flops;
    int layers = 0;
    constexpr int kBatch = 16;
    for (const bench::OpCase& op_case : bench::op_cases(list, kBatch)) {
      flops += op_case.times * bench::cost_of(op_case, bench::OpPass::forward, DType::f32).flops;
      layers += op_case.times;
      for (const bench::OpPass pass : bench::passes_of(op_case)) {
        const bench::OpCost full = bench::cost_of(op_case, pass, DType::f32),
                            half = bench::cost_of(op_case, pass, DType::f16);
        CHECK(full.bytes > half.bytes);
        CHECK(half.bytes >= full.bytes / 2.0);
      }
    }
    CHECK(flops == doctest::Approx(kBatch * expected).epsilon(1e-12));
    CHECK(layers == static_cast<int>(build_graph(list.model, list.classes, true).nodes.size()));
  }
  expect_parts(error_of([] { bench::find_shape_list("resnet-19"); }),
               {"resnet-19", "faces-cnn", "resnet-18", "mobilenet-v2"});
}

TEST_CASE("medians and their deviation do not follow an outlier") {
  CHECK(bench::median({3.0, 1.0, 1000.0}) == 3.0);
  CHECK(bench::median({4.0, 1.0, 2.0, 1000.0}) == 3.0);
  CHECK(std::isnan(bench::median({})));
  CHECK(bench::median_deviation({3.0, 1.0, 1000.0}) == 2.0);
  CHECK(bench::geometric_mean({2.0, 8.0}) == doctest::Approx(4.0));
}

TEST_CASE("the roofline is the slower of arithmetic and memory") {
  bench::Limits limits;
  limits.f32 = 100.0, limits.copy = 10.0;
  CHECK(bench::roofline_seconds(limits, 1000.0, 50.0, DType::f32) == 10.0);
  CHECK(bench::roofline_seconds(limits, 1000.0, 200.0, DType::f32) == 20.0);
  CHECK(bench::roofline_seconds(limits, 0.0, 50.0, DType::f32) == 5.0);
}

TEST_CASE("a call that takes one tick is measured as one, however many make a sample") {
  TickingBackend backend(make_cpu_backend(1));
  bench::OpCase op_case = bench::smoke_cases()[1];
  bench::BenchMemory memory(backend);
  bench::OpSet set(memory, op_case, DType::f32, 100000);
  CHECK(set.copies() > 1);
  bench::TimingOptions timing;
  timing.sample_seconds = 5.0;
  const bench::Turn turn = bench::take_turn(set.contender("conv", backend, bench::OpPass::forward), 1, timing, 0.0);
  CHECK(turn.calls == 5);
  REQUIRE(turn.seconds.size() == 1);
  CHECK(turn.seconds[0] == 1.0);
  const bench::Turn cold =
      bench::take_turn(set.contender("conv", backend, bench::OpPass::forward), set.copies(), timing, 0.0);
  CHECK(cold.calls == set.copies());  // once over every copy
  CHECK(cold.seconds[0] == 1.0);
}

TEST_CASE("every op of every kind runs on every backend here, and becomes a point") {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend(1));
  backends.push_back(make_reference_backend());
  if (auto simt = emulator(75)) backends.push_back(std::move(simt));
  const std::vector<bench::OpCase> cases = bench::smoke_cases();
  std::size_t expected = 0;
  for (const bench::OpCase& op_case : cases) expected += 2 * bench::passes_of(op_case).size();
  for (const auto& backend : backends) {
    for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
      if (!backend->supports(dtype)) continue;
      CAPTURE(backend->name());
      CAPTURE(name_of(dtype));
      bench::ResultFile file;
      bench::OpBenchOptions options;
      options.dtype = dtype;
      options.brief = true;
      std::size_t turns = 0;
      bench::bench_ops(*backend, {}, cases, options, {[&](std::size_t, std::size_t total) { turns = total; }, {}},
                       file);
      CHECK(turns == expected);
      CHECK(file.entries.size() == expected);
      CHECK(file.context.brief);
      CHECK(file.context.limits.f32 > 0.0);
      CHECK(file.context.limits.copy > 0.0);
      for (const bench::ResultEntry& e : file.entries) {
        INFO(e.name << ": " << e.failure);
        CHECK(e.failure.empty());
        CHECK(e.seconds > 0.0);
        CHECK(e.bytes > 0.0);
        CHECK((e.flops > 0.0) == (e.op.find("conv2d") == 0 || e.op.find("dense") == 0));
      }
    }
  }
}

TEST_CASE("bursts do what they say: the copy is whole, the arithmetic grows with its steps, marks follow the clock") {
  std::vector<std::unique_ptr<Backend>> backends;
  backends.push_back(make_cpu_backend(2));
  backends.push_back(make_reference_backend());
  if (auto simt = emulator(75)) backends.push_back(std::move(simt));
  for (const auto& backend : backends) {
    CAPTURE(backend->name());
    constexpr std::size_t kBytes = 70000 / 16 * 16;
    DeviceBuffer from(*backend, kBytes), to(*backend, kBytes), out(*backend, 16);
    std::vector<std::uint8_t> sent(kBytes), got(kBytes);
    for (std::size_t i = 0; i < kBytes; ++i) sent[i] = static_cast<std::uint8_t>(i * 31 >> 3);
    backend->copy_to_device(from.data(), sent.data(), kBytes);
    const std::unique_ptr<TimeMark> begin = backend->make_time_mark(), end = backend->make_time_mark();
    begin->record();
    backend->copy_burst(from.data(), kBytes, to.data());
    end->record();
    backend->copy_to_host(got.data(), to.data(), kBytes);
    CHECK(got == sent);
    CHECK(end->seconds_since(*begin) > 0.0);
    CHECK(begin->seconds_since(*begin) == 0.0);
    const double once = backend->fma_burst(DType::f32, 1, out.as<float>());
    CHECK(once >= 2.0);
    CHECK(backend->fma_burst(DType::f32, 3, out.as<float>()) == 3.0 * once);
    CHECK_THROWS_AS(backend->fma_burst(DType::i8, 1, out.as<float>()), Error);
  }
}

TEST_CASE("a filter keeps the points with its text, and one that fits nothing is an error") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  bench::ResultFile file;
  bench::OpBenchOptions options;
  options.brief = true;
  options.warm = false;
  options.filter = "depthwise/";
  bench::bench_ops(*backend, {}, bench::smoke_cases(), options, {}, file);
  CHECK(file.entries.size() == 3);
  for (const bench::ResultEntry& e : file.entries) CHECK(e.cache == "cold");
  options.filter = "nothing";
  expect_parts(error_of([&] { bench::bench_ops(*backend, {}, bench::smoke_cases(), options, {}, file); }),
               {"0 points", "nothing"});
}

TEST_CASE("a point stands beside the library that computes the same call, and the backend's own choice is as it was") {
  ChoosyBackend backend;
  backend.convolutions = {"usual", "fast", "onednn"};
  backend.cost["onednn"] = 7.0;  // 8 ticks a call, "usual" 4, "fast" 3
  bench::OpBenchOptions options;
  options.brief = true;
  const auto measure = [&](const std::vector<bench::OpCase>& cases) {
    bench::ResultFile file;
    bench::bench_ops(backend, {}, cases, options, {}, file);
    return file.entries;
  };
  const bench::OpCase conv = bench::smoke_cases().front();
  REQUIRE(conv.kind == NodeKind::conv2d);
  const KernelCall forward = bench::kernel_call(conv, bench::OpPass::forward, DType::f32);
  backend.choose(forward, "fast");
  for (const bench::ResultEntry& e : measure({conv})) {
    INFO(e.name);
    const bool is_forward = e.op == "conv2d_forward";
    CHECK(e.kernel == (is_forward ? "fast" : "usual"));
    CHECK(e.peer == "onednn");
    CHECK(bench::peer_ratio(e) == doctest::Approx(is_forward ? 8.0 / 3.0 : 2.0));
  }
  CHECK(backend.chosen(forward) == "fast");
  backend.choose(forward, "onednn");  // nothing to compare with: it is the peer
  const bench::ResultEntry itself = measure({conv}).front();
  CHECK(itself.kernel == "onednn");
  CHECK(itself.peer == "onednn");
  CHECK(bench::peer_ratio(itself) == 0.0);
  bench::OpCase dense = conv;
  dense.kind = NodeKind::dense;
  dense.shape.h = dense.shape.w = dense.shape.r = dense.shape.s = 1, dense.shape.pad_h = dense.shape.pad_w = 0;
  CHECK(measure({dense}).front().peer.empty());
  options.peers = false;
  CHECK(measure({conv}).back().peer.empty());
  CHECK(measure({conv}).back().kernel == "usual");
}

TEST_CASE("every kernel of a call gets points of its own, and the backend's own choice is as it was") {
  ChoosyBackend backend;
  const bench::OpCase conv = bench::smoke_cases().front();
  REQUIRE(conv.kind == NodeKind::conv2d);
  bench::OpCase pool;
  pool.kind = NodeKind::pool;
  const KernelCall forward = bench::kernel_call(conv, bench::OpPass::forward, DType::f32);
  backend.choose(forward, "fast");
  bench::OpBenchOptions options;
  options.brief = true;
  options.every_kernel = true;
  bench::ResultFile file = device_file("cpu", 1.0, 1.0);
  bench::bench_ops(backend, {}, {conv, pool}, options, {}, file);
  CHECK(file.entries.size() == 2 * 3 * bench::passes_of(conv).size());  // warm and cold, three kernels; of a pool none
  const std::map<std::string, double> ticks = {{"usual", 4.0}, {"fast", 3.0}, {"slow", 10.0}};
  for (const bench::ResultEntry& e : file.entries) {
    INFO(e.name);
    CHECK(e.seconds == doctest::Approx(ticks.at(e.kernel)));
    CHECK(e.pinned == (e.kernel != (e.op == "conv2d_forward" ? "fast" : "usual")));
    const std::string plain = bench::entry_name(conv,
                                                e.op == "conv2d_forward"         ? bench::OpPass::forward
                                                : e.op == "conv2d_backward_data" ? bench::OpPass::backward_data
                                                                                 : bench::OpPass::backward_weight,
                                                DType::f32, e.cache);
    CHECK(e.name == plain + (e.pinned ? "/" + e.kernel : ""));
    REQUIRE(e.shape);
    CHECK(e.shape->k == conv.shape.k);
  }
  CHECK(backend.chosen(forward) == "fast");
  const bench::ResultFile read = bench::parse_result_file(bench::to_json(file, true), "test");
  REQUIRE(read.entries.size() == file.entries.size());
  for (std::size_t i = 0; i < read.entries.size(); ++i) {
    CHECK(read.entries[i].name == file.entries[i].name);
    CHECK(read.entries[i].pinned == file.entries[i].pinned);
    CHECK(read.entries[i].op == file.entries[i].op);
  }
}

TEST_CASE("the peer is the fastest of several vendors, and one that cannot compute the call is none") {
  class Vendor : public TickingBackend {
   public:
    Vendor(double ticks_of_call, bool able) : TickingBackend(make_cpu_backend(1)), cost_(ticks_of_call), able_(able) {}
    std::string name() const override { return "vendor"; }
    using TickingBackend::workspace_bytes;
    std::size_t workspace_bytes(const DenseShape&, DType) const override { return 0; }
    void compute_dense_forward(const DenseForward&) override { ticks += 1.0; }  // float16, for the peak of matrix units
    void compute_conv2d_forward(const Conv2dForward& op) override {
      if (!able_) throw Error("vendor: cannot");
      ticks += cost_;
      TickingBackend::compute_conv2d_forward(op);
    }

   private:
    double cost_;
    bool able_;
  };
  TickingBackend backend(make_cpu_backend(1));
  Vendor slow(6.0, true), fast(3.0, true), unable(1.0, false);
  bench::OpBenchOptions options;
  options.brief = true;
  options.filter = "conv2d_forward";
  const auto peer_of = [&](const std::vector<Backend*>& vendors) {
    bench::ResultFile file;
    bench::bench_ops(backend, vendors, {bench::smoke_cases().front()}, options, {}, file);
    return file.entries.front();
  };
  CHECK(bench::peer_ratio(peer_of({&slow, &fast})) == doctest::Approx(4.0));
  CHECK(bench::peer_ratio(peer_of({&unable, &slow})) == doctest::Approx(7.0));
  CHECK(peer_of({&unable, &slow}).peer == "vendor");
  CHECK(peer_of({&unable}).peer.empty());
  CHECK(peer_of({&unable}).failure.empty());
}

TEST_CASE("a bench that is stopped keeps what it has, and counts what it left out") {
  const std::unique_ptr<Backend> backend = make_cpu_backend(1);
  bench::ResultFile file;
  bench::OpBenchOptions options;
  options.brief = true;
  int asked = 0;
  bench::bench_ops(*backend, {}, bench::smoke_cases(), options, {{}, [&] { return ++asked > 2; }}, file);
  CHECK(file.entries.size() == 2 * (2 + 3));  // the first two cases: two and three passes, warm and cold
  bench::ResultFile whole;
  bench::bench_ops(*backend, {}, bench::smoke_cases(), options, {}, whole);
  CHECK(whole.context.points_left_out == 0);
  CHECK(file.context.points_left_out == static_cast<int>(whole.entries.size() - file.entries.size()));
}

}  // namespace
}  // namespace tsugi::test
