// Convolutions, dense layers and the ops bound by memory, one by one, on the shapes of the built-in models. Convolutions
// report GFLOP/s and their share of the FMA peak that this same program measures.
//   bench_ops [--threads=N] [--clock=wall|cpu] [Google Benchmark's flags, e.g. --benchmark_filter=conv2d/.*bf16 --benchmark_repetitions=5]
// --clock=cpu counts the processor time of all threads: with --threads=1, figures that hold on a machine that others
// use at the same time.
#include <benchmark/benchmark.h>
#include <omp.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "bench/fma_peak.h"
#include "kernels/api/backend.h"

namespace {

using namespace tsugi;

constexpr int kBatch = 64;
constexpr Activation kRelu{ActivationKind::relu, 0.0f};

struct Peaks {
  double f32 = 0.0, bf16 = 0.0;
  double of(DType dtype) const { return dtype == DType::bf16 ? bf16 : f32; }
};

/// Memory of the backend with values around zero.
class Tensor {
 public:
  Tensor(Backend& backend, std::size_t count, DType dtype)
      : backend_(backend), data_(backend.allocate(count * size_of(dtype) + 64)) {
    for (std::size_t i = 0; i < count; ++i) {
      const float value = static_cast<float>((i * 2654435761u >> 16) & 255u) / 256.0f - 0.5f;
      if (dtype == DType::f32) static_cast<float*>(data_)[i] = value;
      if (dtype == DType::bf16) set_bf16(i, value);
      if (dtype == DType::u8) static_cast<std::uint8_t*>(data_)[i] = i & 3u;
    }
  }
  ~Tensor() { backend_.release(data_); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;

  void* data() { return data_; }
  float* floats() { return static_cast<float*>(data_); }

 private:
  void set_bf16(std::size_t i, float value) {
    std::uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    static_cast<std::uint16_t*>(data_)[i] = static_cast<std::uint16_t>(bits >> 16);
  }

  Backend& backend_;
  void* data_;
};

struct ConvCase {
  const char* model;
  int size, c, k, r, stride;

