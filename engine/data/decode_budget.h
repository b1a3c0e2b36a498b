// The memory that decoding threads share: each reserves what its photo's header asks for, and waits while others hold
// it.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>

namespace tsugi {

/// Of all threads together, where nobody gave a budget: a JPEG of 250 million pixels fits, or an HEIC of 100.
constexpr std::uint64_t kDecodeBytes = std::uint64_t{3} << 29;

class DecodeBudget {
 public:
  explicit DecodeBudget(std::uint64_t bytes = kDecodeBytes) : total_(bytes), free_(bytes) {}
  DecodeBudget(const DecodeBudget&) = delete;
  DecodeBudget& operator=(const DecodeBudget&) = delete;

  /// The most that was lent at once. To be looked at when nobody holds a lease.
  std::uint64_t most() const { return most_; }

  /// Bytes that are given back at the end of a scope.
  class Lease {
   public:
    /// Waits its turn, first come first served, so that a large photo is not passed over for ever. Throws Error naming
    /// `file` and both values when the whole budget is less than `bytes`.
    Lease(DecodeBudget& budget, std::uint64_t bytes, const std::string& file);
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;

   private:
    DecodeBudget& budget_;
    const std::uint64_t bytes_;
  };

 private:
  const std::uint64_t total_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t free_;
  std::uint64_t most_ = 0;
  std::uint64_t arrived_ = 0, served_ = 0;  // turns
};

}  // namespace tsugi
