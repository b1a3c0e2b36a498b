#include "bench/measure/op_bench.h"

#include <algorithm>
#include <optional>

#include "bench/measure/op_set.h"
#include "bench/measure/statistics.h"
#include "kernels/api/registry.h"
#include "kernels/api/threads.h"

namespace tsugi::bench {
namespace {

constexpr const char* kPeerKernel = "onednn";

struct Point {
  std::size_t op_case;
  OpPass pass;
  bool cold;
  ResultEntry entry;
  std::vector<double> seconds, processor;
  std::vector<std::vector<double>> peer_seconds;  // of each peer
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
  OpBench(Backend& backend, const std::vector<Backend*>& vendors, const std::vector<OpCase>& cases,
          const OpBenchOptions& options, const OpBenchObserver& observer)
      : backend_(backend), vendors_(vendors), cases_(cases), options_(options), observer_(observer), memory_(backend) {
    for (std::size_t i = 0; i < cases.size(); ++i)
      for (const OpPass pass : passes_of(cases[i]))
        for (const bool cold : {false, true})
          if (cold ? options.cold : options.warm) add_points({i, pass, cold, {}, {}, {}, {}});
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

  std::size_t points() const { return points_.size(); }

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
        for (const std::vector<double>& peer : point.peer_seconds) {
          if (peer.empty() || (e.peer_seconds > 0.0 && median(peer) >= e.peer_seconds)) continue;
          e.peer_seconds = median(peer);
          e.peer_deviation = median_deviation(peer);
        }
        if (!point.peer_seconds.empty() && e.peer_seconds == 0.0) e.peer.clear();
      }
      entries.push_back(e);
    }
    return entries;
  }

 private:
  double turn_seconds() const { return options_.min_seconds / options_.rounds; }

  /// The point, and of a product with every kernel one for each that is not chosen.
  void add_points(const Point& point) {
    const OpCase& op_case = cases_[point.op_case];
    if (options_.every_kernel && !op_case.product()) return;
    std::vector<std::string> kernels;
    std::string chosen;
    KernelChoice* choice = op_case.product() ? backend_.kernel_choice() : nullptr;
    try {
      if (choice != nullptr) {
        const KernelCall call = kernel_call(op_case, point.pass, options_.dtype);
        chosen = choice->chosen(call);
        kernels = choice->candidates(call);
      }
    } catch (const Error&) {  // nothing computes it: the point will say so
    }
    const bool has_kernel = std::find(kernels.begin(), kernels.end(), kPeerKernel) != kernels.end();
    std::string peer;
    if (options_.peers && op_case.product())
      peer = has_vendor() ? vendors_.front()->name() : has_kernel ? kPeerKernel : "";
    add(point, chosen, peer, false);
    if (options_.every_kernel)
      for (const std::string& kernel : kernels)
        if (kernel != chosen) add(point, kernel, "", true);
  }

  bool has_vendor() const { return !vendors_.empty() && vendors_.front()->name() != backend_.name(); }

  void add(Point point, const std::string& kernel, const std::string& peer, bool pinned) {
    const OpCase& op_case = cases_[point.op_case];
    ResultEntry& e = point.entry;
    e.cache = point.cold ? "cold" : "warm";
    e.name = entry_name(op_case, point.pass, options_.dtype, e.cache);
    e.kernel = kernel;
    if (const auto* registry = dynamic_cast<const RegistryBackend*>(&backend_); registry && !kernel.empty())
      e.compiled = registry->compiled(call_of(point), kernel);
    e.peer = peer;
    if (op_case.product()) e.shape = op_case.shape;
    e.pinned = pinned;
    if (e.pinned) e.name += "/" + kernel;
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
        std::optional<OtherKernel> other;
        if (point.entry.pinned) other.emplace(*backend_.kernel_choice(), call_of(point), point.entry.kernel);
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

  KernelCall call_of(const Point& point) const {
    return kernel_call(cases_[point.op_case], point.pass, options_.dtype);
  }

  void peer_turn(OpSet& set, Point& point) {
    if (point.entry.peer == kPeerKernel) {
      const OtherKernel other(*backend_.kernel_choice(), call_of(point), kPeerKernel);
      return peer_turn(set, point, 0, backend_);
    }
    for (std::size_t i = 0; i < vendors_.size(); ++i) peer_turn(set, point, i, *vendors_[i]);
  }

  /// What a peer does not compute is no failure of the point: it is no peer then.
  void peer_turn(OpSet& set, Point& point, std::size_t peer, Backend& backend) {
    point.peer_seconds.resize(std::max(point.peer_seconds.size(), peer + 1));
    try {
      const Turn turn = turn_of(set, point, backend);
      point.peer_seconds[peer].insert(point.peer_seconds[peer].end(), turn.seconds.begin(), turn.seconds.end());
    } catch (const Error&) {
      point.peer_seconds[peer].clear();
    }
  }

  Backend& backend_;
  const std::vector<Backend*>& vendors_;
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

void bench_ops(Backend& backend, const std::vector<Backend*>& vendors, const std::vector<OpCase>& cases,
               const OpBenchOptions& options, const OpBenchObserver& observer, ResultFile& file) {
  const ProcessorWait wait;
  OpBench bench(backend, vendors, cases, options, observer);
  LimitMeter meter(backend, vendors.empty() ? nullptr : vendors.front(), options.brief);
  bench.run(meter);
  file.entries = bench.entries();
  file.context.points_left_out = static_cast<int>(bench.points() - file.entries.size());
  file.context.limits = meter.limits();
  file.context.processor_wait = wait.share();
  file.context.brief = options.brief;
  file.context.after = read_environment();
}

}  // namespace tsugi::bench
