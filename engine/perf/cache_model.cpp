#include "engine/perf/cache_model.h"

#include <algorithm>
#include <unordered_map>

namespace tsugi::perf {
namespace {

/// Large enough that a step is some thousands of blocks, small enough that small buffers do not count as large ones.
constexpr std::size_t kBlock = 16384;

/// How many different blocks were used since a block was used last: uses in order, of which each block's last one counts, summed up by a tree
/// (Fenwick, "A new data structure for cumulative frequency tables", 1994).
class ReuseDistances {
 public:
  explicit ReuseDistances(std::size_t uses) : counts_(uses + 1, 0) {}

  /// Blocks since the last use of this one, itself not counted; -1 for its first use.
  double use(std::size_t block) {
    const auto [found, first] = last_.try_emplace(block, 0);
    const double distance = first ? -1.0 : static_cast<double>(sum(now_) - sum(found->second + 1));
    if (!first) add(found->second, -1);
    add(now_, 1);
    found->second = now_++;
    return distance;
  }

 private:
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
  std::unordered_map<std::size_t, std::size_t> last_;
  std::size_t now_ = 0;
};

std::size_t first_block(const Touch& touch) { return touch.address / kBlock; }
std::size_t blocks_of(const Touch& touch) { return (touch.address + touch.bytes - 1) / kBlock + 1 - first_block(touch); }

}  // namespace

double missed_share(const std::vector<CachePoint>& cache, double bytes) {
  const auto above = std::find_if(cache.begin(), cache.end(), [&](const CachePoint& point) { return point.bytes > bytes; });
  if (above == cache.begin()) return cache.front().missed;
  if (above == cache.end()) return cache.back().missed;
  const CachePoint& below = *(above - 1);
  return below.missed + (above->missed - below.missed) * (bytes - below.bytes) / (above->bytes - below.bytes);
}

std::vector<double> missed_bytes(const std::vector<RecordedOp>& ops, const std::vector<CachePoint>& cache) {
  constexpr int kSteps = 2;  // the first fills the cache
  std::vector<double> bytes(ops.size(), 0.0);
  if (cache.empty()) return bytes;
  std::size_t uses = 0;
  for (const RecordedOp& op : ops)
    for (const Touch& touch : op.touches) uses += kSteps * blocks_of(touch);
  ReuseDistances distances(uses);
  for (int step = 0; step < kSteps; ++step)
    for (std::size_t i = 0; i < ops.size(); ++i) {
      bytes[i] = 0.0;
      for (const Touch& touch : ops[i].touches) {
        const double part = static_cast<double>(touch.bytes) / static_cast<double>(blocks_of(touch));
        for (std::size_t b = 0; b < blocks_of(touch); ++b) {
          const double distance = distances.use(first_block(touch) + b);
          bytes[i] += part * (distance < 0.0 ? 1.0 : missed_share(cache, distance * kBlock));
        }
      }
    }
  return bytes;
}

}  // namespace tsugi::perf
