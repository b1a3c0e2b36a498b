#include "bench/plan/calibration.h"

#include <algorithm>

#include "bench/measure/noise.h"
#include "bench/measure/op_set.h"
#include "bench/measure/statistics.h"
#include "bench/measure/step_bench.h"
#include "bench/plan/cache_probe.h"
#include "bench/plan/calibration_extras.h"
#include "engine/core/device.h"
#include "kernels/api/threads.h"

namespace tsugi::bench {
namespace {

/// One table of one pass while it is being measured.
struct Measured {
  std::size_t table;
  OpPass pass;
  std::vector<OpFeatures> features;          // a case each
  std::vector<std::vector<double>> seconds;  // a case each, samples
  OpFeatures cold_features;
  std::vector<double> more;     // seconds that the cold case takes longer than the same from the cache, a round each
  std::vector<double> packing;  // seconds that the weights alone cost, a round each; none where nobody asked
};

/// More than the last cache holds, so that every copy comes from memory.
std::size_t beyond_cache() {
  const std::size_t cache = last_level_cache_bytes();
  return cache == 0 ? cold_bytes() : 2 * cache;
}

/// More than a core's own caches hold: in a step, other ops come between an op and the next that reads its output.
std::size_t beyond_core() { return last_level_cache_bytes() / 8; }

/// More than the cache of a board that this is for.
constexpr std::size_t kBeyondGpuCache = std::size_t{64} << 20;

class Calibration {
 public:
  Calibration(Backend& backend, const CalibrationOptions& options, int threads)
      : backend_(backend),
        options_(options),
        tables_(calibration_tables(threads, options.dtype, options.brief)),
        memory_(backend),
        extras_(backend, options.dtype, options.brief) {
    if (const std::size_t cache = last_level_cache_bytes(); backend.reads_host_memory() && cache > 0)
      cache_ = std::make_unique<CacheProbe>(backend, cache, options.brief);
    for (std::size_t t = 0; t < tables_.size(); ++t)
      for (const OpPass pass : passes_of(tables_[t].cases.front())) {
        Measured m{t, pass, {}, {}, features_of(tables_[t].cold, pass, options.dtype), {}, {}};
        for (const OpCase& op_case : tables_[t].cases) m.features.push_back(features_of(op_case, pass, options.dtype));
        m.seconds.resize(tables_[t].cases.size());
        measured_.push_back(m);
      }
  }

  void run(DeviceDescription& device) {
    LimitMeter meter(backend_, nullptr, options_.brief);
    const int rounds = options_.brief ? 1 : options_.rounds;
    for (int round = 0; round < rounds; ++round) {
      meter.turn(options_.brief ? 0.0 : 0.05);
      extras_.turn(timing(), seconds());
      if (cache_ != nullptr) cache_->turn();
      for (std::size_t t = 0; t < tables_.size(); ++t) {
        progress((round + static_cast<double>(t) / static_cast<double>(tables_.size())) / rounds);
        turn(t);
      }
    }
    meter.turn(options_.brief ? 0.0 : 0.05);
    device.limits = meter.limits();
    if (device.limits.flops(options_.dtype) <= 0.0)
      throw Error("plan: device " + backend_.name() + " has no loop that measures its peak in " +
                  name_of(options_.dtype));
    if (cache_ != nullptr) device.cache = cache_->curves();
    extras_.describe(device);
    for (const Measured& m : measured_) {
      device.efficiencies.push_back(entry(m, device));
      if (device.efficiencies.back().variant != "3x3") continue;
      device.efficiencies.push_back(device.efficiencies.back());  // other windows do as well
      device.efficiencies.back().variant = "window";
    }
  }

 private:
  /// What all copies of an op's tensors exceed: its time is then from the last cache, or from memory where that cache
  /// has no model.
  std::size_t near_bytes() const { return cache_ != nullptr ? beyond_core() : kBeyondGpuCache; }

