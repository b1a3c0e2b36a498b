#include "bench/plan/cache_probe.h"

#include <algorithm>
#include <iterator>

#include "bench/measure/statistics.h"

namespace tsugi::bench {
namespace {

constexpr double kSizes[] = {1.0 / 32, 1.0 / 16, 1.0 / 8, 1.0 / 4, 1.0 / 2, 3.0 / 4, 1.0, 2.0};  // of the last level
constexpr double kPauses[] = {0.0, 1e-3, 4e-3, 16e-3, 48e-3};                                    // seconds
constexpr std::size_t kChunk =
    65536;  // stays in a core's own cache: what is read is written there, and the other way round
constexpr int kTries = 3;

std::size_t whole_chunks(double bytes) {
  return std::max<std::size_t>(1, static_cast<std::size_t>(bytes) / kChunk) * kChunk;
}

}  // namespace

CacheProbe::CacheProbe(Backend& backend, std::size_t cache, bool brief)
    : backend_(backend),
      cache_(brief ? 4 * kChunk : cache),
      region_(4 * whole_chunks(static_cast<double>(cache_))),
      brief_(brief),
      memory_(backend, region_),
      chunk_(backend, kChunk),
      by_size_(std::size(kSizes)),
      by_pause_(std::size(kPauses)) {}

/// The next part of a region that is too large to be cached: it was used longest ago.
std::uint8_t* CacheProbe::fresh(std::size_t bytes) {
  if (at_ + bytes > region_) at_ = 0;
  std::uint8_t* part = memory_.as<std::uint8_t>() + at_;
  at_ += bytes;
  return part;
}

void CacheProbe::write(std::uint8_t* to, std::size_t bytes) {
  for (std::size_t i = 0; i < bytes; i += kChunk)
    backend_.activation_forward({kChunk / sizeof(float), DType::f32, {}, chunk_.data(), to + i});
}

/// Seconds a byte.
double CacheProbe::read(const std::uint8_t* from, std::size_t bytes) {
  const double begin = now();
  for (std::size_t i = 0; i < bytes; i += kChunk)
    backend_.activation_forward({kChunk / sizeof(float), DType::f32, {}, from + i, chunk_.data()});
  return (now() - begin) / static_cast<double>(bytes);
}

/// Of reading what was written before a pause in which the device computes without touching memory.
double CacheProbe::pace_after(double pause, std::size_t bytes) {
  constexpr int kSteps = 4096;
  std::uint8_t* part = fresh(bytes);
  write(part, bytes);
  const double begin = now();
  while (now() - begin < pause) backend_.fma_burst(DType::f32, kSteps, chunk_.as<float>());
  return read(part, bytes);
}

void CacheProbe::turn() {
  const double size = static_cast<double>(cache_);
  const std::size_t small = whole_chunks(size / 8);
  for (int n = 0; n < (brief_ ? 1 : kTries); ++n) {
    std::uint8_t* part = fresh(small);
    far_.push_back(read(part, small));
    read(part, small);
    near_.push_back(read(part, small));
    for (std::size_t i = 0; i < by_size_.size(); ++i)
      by_size_[i].push_back(pace_after(0.0, whole_chunks(kSizes[i] * size)));
    for (std::size_t i = 0; i < by_pause_.size(); ++i)
      by_pause_[i].push_back(pace_after(brief_ ? 0.0 : kPauses[i], small));
  }
}

CacheCurves CacheProbe::curves() const {
  const double far = std::max(median(far_), 1.001 * median(near_));
  const auto add = [&](std::vector<CachePoint>& curve, double after, double pace, double near) {
    curve.push_back({after, std::clamp((pace - near) / std::max(far - near, 1e-3 * far),
                                       curve.empty() ? 0.0 : curve.back().missed, 1.0)});
  };
  CacheCurves curves;
  for (std::size_t i = 0; i < by_size_.size(); ++i) {
    const auto after = static_cast<double>(whole_chunks(kSizes[i] * static_cast<double>(cache_)));
    if (!curves.by_bytes.empty() && after <= curves.by_bytes.back().after)
      continue;  // of a small cache, the same whole chunks again
    add(curves.by_bytes, after, median(by_size_[i]), median(near_));
  }
  for (std::size_t i = 0; i < by_pause_.size(); ++i)
    add(curves.by_seconds, kPauses[i], median(by_pause_[i]), median(by_pause_[0]));
  return curves;
}

}  // namespace tsugi::bench
