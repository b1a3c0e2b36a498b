#include "kernels/simt/block.h"

#include <cstring>
#include <utility>

#include "kernels/api/error.h"
#include "kernels/simt/sanitizer.h"

namespace tsugi {
namespace simt {

__thread uint3 threadIdx;
__thread uint3 blockIdx;
__thread dim3 blockDim;
__thread dim3 gridDim;

namespace {

__thread BlockRunner* current_runner;

constexpr std::size_t kSharedBytes = 48 * 1024;
constexpr std::size_t kRedZone = 4096;

BlockRunner& runner(const char* what) {
  if (current_runner == nullptr) throw Error(std::string("simt: ") + what + " called outside of a kernel");
  return *current_runner;
}

/// A source file by its path inside the project.
std::string text_of(detail::Place place) {
  std::string file = place.file == nullptr ? "?" : place.file;
  for (const char* root : {"/kernels/", "/tests/"}) {
    const std::size_t at = file.rfind(root);
    if (at != std::string::npos) file = file.substr(at + 1);
  }
  return file + ":" + std::to_string(place.line);
}

bool same(detail::Place a, detail::Place b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

std::string text_of(const char* name, uint3 index) {
  return std::string(name) + " (" + std::to_string(index.x) + "," + std::to_string(index.y) + "," +
         std::to_string(index.z) + ")";
}

std::string text_of_mask(unsigned mask) {
  static const char digits[] = "0123456789abcdef";
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += digits[mask >> shift & 15u];
  return text;
}

}  // namespace

void __syncthreads(int line, const char* file) { runner("__syncthreads").barrier({file, line}); }

namespace detail {
void warp_call(WarpCall& call) { runner(name_of(call.op)).warp_call(call); }
void* shared_memory(std::size_t bytes) { return runner("shared_memory").shared_memory(bytes); }
void misaligned(const void* address, std::size_t bytes) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(address) % bytes;
  throw Error("misaligned access: " + std::to_string(bytes) + " bytes at an address " + std::to_string(past) +
              " bytes past a multiple of " + std::to_string(bytes));
}
}  // namespace detail

BlockRunner::BlockRunner() : pool_(*this), shape_(0, 0, 0) {
  shared_storage_.reset(new unsigned char[kSharedBytes + 2 * kRedZone + 256]);
  const std::uintptr_t at = reinterpret_cast<std::uintptr_t>(shared_storage_.get()) + kRedZone;
  shared_ = shared_storage_.get() + kRedZone + (256 - at % 256) % 256;
  TSUGI_ASAN_POISON(shared_storage_.get(), kSharedBytes + 2 * kRedZone + 256);
}

BlockRunner::~BlockRunner() { TSUGI_ASAN_UNPOISON(shared_storage_.get(), kSharedBytes + 2 * kRedZone + 256); }

void BlockRunner::run(const Launch& launch, uint3 block) {
  launch_ = &launch;
  block_ = block;
  if (launch.block.x != shape_.x || launch.block.y != shape_.y || launch.block.z != shape_.z) {
    shape_ = launch.block;
    indices_.clear();
    for (unsigned z = 0; z < shape_.z; ++z) {
      for (unsigned y = 0; y < shape_.y; ++y) {
        for (unsigned x = 0; x < shape_.x; ++x) indices_.push_back({x, y, z});
      }
    }
    count_ = static_cast<int>(indices_.size());
  }
  for (int thread = 0; thread < count_; ++thread) {
    const auto t = static_cast<std::size_t>(thread);
    states_[t] = State::unstarted;
    places_[t] = {nullptr, 0};
  }
  for (Warp& warp : warps_) warp.arrived = 0;
  at_barrier_ = exited_ = 0;
  failed_ = false;
  random_state_ = launch.seed +
                  (block.x + launch.grid.x * (block.y + std::uint64_t{launch.grid.y} * block.z)) * 0x9E3779B97F4A7C15u;
  set_order();
  all_ready();

  BlockRunner* const outer = current_runner;
  current_runner = this;
  blockIdx = block;
  blockDim = launch.block;
  gridDim = launch.grid;
  if (idle_fibers_.empty()) idle_fibers_.push_back(pool_.create());
  const int first = next_ready();
  const int fiber = idle_fibers_.back();
  idle_fibers_.pop_back();
  fibers_[static_cast<std::size_t>(first)] = fiber;
  enter(first);
  pool_.switch_to(fiber);
  current_runner = outer;

  if (shared_bytes_ != 0) TSUGI_ASAN_POISON(shared_, shared_bytes_);
  shared_bytes_ = 0;
  if (failed_) throw Error(failure_);
}

// Runs threads on `fiber` until the next one to go on with already has a fiber of its own.
int BlockRunner::run_fiber(int fiber) {
  for (;;) {
    run_thread();
    states_[static_cast<std::size_t>(running_)] = State::exited;
    ++exited_;
    const int next = next_after_exit();
    if (next < 0) {
      idle_fibers_.push_back(fiber);
      return FiberPool::kHost;
    }
    const auto t = static_cast<std::size_t>(next);
    const bool starts = states_[t] == State::unstarted;
    enter(next);
    if (!starts) {
      idle_fibers_.push_back(fiber);
      return fibers_[t];
    }
    fibers_[t] = fiber;
  }
}

void BlockRunner::run_thread() {
  try {
    (*launch_->thread)();
  } catch (const Abandon&) {
  } catch (const std::exception& error) {
    note_failure(running_, std::string("the kernel threw: ") + error.what());
  } catch (...) {
    note_failure(running_, "the kernel threw");
  }
}

int BlockRunner::next_ready() {
  constexpr int kWords = kMaxThreads / 64;
  int word = cursor_ / 64 % kWords;
  std::uint64_t bits = ready_[static_cast<std::size_t>(word)] & ~std::uint64_t{0} << cursor_ % 64;
  for (int tried = 0; tried <= kWords; ++tried) {
    if (bits != 0) {
      const int bit = __builtin_ctzll(bits);
      ready_[static_cast<std::size_t>(word)] &= ~(std::uint64_t{1} << bit);
      cursor_ = word * 64 + bit + 1;
      return order_[static_cast<std::size_t>(cursor_ - 1)];
    }
    word = (word + 1) % kWords;
    bits = ready_[static_cast<std::size_t>(word)];
  }
  return -1;
}

int BlockRunner::next_after_exit() {
  if (!failed_) {
    const int next = next_ready();
    if (next >= 0 || exited_ == count_) return next;
    explain_deadlock();
  }
  for (int thread = 0; thread < count_; ++thread) {
    const State state = states_[static_cast<std::size_t>(thread)];
    if (state != State::exited && state != State::unstarted) return thread;
  }
  return -1;
}

void BlockRunner::enter(int thread) {
  running_ = thread;
  states_[static_cast<std::size_t>(thread)] = State::ready;
  threadIdx = indices_[static_cast<std::size_t>(thread)];
}

void BlockRunner::make_ready(int thread) {
  const unsigned position = position_[static_cast<std::size_t>(thread)];
  ready_[position / 64] |= std::uint64_t{1} << position % 64;
}

void BlockRunner::wait() {
  const int self = running_;
  const int next = next_ready();
  if (next < 0) {
    explain_deadlock();
    throw Abandon{};
  }
  if (next != self) {
    const auto t = static_cast<std::size_t>(next);
    if (states_[t] == State::unstarted) {
      if (idle_fibers_.empty()) idle_fibers_.push_back(pool_.create());
      fibers_[t] = idle_fibers_.back();
      idle_fibers_.pop_back();
    }
    enter(next);
    pool_.switch_to(fibers_[t]);
    if (failed_) throw Abandon{};
  } else {
    enter(self);
  }
}

void BlockRunner::barrier(detail::Place place) {
  const auto self = static_cast<std::size_t>(running_);
  places_[self] = place;
  states_[self] = State::at_barrier;
  if (++at_barrier_ == count_) {
    for (int thread = 0; thread < count_; ++thread) {
      if (!same(places_[static_cast<std::size_t>(thread)], place)) {
        fail("waits at __syncthreads() of " + text_of(place) + ", but " + name_of_thread(thread) +
             " waits at that of " + text_of(places_[static_cast<std::size_t>(thread)]));
      }
    }
    at_barrier_ = 0;
    if (launch_->order == ThreadOrder::shuffled) set_order();
    all_ready();
  }
  wait();
}

void BlockRunner::warp_call(detail::WarpCall& call) {
  const auto self = static_cast<std::size_t>(running_);
  Warp& warp = warps_[self / 32];
  const unsigned lane = static_cast<unsigned>(self % 32);
  places_[self] = call.place;
  if ((call.mask >> lane & 1u) == 0) {
    fail(std::string(detail::name_of(call.op)) + " of " + text_of(call.place) + " has the mask " +
         text_of_mask(call.mask) + ", which leaves out lane " + std::to_string(lane) + " that calls it");
  }
  warp.calls[lane] = &call;
  warp.arrived |= 1u << lane;
  if ((warp.arrived & call.mask) != call.mask) {
    states_[self] = State::at_warp_call;
    wait();
    return;
  }
  const unsigned first = static_cast<unsigned>(self - lane);
  for (unsigned rest = call.mask; rest != 0; rest &= rest - 1) {
    const unsigned other = static_cast<unsigned>(__builtin_ctz(rest));
    const detail::WarpCall& theirs = *warp.calls[other];
    if (theirs.mask != call.mask || theirs.op != call.op || !same(theirs.place, call.place)) {
      fail("calls " + std::string(detail::name_of(call.op)) + " of " + text_of(call.place) + " with the mask " +
           text_of_mask(call.mask) + ", but " + where(static_cast<int>(first + other)));
    }
  }
  const int astray = detail::complete_warp_call(warp.calls, call.mask);
  if (astray >= 0) {
    fail(std::string(detail::name_of(call.op)) + " of " + text_of(call.place) + ": lane " + std::to_string(astray) +
         " reads from a lane outside of the mask " + text_of_mask(call.mask));
  }
  warp.arrived &= ~call.mask;
  for (unsigned rest = call.mask & ~(1u << lane); rest != 0; rest &= rest - 1) {
    const unsigned other = first + static_cast<unsigned>(__builtin_ctz(rest));
    states_[other] = State::ready;
    make_ready(static_cast<int>(other));
  }
}

void* BlockRunner::shared_memory(std::size_t bytes) {
  if (shared_bytes_ == 0) {
    shared_bytes_ = bytes;
    TSUGI_ASAN_UNPOISON(shared_, bytes);
    std::memset(shared_, 0xff, bytes);
  }
  if (bytes != shared_bytes_) {
    fail("asks for " + std::to_string(bytes) + " bytes of shared memory, another place of the kernel for " +
         std::to_string(shared_bytes_));
  }
  return shared_;
}

void BlockRunner::set_order() {
  for (int position = 0; position < count_; ++position) {
    const int thread = launch_->order == ThreadOrder::reverse ? count_ - 1 - position : position;
    order_[static_cast<std::size_t>(position)] = static_cast<std::uint16_t>(thread);
  }
  if (launch_->order == ThreadOrder::shuffled) {
    for (int left = count_; left > 1; --left) {
      std::swap(order_[static_cast<std::size_t>(left - 1)], order_[random(static_cast<std::uint32_t>(left))]);
    }
  }
  for (int position = 0; position < count_; ++position) {
    position_[order_[static_cast<std::size_t>(position)]] = static_cast<std::uint16_t>(position);
  }
}

void BlockRunner::all_ready() {
  ready_.fill(0);
  for (int word = 0; word < count_ / 64; ++word) ready_[static_cast<std::size_t>(word)] = ~std::uint64_t{0};
  if (count_ % 64 != 0) ready_[static_cast<std::size_t>(count_ / 64)] = (std::uint64_t{1} << count_ % 64) - 1;
  cursor_ = 0;
}

// SplitMix64, mapped to [0, below) by its high bits.
std::uint32_t BlockRunner::random(std::uint32_t below) {
  std::uint64_t z = random_state_ += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return static_cast<std::uint32_t>((z >> 32) * below >> 32);
}

void BlockRunner::fail(const std::string& what) {
  note_failure(running_, what);
  throw Abandon{};
}

void BlockRunner::note_failure(int thread, const std::string& what) {
  if (failed_) return;
  failed_ = true;
  failure_ = std::string("simt: kernel ") + launch_->name + ", " + text_of("block", block_) + ", " +
             name_of_thread(thread) + " " + what;
}

// No thread can run: says which one waits for which other in vain.
void BlockRunner::explain_deadlock() {
  for (int thread = 0; thread < count_; ++thread) {
    if (states_[static_cast<std::size_t>(thread)] != State::at_warp_call) continue;
    const Warp& warp = warps_[static_cast<std::size_t>(thread) / 32];
    const detail::WarpCall& call = *warp.calls[static_cast<std::size_t>(thread) % 32];
    const int missing = __builtin_ctz(call.mask & ~warp.arrived) + thread / 32 * 32;
    const std::string other = missing < count_
                                  ? where(missing)
                                  : "lane " + std::to_string(missing % 32) + " does not exist: the block has " +
                                        std::to_string(count_) + " threads";
    note_failure(thread, "waits at " + std::string(detail::name_of(call.op)) + " of " + text_of(call.place) +
                             " with the mask " + text_of_mask(call.mask) + ", but " + other);
    return;
  }
  int waits = 0, missing = 0;
  while (states_[static_cast<std::size_t>(waits)] != State::at_barrier) ++waits;
  while (states_[static_cast<std::size_t>(missing)] == State::at_barrier) ++missing;
  note_failure(waits, "waits at __syncthreads() of " + text_of(places_[static_cast<std::size_t>(waits)]) + ", but " +
                          where(missing));
}

std::string BlockRunner::name_of_thread(int thread) const {
  return text_of("thread", indices_[static_cast<std::size_t>(thread)]);
}

std::string BlockRunner::where(int thread) const {
  const auto t = static_cast<std::size_t>(thread);
  const std::string name = name_of_thread(thread);
  if (states_[t] == State::exited) {
    return name + " has exited" +
           (places_[t].file == nullptr ? " without any call that waits" : ", last seen at " + text_of(places_[t]));
  }
  if (states_[t] == State::at_barrier) return name + " waits at __syncthreads() of " + text_of(places_[t]);
  if (states_[t] == State::at_warp_call) {
    const detail::WarpCall& call = *warps_[t / 32].calls[t % 32];
    return name + " waits at " + detail::name_of(call.op) + " of " + text_of(call.place) + " with the mask " +
           text_of_mask(call.mask);
  }
  return name + " runs";
}

}  // namespace simt
}  // namespace tsugi