  Conv2dShape shape() const {
    Conv2dShape s;
    s.n = kBatch, s.h = s.w = size, s.c = c, s.k = k, s.r = s.s = r;
    s.stride_h = s.stride_w = stride, s.pad_h = s.pad_w = r / 2;
    return s;
  }
  std::string name() const {
    return std::string(model) + "/h" + std::to_string(size) + "_c" + std::to_string(c) + "_k" + std::to_string(k) +
           "_r" + std::to_string(r) + "_s" + std::to_string(stride);
  }
};

constexpr ConvCase kConvCases[] = {
    {"faces-cnn", 64, 3, 32, 3, 1},     {"faces-cnn", 64, 32, 32, 3, 1},    {"faces-cnn", 32, 32, 64, 3, 1},
    {"faces-cnn", 32, 64, 64, 3, 1},    {"faces-cnn", 16, 64, 128, 3, 1},   {"faces-cnn", 16, 128, 128, 3, 1},
    {"faces-resnet", 64, 3, 32, 3, 2},  {"faces-resnet", 32, 32, 32, 3, 1}, {"faces-resnet", 32, 32, 64, 3, 2},
    {"faces-resnet", 16, 64, 64, 3, 1}, {"faces-resnet", 16, 32, 64, 1, 1}, {"faces-resnet", 16, 64, 128, 3, 2},
    {"faces-resnet", 8, 128, 128, 3, 1}, {"faces-resnet", 8, 64, 128, 1, 1},
};

enum class Pass { forward, backward_data, backward_weight };

/// Times call(), after one call that fills caches and creates what is created once.
template <typename Call>
void time_calls(benchmark::State& state, const Call& call) {
  call();
  for (auto _ : state) call();
}

/// flops: of one call.
void set_flops(benchmark::State& state, double flops, double peak) {
  const double total = flops * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(total / 1e9, benchmark::Counter::kIsRate);
  state.counters["peak_%"] = benchmark::Counter(100.0 * total / peak, benchmark::Counter::kIsRate);
}

void run_conv2d(benchmark::State& state, Backend& backend, const ConvCase& c, Pass pass, DType dtype, double peak) {
  const Conv2dShape s = c.shape();
  Tensor x(backend, s.x_count(), dtype), w(backend, s.w_count(), dtype), y(backend, s.y_count(), dtype);
  Tensor d_x(backend, s.x_count(), dtype), d_w(backend, s.w_count(), DType::f32);
  Tensor bias(backend, static_cast<std::size_t>(s.k), DType::f32);
  Tensor workspace(backend, backend.workspace_bytes(s, dtype), DType::u8);
  const Conv2dForward f{s, dtype, x.data(), w.data(), bias.floats(), kRelu, y.data(), workspace.data()};
  const Conv2dBackwardData b{s,     dtype,            y.data(),   w.data(),        x.data(),
                             kRelu, Write::overwrite, d_x.data(), workspace.data()};
  const Conv2dBackwardWeight bw{s,            dtype,         x.data(), y.data(), Write::overwrite, d_w.floats(),
                                bias.floats(), workspace.data()};
  switch (pass) {
    case Pass::forward: time_calls(state, [&] { backend.conv2d_forward(f); }); break;
    case Pass::backward_data: time_calls(state, [&] { backend.conv2d_backward_data(b); }); break;
    case Pass::backward_weight: time_calls(state, [&] { backend.conv2d_backward_weight(bw); }); break;
  }
  set_flops(state, s.flops(), peak);
}

void run_dense(benchmark::State& state, Backend& backend, Pass pass, DType dtype, double peak) {
  DenseShape s;
  s.n = kBatch, s.in = 8192, s.out = 256;
  const std::size_t n = kBatch, in = 8192, out = 256;
  Tensor x(backend, n * in, dtype), w(backend, in * out, dtype), y(backend, n * out, dtype), d_x(backend, n * in, dtype);
  Tensor d_w(backend, in * out, DType::f32), bias(backend, out, DType::f32);
  Tensor workspace(backend, backend.workspace_bytes(s, dtype), DType::u8);
  const DenseForward f{s, dtype, x.data(), w.data(), bias.floats(), kRelu, y.data(), workspace.data()};
  const DenseBackwardData b{s,     dtype,            y.data(),   w.data(),        x.data(),
                            kRelu, Write::overwrite, d_x.data(), workspace.data()};
  const DenseBackwardWeight bw{s,            dtype,         x.data(), y.data(), Write::overwrite, d_w.floats(),
                               bias.floats(), workspace.data()};
  switch (pass) {
    case Pass::forward: time_calls(state, [&] { backend.dense_forward(f); }); break;
    case Pass::backward_data: time_calls(state, [&] { backend.dense_backward_data(b); }); break;
    case Pass::backward_weight: time_calls(state, [&] { backend.dense_backward_weight(bw); }); break;
  }
  set_flops(state, s.flops(), peak);
}

/// bytes: what one call has to read and write at least.
void set_bandwidth(benchmark::State& state, std::size_t bytes) {
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
}

void run_max_pool(benchmark::State& state, Backend& backend, bool forward, DType dtype) {
  PoolShape s;
  s.n = kBatch, s.h = s.w = 64, s.c = 32;
  Tensor x(backend, s.x_count(), dtype), y(backend, s.y_count(), dtype), d_y(backend, s.y_count(), dtype);
  Tensor d_x(backend, s.x_count(), dtype), argmax(backend, s.y_count(), DType::u8);
  std::uint8_t* positions = static_cast<std::uint8_t*>(argmax.data());
  PoolBackward backward;
  backward.shape = s, backward.dtype = dtype, backward.d_y = d_y.data(), backward.argmax = positions;
  backward.y = y.data(), backward.activation = kRelu, backward.d_x = d_x.data();
  if (forward) {
    time_calls(state, [&] { backend.pool_forward({s, dtype, x.data(), y.data(), positions}); });
  } else {
    time_calls(state, [&] { backend.pool_backward(backward); });
  }
  set_bandwidth(state, (s.x_count() + (forward ? 1 : 2) * s.y_count()) * size_of(dtype) + s.y_count());
}

void run_batch_norm(benchmark::State& state, Backend& backend, bool forward, DType dtype) {
  BatchNormShape s;
  s.rows = kBatch * 32 * 32, s.c = 32;
  const std::size_t count = static_cast<std::size_t>(s.rows) * s.c, c = static_cast<std::size_t>(s.c);
  Tensor x(backend, count, dtype), y(backend, count, dtype), d_y(backend, count, dtype), d_x(backend, count, dtype);
  Tensor channels(backend, 8 * c, DType::f32), workspace(backend, backend.workspace_bytes(s, dtype), DType::u8);
  float* per_channel = channels.floats();
  BatchNormForward f;
  f.shape = s, f.dtype = dtype, f.x = x.data(), f.y = y.data(), f.activation = kRelu, f.workspace = workspace.data();
  f.gamma = per_channel, f.beta = per_channel + c, f.running_mean = per_channel + 2 * c;
  f.running_var = per_channel + 3 * c, f.saved_mean = per_channel + 4 * c, f.saved_inv_std = per_channel + 5 * c;
  backend.batch_norm_forward(f);
  BatchNormBackward b;
  b.shape = s, b.dtype = dtype, b.x = x.data(), b.y = y.data(), b.d_y = d_y.data(), b.gamma = f.gamma;
  b.saved_mean = f.saved_mean, b.saved_inv_std = f.saved_inv_std, b.activation = kRelu;
  b.d_gamma = per_channel + 6 * c, b.d_beta = per_channel + 7 * c, b.d_x = d_x.data(), b.workspace = workspace.data();
  if (forward) {
    time_calls(state, [&] { backend.batch_norm_forward(f); });
  } else {
    time_calls(state, [&] { backend.batch_norm_backward(b); });
  }
  set_bandwidth(state, (forward ? 3 : 7) * count * size_of(dtype));
}

void run_sgd(benchmark::State& state, Backend& backend) {
  constexpr std::size_t kCount = 2400000;
  Tensor w(backend, kCount, DType::f32), g(backend, kCount, DType::f32), m(backend, kCount, DType::f32);
  StepState step;
  step.lr = 0.01f;
  const float scale = 1.0f;
  SgdUpdate op;
  op.nesterov = true, op.m = m.floats(), op.buffers.count = op.buffers.decayed = kCount;
  op.buffers.step = &step, op.buffers.scale = &scale, op.buffers.w = w.floats(), op.buffers.g = g.floats();
  time_calls(state, [&] { backend.sgd_update(op); });
  set_bandwidth(state, 5 * kCount * sizeof(float));
}

enum class Clock { wall, cpu };

/// Registers benchmarks that share a clock.
struct Registry {
  Clock clock;
  template <typename Function>
  void operator()(const std::string& name, Function function) const {
    auto* registered = benchmark::RegisterBenchmark(name.c_str(), function)->Unit(benchmark::kMillisecond);
    if (clock == Clock::wall) registered->UseRealTime();
    if (clock == Clock::cpu) registered->MeasureProcessCPUTime();
  }
};

void register_all(Backend& backend, const Peaks& peaks, Clock clock) {
  const Registry add{clock};
  const std::pair<Pass, const char*> passes[] = {
      {Pass::forward, "forward"}, {Pass::backward_data, "backward_data"}, {Pass::backward_weight, "backward_weight"}};
  for (const DType dtype : {DType::f32, DType::bf16}) {
    if (!backend.supports(dtype)) continue;
    const std::string type = name_of(dtype);
    const double peak = peaks.of(dtype);
    for (const ConvCase& c : kConvCases) {
      for (const auto& pass : passes) {
        if (c.c == 3 && pass.first == Pass::backward_data) continue;  // nothing needs the gradient of a photo
        add("conv2d_" + std::string(pass.second) + "/" + type + "/" + c.name(),
            [&backend, c, pass, dtype, peak](benchmark::State& s) { run_conv2d(s, backend, c, pass.first, dtype, peak); });
      }
    }
    for (const auto& pass : passes) {
      add("dense_" + std::string(pass.second) + "/" + type + "/8192_256",
          [&backend, pass, dtype, peak](benchmark::State& s) { run_dense(s, backend, pass.first, dtype, peak); });
    }
    for (const bool forward : {true, false}) {
      const std::string name = forward ? "_forward/" : "_backward/";
      add("pool" + name + type + "/max_2x2_h64_c32",
          [&backend, forward, dtype](benchmark::State& s) { run_max_pool(s, backend, forward, dtype); });
      add("batch_norm" + name + type + "/h32_c32",
          [&backend, forward, dtype](benchmark::State& s) { run_batch_norm(s, backend, forward, dtype); });
    }
  }
  add("sgd_update/2.4M", [&backend](benchmark::State& s) { run_sgd(s, backend); });
}

/// Takes `flag`value out of the arguments; nothing when it is not there.
std::string take(const std::string& flag, int& argc, char** argv) {
  std::string value;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], flag.c_str(), flag.size()) == 0) {
      value = argv[i] + flag.size();
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  return value;
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = std::atoi(take("--threads=", argc, argv).c_str());
  const Clock clock = take("--clock=", argc, argv) == "cpu" ? Clock::cpu : Clock::wall;
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const std::unique_ptr<Backend> backend = make_cpu_backend(threads);
  const int used = threads > 0 ? threads : omp_get_num_procs();
  Peaks peaks;
  peaks.f32 = bench::measure_peak<bench::PeakF32>(used);
#if defined(__AVX512BF16__)
  peaks.bf16 = bench::measure_peak<bench::PeakBf16>(used);
#else
  peaks.bf16 = peaks.f32;
#endif
  benchmark::AddCustomContext("backend", backend->description());
  benchmark::AddCustomContext("peak_f32_gflops", std::to_string(peaks.f32 / 1e9));
  benchmark::AddCustomContext("peak_bf16_gflops", std::to_string(peaks.bf16 / 1e9));
  register_all(*backend, peaks, clock);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
