#include "engine/perf/op_bench.h"

#include "engine/perf/op_set.h"
#include "engine/perf/statistics.h"

namespace tsugi::perf {
namespace {

struct Point {
  std::size_t op_case;
  OpPass pass;
  bool cold;
  ResultEntry entry;
  std::vector<double> seconds, processor;
};

class OpBench {
 public:
  OpBench(Backend& backend, const std::vector<OpCase>& cases, const OpBenchOptions& options, const OpBenchObserver& observer)
      : backend_(backend), cases_(cases), options_(options), observer_(observer), memory_(backend) {
    for (std::size_t i = 0; i < cases.size(); ++i)
      for (const OpPass pass : passes_of(cases[i]))
        for (const bool cold : {false, true})
          if (cold ? options.cold : options.warm) add({i, pass, cold, {}, {}, {}});
    if (points_.empty()) throw Error("bench: 0 points have \"" + options.filter + "\" in their name; names look like faces-cnn/b16/conv1/conv2d_forward/f32/cold");
  }

  void run(LimitMeter& meter) {
    const int rounds = options_.brief ? 1 : options_.rounds;
    const std::size_t turns = static_cast<std::size_t>(rounds) * points_.size();
    for (int round = 0; round < rounds; ++round) {
      meter.turn(options_.brief ? 0.0 : turn_seconds());
      for (std::size_t i = 0; i < points_.size();) {
        if (observer_.should_stop && observer_.should_stop()) return;
        if (observer_.progress) observer_.progress(static_cast<std::size_t>(round) * points_.size() + i, turns);
        i = case_turn(i);
      }
    }
  }

  std::vector<ResultEntry> entries() {
    std::vector<ResultEntry> entries;
    for (Point& point : points_) {
      ResultEntry& e = point.entry;
      if (e.failure.empty() && point.seconds.empty()) continue;
      if (e.failure.empty()) {
        e.seconds = median(point.seconds);
        e.deviation = median_deviation(point.seconds);
        e.processor_seconds = median(point.processor);
        e.samples = static_cast<int>(point.seconds.size());
      }
      entries.push_back(e);
    }
    return entries;
  }

 private:
  double turn_seconds() const { return options_.min_seconds / options_.rounds; }

  void add(Point point) {
    const OpCase& op_case = cases_[point.op_case];
    ResultEntry& e = point.entry;
    e.cache = point.cold ? "cold" : "warm";
    e.name = entry_name(op_case, point.pass, options_.dtype, e.cache);
    if (e.name.find(options_.filter) == std::string::npos) return;
    e.model = op_case.model;
    e.batch = op_case.kind == NodeKind::pool ? op_case.pool.n : op_case.shape.n;
    e.layer = op_case.layer;
    e.op = op_name(op_case, point.pass);
    e.dtype = name_of(options_.dtype);
    e.times = op_case.times;
    const OpCost cost = cost_of(op_case, point.pass, options_.dtype);
    e.flops = cost.flops;
    e.bytes = cost.bytes;
    points_.push_back(point);
  }

  /// A turn of all points of the case that points_[first] belongs to; they share its tensors. Returns the next case's first.
  std::size_t case_turn(std::size_t first) {
    const std::size_t which = points_[first].op_case;
    std::size_t end = first;
    bool cold = false;
    for (; end < points_.size() && points_[end].op_case == which; ++end) cold = cold || points_[end].cold;
    // Two copies show in a smoke run that copies work.
    OpSet set(memory_, cases_[which], options_.dtype, !cold ? 0 : options_.brief ? 1 : cold_bytes());
    for (std::size_t i = first; i < end; ++i) {
      Point& point = points_[i];
      if (!point.entry.failure.empty()) continue;
      try {
        TimingOptions timing;
        if (options_.brief) timing.max_calls = 2;
        const Contender contender = set.contender(point.entry.name, backend_, point.pass);
        const Turn turn = take_turn(contender, point.cold ? set.copies() : 1, timing, options_.brief ? 0.0 : turn_seconds());
        point.seconds.insert(point.seconds.end(), turn.seconds.begin(), turn.seconds.end());
        point.processor.push_back(turn.processor_seconds);
        point.entry.calls = turn.calls;
      } catch (const Error& error) {
        point.entry.failure = error.what();
      }
    }
    return end;
  }

  Backend& backend_;
  const std::vector<OpCase>& cases_;
  const OpBenchOptions& options_;
  const OpBenchObserver& observer_;
  BenchMemory memory_;
  std::vector<Point> points_;
};

}  // namespace

std::string entry_name(const OpCase& op_case, OpPass pass, DType dtype, const std::string& cache) {
  const int batch = op_case.kind == NodeKind::pool ? op_case.pool.n : op_case.shape.n;
  return op_case.model + "/b" + std::to_string(batch) + "/" + op_case.layer + "/" + op_name(op_case, pass) + "/" + name_of(dtype) +
         "/" + cache;
}

void bench_ops(Backend& backend, Backend* vendor, const std::vector<OpCase>& cases, const OpBenchOptions& options,
               const OpBenchObserver& observer, ResultFile& file) {
  OpBench bench(backend, cases, options, observer);
  LimitMeter meter(backend, vendor, options.brief);
  bench.run(meter);
  file.entries = bench.entries();
  file.context.limits = meter.limits();
  file.context.brief = options.brief;
  file.context.after = read_environment();
}

}  // namespace tsugi::perf