  TimingOptions timing() const {
    TimingOptions timing;
    timing.sample_seconds = 5e-4;
    timing.max_calls = options_.brief ? 2 : 100;
    return timing;
  }
  double seconds() const { return options_.brief ? 0.0 : options_.point_seconds; }

  void progress(double share) const {
    if (options_.should_stop && options_.should_stop()) throw Error("plan: stopped while the device was measured");
    if (options_.progress) options_.progress(share);
  }

  /// A turn of every case of a table, and of its cold case with inputs from the cache and from memory.
  void turn(std::size_t table) {
    const std::size_t warm = options_.brief ? 0 : near_bytes(), cold = options_.brief ? 1 : beyond_cache();
    for (std::size_t i = 0; i < tables_[table].cases.size(); ++i) {
      OpSet set(memory_, tables_[table].cases[i], options_.dtype, warm);
      for_table(table, [&](Measured& m) {
        const std::vector<double> samples = sample(set, m.pass);
        m.seconds[i].insert(m.seconds[i].end(), samples.begin(), samples.end());
      });
    }
    if (!tables_[table].weights.empty()) weigh(table);
    std::vector<double> seconds;
    OpSet near(memory_, tables_[table].cold, options_.dtype, warm);
    for_table(table, [&](Measured& m) { seconds.push_back(median(sample(near, m.pass))); });
    OpSet far(memory_, tables_[table].cold, options_.dtype, cold);
    std::size_t i = 0;
    for_table(table, [&](Measured& m) { m.more.push_back(median(sample(far, m.pass)) - seconds[i++]); });
  }

  /// Many samples take their work and the weights', few a part of that work and the weights': the difference is the
  /// weights' alone.
  void weigh(std::size_t table) {
    std::vector<std::vector<double>> seconds(2);
    for (std::size_t i = 0; i < 2; ++i) {
      OpSet set(memory_, tables_[table].weights[i], options_.dtype, near_bytes());
      for_table(table, [&](Measured& m) { seconds[i].push_back(median(sample(set, m.pass))); });
    }
    const double part = static_cast<double>(tables_[table].weights[1].shape.n) / tables_[table].weights[0].shape.n;
    std::size_t i = 0;
    for_table(table, [&](Measured& m) {
      m.packing.push_back((seconds[1][i] - part * seconds[0][i]) / (1.0 - part));
      ++i;
    });
  }

  template <typename Work>
  void for_table(std::size_t table, const Work& work) {
    for (Measured& m : measured_)
      if (m.table == table) work(m);
  }

  /// Seconds of single calls, each on the next copy: one that was interrupted is an outlier, not a share of every
  /// sample. A device that records work is timed as tsugi bench does, many calls at once: a launch alone would be as
  /// long as they are.
  std::vector<double> sample(OpSet& set, OpPass pass) {
    constexpr std::size_t kFewest = 5, kMost = 1000;
    const Contender contender = set.contender("calibration", backend_, pass);
    if (backend_.captures()) return take_turn(contender, set.copies(), timing(), seconds()).seconds;
    contender.call(set.copies() - 1);  // makes what is made once
    std::vector<double> samples;
    const double begin = now();
    const auto enough = [&] {
      return samples.size() >= (options_.brief ? 1 : kFewest) &&
             (now() - begin >= seconds() || samples.size() >= kMost);
    };
    for (int copy = 0; !enough(); copy = (copy + 1) % set.copies()) {
      const double start = now();
      contender.call(copy);
      samples.push_back(now() - start);
    }
    return samples;
  }

