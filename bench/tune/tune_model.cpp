#include "bench/tune/tune_model.h"

#include <algorithm>
#include <memory>

#include "bench/measure/environment.h"
#include "bench/measure/noise_training.h"
#include "bench/measure/op_set.h"
#include "bench/measure/statistics.h"

namespace tsugi::bench {
namespace {

constexpr double kSearchShare = 0.75;  // of the time; the rest is for whole steps
constexpr int kFirstPass = 16;         // rounds: enough for most
constexpr int kWarmUp = 2, kLeastPairs = 3, kMostPairs = 60;
constexpr std::size_t kLeastCache = std::size_t{64} << 20, kMostCopies = 8;

class Tuner {
 public:
  Tuner(Backend& backend, KernelChoice& choice, const ShapeList& list, const TuneOptions& options)
      : backend_(backend), choice_(choice), list_(list), options_(options), begin_(now()) {}

  TuneResult run() {
    const std::vector<ModelCall> calls = model_calls(backend_, list_, options_.batch, options_.dtype);
    between_uses_ = std::min(traffic_bytes(calls), std::max(kLeastCache, last_level_cache_bytes()));
    for (const ModelCall& call : calls) {
      const std::vector<std::string> kernels = choice_.candidates(call.call);
      choice_.choose(call.call, "");
      if (kernels.size() > 1) {
        result_.calls.push_back({call, kernels, {}});
      } else {
        ++result_.without_choice;
      }
    }
    search_all();
    if (result_.changed() > 0) check_step();
    result_.kept = result_.check.pairs == 0 || result_.check.ratio <= 1.0;
    apply(result_.kept);
    return result_;
  }

 private:
  bool stopped() const { return options_.should_stop && options_.should_stop(); }
  double elapsed() const { return now() - begin_; }
  void tell(const std::string& doing) const {
    if (options_.progress) options_.progress(doing, std::min(1.0, elapsed() / options_.seconds));
  }

  /// In passes, each over the calls that are still open, those that take most of the step first: where the time is
  /// short, they have their answer. Between two visits to a call others are measured, so that a bad minute spoils no
  /// call's answer alone.
  void search_all() {
    BenchMemory memory(backend_);  // given back before whole steps need theirs
    SearchOptions options = options_.search;
    options.out_of_time = [this] { return out_of_time(); };
    std::vector<std::pair<TunedCall*, KernelSearch>> searches;
    for (TunedCall& call : result_.calls) searches.emplace_back(&call, KernelSearch(call.kernels.size(), options));
    std::stable_sort(searches.begin(), searches.end(),
                     [](const auto& a, const auto& b) { return work(*a.first) > work(*b.first); });
    bool open = true;
    for (int rounds = kFirstPass; open && !out_of_time(); rounds *= 2) {
      open = false;
      for (auto& [call, search] : searches) {
        if (search.open()) visit(*call, search, rounds, memory);
        open = open || search.open();
      }
    }
    for (auto& [call, search] : searches) call->search = search.result();
  }

  bool out_of_time() const { return stopped() || elapsed() >= kSearchShare * options_.seconds; }

  /// Of a step, about.
  static double work(const TunedCall& call) { return call.made.call.shape.flops() * call.made.times; }

  void visit(TunedCall& call, KernelSearch& search, int rounds, BenchMemory& memory) {
    if (out_of_time()) return;
    tell(call.made.op_case.layer + " " + op_name(call.made.op_case, call.made.pass));
    const Conv2dShape& s = call.made.call.shape;
    const std::size_t one = (s.x_count() + s.w_count() + s.y_count()) * size_of(options_.dtype);
    OpSet set(memory, call.made.op_case, options_.dtype, std::min(between_uses_, kMostCopies * one));
    std::vector<std::unique_ptr<Sample>> samples(call.kernels.size());
    search.run(rounds, [&](std::size_t i) {
      choice_.choose(call.made.call, call.kernels[i]);
      if (samples[i] == nullptr) {
        TimingOptions timing;
        timing.sample_seconds = options_.sample_seconds;
        samples[i] =
            std::make_unique<Sample>(set.contender(call.kernels[i], backend_, call.made.pass), set.copies(), timing);
      }
      return samples[i]->run();
    });
    choice_.choose(call.made.call, "");
  }

  /// Every call its winner, or its default.
  void apply(bool winners) {
    for (const TunedCall& call : result_.calls)
      choice_.choose(call.made.call, winners && call.search.chosen != 0 ? call.kernels[call.search.chosen] : "");
  }

  /// Two training runs on one device, planned each with its own kernels.
  void check_step() {
    StepCheck& check = result_.check;
    try {
      const PhotoStore store = training_photos(list_, options_.batch);
      PhotoSource source(backend_, store);
      apply(false);
      NoiseTraining with_defaults(backend_, list_, source, options_.batch, {options_.dtype, 0, true});
      apply(true);
      NoiseTraining with_winners(backend_, list_, source, options_.batch, {options_.dtype, 0, true});
      const std::unique_ptr<TimeMark> begin = backend_.make_time_mark(), end = backend_.make_time_mark();
      std::vector<double> defaults, winners, ratios;
      for (int pair = -kWarmUp; pair < kMostPairs && !stopped() && elapsed() < options_.seconds; ++pair) {
        tell("whole steps");
        double seconds[2] = {0.0, 0.0};
        for (const int turn : {pair & 1, 1 - (pair & 1)}) {  // each goes first as often as the other
          apply(turn == 1);
          begin->record();
          (turn == 1 ? with_winners : with_defaults).trainer().step();
          end->record();
          seconds[turn] = end->seconds_since(*begin);
        }
        if (pair < 0) continue;
        defaults.push_back(seconds[0]);
        winners.push_back(seconds[1]);
        ratios.push_back(seconds[1] / seconds[0]);
      }
      if (static_cast<int>(ratios.size()) < kLeastPairs)
        throw Error("no time for " + std::to_string(kLeastPairs) + " pairs of steps");
      check = {static_cast<int>(ratios.size()),
               median(defaults),
               median(winners),
               median(ratios),
               median_deviation(ratios),
               ""};
    } catch (const Error& error) {
      check.failure = error.what();
    }
  }

  Backend& backend_;
  KernelChoice& choice_;
  const ShapeList& list_;
  const TuneOptions& options_;
  double begin_;
  std::size_t between_uses_ = 0;  // bytes that go through a cache between two uses of a tensor
  TuneResult result_;
};

}  // namespace

int TuneResult::changed() const {
  return kept ? static_cast<int>(std::count_if(calls.begin(), calls.end(),
                                               [](const TunedCall& call) { return call.search.chosen != 0; }))
              : 0;
}

int TuneResult::undecided() const {
  return static_cast<int>(
      std::count_if(calls.begin(), calls.end(), [](const TunedCall& call) { return !call.search.decided; }));
}

TuneResult tune_model(Backend& backend, const ShapeList& list, const TuneOptions& options) {
  KernelChoice* choice = backend.kernel_choice();
  if (choice == nullptr)
    throw Error("device " + backend.name() + ": computes every call with one kernel, there is nothing to tune");
  return Tuner(backend, *choice, list, options).run();
}

}  // namespace tsugi::bench
