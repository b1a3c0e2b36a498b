#include "bench/plan/cache_model.h"

#include <algorithm>
#include <unordered_map>

namespace tsugi::bench {
namespace {

/// Large enough that a step is some thousands of blocks, small enough that small buffers do not count as large ones.
constexpr std::size_t kBlock = 16384;

/// How many different blocks were used since a block was used last: uses in order, of which each block's last one
/// counts, summed up by a tree (Fenwick, "A new data structure for cumulative frequency tables", 1994).
class ReuseDistances {
 public:
  explicit ReuseDistances(std::size_t uses) : counts_(uses + 1, 0) {}

  struct Reuse {
    bool first = false;
    double blocks = 0.0, seconds = 0.0;  ///< since the last use of this one
  };
  /// A block's use by an op that takes from `begin` to `end`, seconds.
  Reuse use(std::size_t block, double begin, double end) {
    const auto [found, first] = last_.try_emplace(block);
    Use& last = found->second;
    const Reuse reuse{first, first ? 0.0 : static_cast<double>(sum(now_) - sum(last.at + 1)),
                      first ? 0.0 : begin - last.end};
    if (!first) add(last.at, -1);
    add(now_, 1);
    last = {now_++, end};
    return reuse;
  }

 private:
  struct Use {
    std::size_t at = 0;
    double end = 0.0;
  };

  /// Of uses [0, end).
  int sum(std::size_t end) const {
    int total = 0;
    for (std::size_t i = end; i > 0; i &= i - 1) total += counts_[i];
    return total;
  }
  void add(std::size_t use, int value) {
    for (std::size_t i = use + 1; i < counts_.size(); i += i & (~i + 1)) counts_[i] += value;
  }

  std::vector<int> counts_;
  std::unordered_map<std::size_t, Use> last_;
  std::size_t now_ = 0;
};

std::size_t first_block(const Touch& touch) { return touch.address / kBlock; }
std::size_t blocks_of(const Touch& touch) {
  return (touch.address + touch.bytes - 1) / kBlock + 1 - first_block(touch);
}

}  // namespace

double missed_share(const std::vector<CachePoint>& curve, double after) {
  const auto above =
      std::find_if(curve.begin(), curve.end(), [&](const CachePoint& point) { return point.after > after; });
  if (curve.empty()) return 0.0;
  if (above == curve.begin()) return curve.front().missed;
  if (above == curve.end()) return curve.back().missed;
  const CachePoint& below = *(above - 1);
  return below.missed + (above->missed - below.missed) * (after - below.after) / (above->after - below.after);
}

std::vector<double> missed_bytes(const std::vector<RecordedOp>& ops, const std::vector<double>& seconds,
                                 const CacheCurves& cache) {
  constexpr int kSteps = 2;  // the first fills the cache
  std::vector<double> bytes(ops.size(), 0.0);
  if (cache.by_bytes.empty()) return bytes;
  std::size_t uses = 0;
  for (const RecordedOp& op : ops)
    for (const Touch& touch : op.touches) uses += kSteps * blocks_of(touch);
  ReuseDistances distances(uses);
  const auto kept = [&](const ReuseDistances::Reuse& reuse) {
    if (reuse.first) return 0.0;
    return (1.0 - missed_share(cache.by_bytes, reuse.blocks * kBlock)) *
           (1.0 - missed_share(cache.by_seconds, reuse.seconds));
  };
  double clock = 0.0;
  for (int step = 0; step < kSteps; ++step)
    for (std::size_t i = 0; i < ops.size(); clock += seconds[i++]) {
      bytes[i] = 0.0;
      for (const Touch& touch : ops[i].touches) {
        const double part = static_cast<double>(touch.bytes) / static_cast<double>(blocks_of(touch));
        for (std::size_t b = 0; b < blocks_of(touch); ++b)
          bytes[i] += part * (1.0 - kept(distances.use(first_block(touch) + b, clock, clock + seconds[i])));
      }
    }
  return bytes;
}

}  // namespace tsugi::bench