  Efficiency entry(const Measured& m, const DeviceDescription& device) const {
    Efficiency e;
    e.op = m.features.front().op;
    e.variant = m.features.front().variant;
    e.dtype = options_.dtype;
    e.axes = tables_[m.table].axes;
    std::size_t stride = m.features.size();
    for (AxisPoints& axis : e.axes) {  // what the pass itself moves, where that differs
      stride /= axis.points.size();
      for (std::size_t i = 0; i < axis.points.size(); ++i)
        axis.points[i] = m.features[i * stride].at[static_cast<std::size_t>(axis.axis)];
    }
    const double copy = device.limits.copy;
    if (!m.packing.empty()) {
      const double bytes = features_of(tables_[m.table].weights[0], m.pass, options_.dtype).weight_bytes;
      e.weights = std::max(0.0, median(m.packing)) / bytes * copy;
    }
    for (std::size_t i = 0; i < m.features.size(); ++i) {
      constexpr double kLeastWork = 0.3;  // of a call's time: weights that look dearer than that are noise
      const double seconds = median(m.seconds[i]);
      const double work = std::max(kLeastWork * seconds, seconds - m.features[i].weight_bytes * e.weights / copy);
      e.share.push_back(share_of(device, m.features[i], work));
    }
    constexpr double kMost = 4.0;  // a product hides most of it; what looks like more is noise
    e.cold = std::clamp(median(m.more) / m.cold_features.bytes * copy, 0.0, kMost);
    return e;
  }

  Backend& backend_;
  const CalibrationOptions& options_;
  std::vector<CalibrationTable> tables_;
  std::vector<Measured> measured_;
  BenchMemory memory_;
  CalibrationExtras extras_;
  std::unique_ptr<CacheProbe>
      cache_;  // null where nobody says how large the cache is, and on a GPU, whose efficiencies mean memory
};

/// A model with an op of every kind, and as little of each as there can be.
Model smallest_model() {
  return parse_model(R"({"name": "smallest", "input": [16, 16, 3], "layers": [
    {"type": "conv2d", "filters": 16, "kernel": 3, "pad": 1, "bias": false}, {"type": "batch_norm"}, {"type": "relu"},
    {"type": "conv2d", "filters": 16, "kernel": 3, "pad": 1, "groups": "depthwise"}, {"type": "relu"}, {"type": "max_pool", "kernel": 2},
    {"type": "dropout", "rate": 0.5}, {"type": "global_average_pool"}, {"type": "flatten"}, {"type": "dense", "units": "classes"}]})",
                     "calibration");
}

/// What a process that trains holds beside what training plans: a tiny training's peak, less its plan.
std::size_t measure_process(Backend& backend, DType dtype) {
  const ShapeList list{smallest_model(), 2};
  StepBenchOptions options;
  options.dtype = dtype;
  options.batch = 2;
  options.brief = true;
  ResultFile file;
  bench_step(backend, list, options, file);
  return file.step.peak_memory_bytes - std::min(file.step.peak_memory_bytes, file.step.device_bytes);
}

}  // namespace

DeviceDescription calibrate(Backend& backend, const CalibrationOptions& options) {
  DeviceDescription device;
  device.name = "this";
  device.kernels = backend.name();
  device.measured = true;
  device.precision = precision_name(options.dtype);
  const Environment environment = read_environment();
  device.about = backend.description() + (environment.gpu.empty() ? "" : ", " + environment.gpu);
  device.shared_memory = backend.shares_host_memory();
  device.process_bytes = measure_process(backend, options.dtype);
  const std::size_t free = backend.free_bytes();
  device.memory_bytes = free == static_cast<std::size_t>(-1) ? 0 : free;
  const int wanted = options.threads > 0 ? options.threads : available_threads().count;
  const int threads = backend.reads_host_memory() ? wanted : 1;
  const ProcessorWait wait;
  Calibration(backend, options, threads).run(device);
  device.sources.push_back({"all", "measured on this machine, " + environment.date});
  std::string noise;
  if (!options.brief)
    for (const std::string& note : noise_of(device.limits, wait.share())) noise += (noise.empty() ? "" : "; ") + note;
  if (!noise.empty()) device.sources.push_back({kNoiseSource, noise});
  return device;
}

double share_of(const DeviceDescription& device, const OpFeatures& features, double seconds) {
  const double least = roofline_seconds(device.limits, features.flops, features.bytes, features.dtype);
  return std::clamp(least / std::max(seconds - device.launch_s, 1e-9), 1e-6, 1e3);
}

}  // namespace tsugi::bench
