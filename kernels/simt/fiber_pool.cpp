#include "kernels/simt/fiber_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/fiber.hpp>
#include <string>
#include <utility>

#include "kernels/api/error.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace tsugi {
namespace simt {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr std::size_t kStackBytes = 256 * 1024;  // instrumented frames are several times larger
#else
constexpr std::size_t kStackBytes = 64 * 1024;
#endif

/// Hands Boost a stack with an unwritable page below it. The tops of stacks are staggered: at equal offsets in their
/// pages the hot lines of all fibers would fall into the same few sets of the cache.
class StackAllocator {
 public:
  StackAllocator(int index, char** bottom, std::size_t* size) : index_(index), bottom_(bottom), size_(size) {}

  boost::context::stack_context allocate() {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t mapped = kStackBytes + 2 * page;
    void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) {
      throw Error("simt: no memory for the stack of fiber " + std::to_string(index_) + ", " + std::to_string(mapped) +
                  " bytes needed");
    }
    boost::context::stack_context stack;
    stack.size = kStackBytes;
    const std::size_t stagger = static_cast<std::size_t>(index_) * 5 % 64 * 64;
    stack.sp = static_cast<char*>(memory) + page + kStackBytes + stagger;
    *bottom_ = static_cast<char*>(stack.sp) - kStackBytes;
    *size_ = kStackBytes;
    return stack;
  }

  void deallocate(boost::context::stack_context& stack) noexcept {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t stagger = static_cast<std::size_t>(index_) * 5 % 64 * 64;
    munmap(static_cast<char*>(stack.sp) - stagger - kStackBytes - page, kStackBytes + 2 * page);
  }

 private:
  int index_;
  char** bottom_;
  std::size_t* size_;
};

}  // namespace

struct FiberPool::Fiber {
  boost::context::fiber context;  ///< empty while it runs
  char* bottom = nullptr;         ///< of its stack; of fiber 0's once it has been left
  std::size_t size = 0;
  void* fake_stack = nullptr;  ///< AddressSanitizer's
  void* tsan = nullptr;        ///< ThreadSanitizer's name of the fiber
};

FiberPool::FiberPool(Main& main) : main_(main) {
  fibers_.reserve(1025);
  fibers_.emplace_back(new Fiber);
}

FiberPool::~FiberPool() {
  stopping_ = true;
  for (int fiber = 1; fiber < size(); ++fiber) {
    if (fibers_[static_cast<std::size_t>(fiber)]->context) switch_to(fiber);
#if defined(__SANITIZE_THREAD__)
    __tsan_destroy_fiber(fibers_[static_cast<std::size_t>(fiber)]->tsan);
#endif
  }
}

int FiberPool::create() {
  const int index = size();
  std::unique_ptr<Fiber> created(new Fiber);
  Fiber& fiber = *created;
  fiber.context = boost::context::fiber(std::allocator_arg, StackAllocator(index, &fiber.bottom, &fiber.size),
                                        [this, index](boost::context::fiber&& from) {
                                          fibers_[static_cast<std::size_t>(previous_)]->context = std::move(from);
                                          arrive(index);
                                          while (!stopping_) switch_to(main_.run_fiber(index));
                                          Fiber& host = *fibers_[kHost];
                                          previous_ = index;
                                          running_ = kHost;
                                          leave(*fibers_[static_cast<std::size_t>(index)], host, true);
                                          return std::move(host.context);
                                        });
#if defined(__SANITIZE_THREAD__)
  fiber.tsan = __tsan_create_fiber(0);
#endif
  fibers_.push_back(std::move(created));
  return index;
}

void FiberPool::switch_to(int fiber) {
  const int self = running_;
  Fiber& to = *fibers_[static_cast<std::size_t>(fiber)];
  previous_ = self;
  running_ = fiber;
  leave(*fibers_[static_cast<std::size_t>(self)], to, false);
  boost::context::fiber from = std::move(to.context).resume();
  fibers_[static_cast<std::size_t>(previous_)]->context = std::move(from);
  arrive(self);
}

void FiberPool::leave(Fiber& from, Fiber& to, bool for_good) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(for_good ? nullptr : &from.fake_stack, to.bottom, to.size);
#elif defined(__SANITIZE_THREAD__)
  if (&from == fibers_[kHost].get()) from.tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.tsan, 0);
#endif
  (void)from, (void)to, (void)for_good;
}

void FiberPool::arrive(int fiber) {
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(fibers_[static_cast<std::size_t>(fiber)]->fake_stack, &bottom, &size);
  if (previous_ == kHost) {
    fibers_[kHost]->bottom = static_cast<char*>(const_cast<void*>(bottom));
    fibers_[kHost]->size = size;
  }
#endif
  (void)fiber;
}

}  // namespace simt
}  // namespace tsugi
