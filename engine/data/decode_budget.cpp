#include "engine/data/decode_budget.h"

#include <algorithm>

#include "kernels/api/error.h"

namespace tsugi {

DecodeBudget::Lease::Lease(DecodeBudget& budget, std::uint64_t bytes, const std::string& file)
    : budget_(budget), bytes_(bytes) {
  if (bytes > budget.total_)
    throw Error(file + ": needs " + std::to_string(bytes) + " bytes to be decoded, " + std::to_string(budget.total_) +
                " are there for it (--memory, or the limit)");
  std::unique_lock<std::mutex> lock(budget.mutex_);
  const std::uint64_t turn = budget.arrived_++;
  budget.changed_.wait(lock, [&] { return turn == budget.served_ && bytes <= budget.free_; });
  budget.free_ -= bytes;
  budget.most_ = std::max(budget.most_, budget.total_ - budget.free_);
  ++budget.served_;
  lock.unlock();
  budget.changed_.notify_all();
}

DecodeBudget::Lease::~Lease() {
  {
    const std::lock_guard<std::mutex> lock(budget_.mutex_);
    budget_.free_ += bytes_;
  }
  budget_.changed_.notify_all();
}

}  // namespace tsugi
