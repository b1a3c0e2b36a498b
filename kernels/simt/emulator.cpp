#include "kernels/simt/emulator.h"

#include <algorithm>

#include "kernels/api/error.h"

namespace tsugi {
namespace simt {
namespace {

std::string text_of(dim3 v) { return std::to_string(v.x) + "x" + std::to_string(v.y) + "x" + std::to_string(v.z); }

std::uint64_t greatest_common_divisor(std::uint64_t a, std::uint64_t b) {
  while (b != 0) {
    const std::uint64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

}  // namespace

Emulator::Emulator(ThreadOrder order, std::uint64_t seed) : order_(order), seed_(seed) {}

Emulator::~Emulator() { stop_helpers(); }

void Emulator::stop_helpers() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
  for (const auto& helper : helpers_) helper->thread.join();
  helpers_.clear();
  stopping_ = false;
}

void Emulator::set_host_threads(int count) {
  if (count < 1) throw Error("simt: " + std::to_string(count) + " host threads, expected 1 or more");
  if (count == host_threads()) return;
  stop_helpers();
  for (int i = 1; i < count; ++i) {
    helpers_.emplace_back(new Helper);
    Helper* const helper = helpers_.back().get();
    // Counted from here, not from when the thread gets to run: the next launch waits for every helper.
    const std::uint64_t seen = generation_;
    try {
      helper->thread = std::thread([this, helper, seen] { help(helper->runner, seen); });
    } catch (...) {
      helpers_.pop_back();
      throw;
    }
  }
}

void Emulator::check_limits(const char* name, dim3 grid, dim3 block) {
  const std::string place = std::string("simt: kernel ") + name + ": ";
  const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
  if (threads == 0 || block.x > 1024 || block.y > 1024 || block.z > 64 || threads > kMaxThreads) {
    throw Error(place + "a block of " + text_of(block) + " threads, expected 1 to 1024 in all, 64 in z");
  }
  if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) {
    throw Error(place + "a grid of " + text_of(grid) + " blocks, expected at most 2147483647x65535x65535, none 0");
  }
}

void Emulator::launch(const char* name, const std::function<void()>& thread, dim3 grid, dim3 block) {
  check_limits(name, grid, block);
  const Launch launch{name, &thread, grid, block, order_, seed_};
  std::unique_lock<std::mutex> lock(mutex_);
  launch_ = &launch;
  next_block_ = 0;
  blocks_ = std::uint64_t{grid.x} * grid.y * grid.z;
  failure_.clear();
  first_ = order_ == ThreadOrder::shuffled ? seed_ % blocks_ : 0;
  stride_ = order_ == ThreadOrder::shuffled ? std::max<std::uint64_t>(blocks_ * 5 / 8, 1) : 1;
  while (greatest_common_divisor(stride_, blocks_) != 1) ++stride_;
  if (!helpers_.empty() && blocks_ > 1) {
    ++generation_;
    busy_ = static_cast<int>(helpers_.size());
    work_.notify_all();
  }
  lock.unlock();
  run_blocks(caller_);
  lock.lock();
  done_.wait(lock, [this] { return busy_ == 0; });
  launch_ = nullptr;
  if (!failure_.empty()) throw Error(failure_);
}

void Emulator::help(BlockRunner& runner, std::uint64_t seen) {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    work_.wait(lock, [&] { return stopping_ || generation_ != seen; });
    if (stopping_) return;
    seen = generation_;
    lock.unlock();
    run_blocks(runner);
    lock.lock();
    if (--busy_ == 0) done_.notify_one();
  }
}

// Takes blocks until none is left. Blocks are handed out in order, so after a failure the ones before it still finish,
// and the failure that is reported does not depend on the number of host threads.
void Emulator::run_blocks(BlockRunner& runner) {
  std::unique_lock<std::mutex> lock(mutex_);
  while (next_block_ < blocks_ && failure_.empty()) {
    const std::uint64_t turn = next_block_++;
    lock.unlock();
    std::uint64_t index = order_ == ThreadOrder::reverse ? blocks_ - 1 - turn : turn;
    if (order_ == ThreadOrder::shuffled) index = (turn * stride_ + first_) % blocks_;
    const dim3 grid = launch_->grid;
    const uint3 block{static_cast<unsigned>(index % grid.x), static_cast<unsigned>(index / grid.x % grid.y),
                      static_cast<unsigned>(index / grid.x / grid.y)};
    std::string failure;
    try {
      runner.run(*launch_, block);
    } catch (const std::exception& error) {
      failure = error.what();
    }
    lock.lock();
    if (!failure.empty() && (failure_.empty() || turn < failed_block_)) {
      failure_ = failure;
      failed_block_ = turn;
    }
  }
}

}  // namespace simt
}  // namespace tsugi
