#include "bench/measure/op_bench.h"

#include <algorithm>
#include <optional>

#include "bench/measure/op_set.h"
#include "bench/measure/statistics.h"
#include "kernels/api/threads.h"

namespace tsugi::bench {
namespace {

constexpr const char* kPeerKernel = "onednn";

struct Point {
  std::size_t op_case;
  OpPass pass;
  bool cold;
  ResultEntry entry;
  std::vector<double> seconds, processor, peer_seconds;
};

/// Has a backend compute a call by another kernel for a while.
class OtherKernel {
 public:
  OtherKernel(KernelChoice& choice, const KernelCall& call, const std::string& kernel)
      : choice_(choice), call_(call), before_(choice.chosen(call)) {
    choice_.choose(call_, kernel);
  }
  ~OtherKernel() { choice_.choose(call_, before_); }
  OtherKernel(const OtherKernel&) = delete;
  OtherKernel& operator=(const OtherKernel&) = delete;

 private:
  KernelChoice& choice_;
  KernelCall call_;
  std::string before_;
};

class OpBench {
 public:
  OpBench(Backend& backend, Backend* vendor, const std::vector<OpCase>& cases, const OpBenchOptions& options,
          const OpBenchObserver& observer)
      : backend_(backend), vendor_(vendor), cases_(cases), options_(options), observer_(observer), memory_(backend) {
    for (std::size_t i = 0; i < cases.size(); ++i)
      for (const OpPass pass : passes_of(cases[i]))
        for (const bool cold : {false, true})
          if (cold ? options.cold : options.warm) add({i, pass, cold, {}, {}, {}, {}});
    if (points_.empty())
      throw Error("bench: 0 points have \"" + options.filter +
                  "\" in their name; names look like faces-cnn/b16/conv1/conv2d_forward/f32/cold");
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
        if (!point.peer_seconds.empty()) {
          e.peer_seconds = median(point.peer_seconds);
          e.peer_deviation = median_deviation(point.peer_seconds);
        }
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
    if (op_case.product()) name_kernels(op_case, point.pass, e);
    points_.push_back(point);
  }

  void name_kernels(const OpCase& op_case, OpPass pass, ResultEntry& e) {
    KernelChoice* choice = backend_.kernel_choice();
    std::vector<std::string> kernels;
    try {
      if (choice != nullptr) {
        const KernelCall call = kernel_call(op_case, pass, options_.dtype);
        e.kernel = choice->chosen(call);
        kernels = choice->candidates(call);
      }
    } catch (const Error&) {  // nothing computes it: the point will say so
    }
    if (!options_.peers) return;
    if (vendor_ != nullptr && vendor_->name() != backend_.name()) {
      e.peer = vendor_->name();
    } else if (std::find(kernels.begin(), kernels.end(), kPeerKernel) != kernels.end()) {
      e.peer = kPeerKernel;
    }
  }

  /// A turn of all points of the case that points_[first] belongs to; they share its tensors. Returns the next case's
  /// first.
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
        const Turn turn = turn_of(set, point, backend_);
        point.seconds.insert(point.seconds.end(), turn.seconds.begin(), turn.seconds.end());
        point.processor.push_back(turn.processor_seconds);
        point.entry.calls = turn.calls;
      } catch (const Error& error) {
        point.entry.failure = error.what();
        continue;
      }
      if (!point.entry.peer.empty() && point.entry.peer != point.entry.kernel) peer_turn(set, point);
    }
    return end;
  }

  Turn turn_of(OpSet& set, const Point& point, Backend& backend) const {
    TimingOptions timing;
    if (options_.brief) timing.max_calls = 2;
    return take_turn(set.contender(point.entry.name, backend, point.pass), point.cold ? set.copies() : 1, timing,
                     options_.brief ? 0.0 : turn_seconds());
  }

  /// What the peer does not compute is no failure of the point: it has none then.
  void peer_turn(OpSet& set, Point& point) {
    try {
      std::optional<OtherKernel> other;
      if (point.entry.peer == kPeerKernel)
        other.emplace(*backend_.kernel_choice(), kernel_call(cases_[point.op_case], point.pass, options_.dtype),
                      kPeerKernel);
      const Turn turn = turn_of(set, point, other ? backend_ : *vendor_);
      point.peer_seconds.insert(point.peer_seconds.end(), turn.seconds.begin(), turn.seconds.end());
    } catch (const Error&) {
      point.entry.peer.clear();
      point.peer_seconds.clear();
    }
  }

  Backend& backend_;
  Backend* vendor_;
  const std::vector<OpCase>& cases_;
  const OpBenchOptions& options_;
  const OpBenchObserver& observer_;
  BenchMemory memory_;
  std::vector<Point> points_;
};

}  // namespace

std::string entry_name(const OpCase& op_case, OpPass pass, DType dtype, const std::string& cache) {
  const int batch = op_case.kind == NodeKind::pool ? op_case.pool.n : op_case.shape.n;
  return op_case.model + "/b" + std::to_string(batch) + "/" + op_case.layer + "/" + op_name(op_case, pass) + "/" +
         name_of(dtype) + "/" + cache;
}

void bench_ops(Backend& backend, Backend* vendor, const std::vector<OpCase>& cases, const OpBenchOptions& options,
               const OpBenchObserver& observer, ResultFile& file) {
  const ProcessorWait wait;
  OpBench bench(backend, vendor, cases, options, observer);
  LimitMeter meter(backend, vendor, options.brief);
  bench.run(meter);
  file.entries = bench.entries();
  file.context.limits = meter.limits();
  file.context.processor_wait = wait.share();
  file.context.brief = options.brief;
  file.context.after = read_environment();
}

}  // namespace tsugi::bench
