#include "kernels/simt/fiber_pool.h"

#include <sys/mman.h>
#include <unistd.h>

#include <boost/context/fiber.hpp>
#include <string>
#include <utility>

#include "kernels/api/error.h"
#include "kernels/simt/sanitizer.h"

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

/// Hands Boost a stack that somebody else maps and unmaps.
struct MappedStack {
  char* bottom;
  boost::context::stack_context allocate() const {
    boost::context::stack_context stack;
    stack.size = kStackBytes;
    stack.sp = bottom + kStackBytes;
    return stack;
  }
  void deallocate(boost::context::stack_context&) const noexcept {}
};

}  // namespace

struct FiberPool::Fiber {
  ~Fiber() {
    if (mapped == nullptr) return;
    TSUGI_ASAN_UNPOISON(bottom, size);
    munmap(mapped, mapped_bytes);
  }

  /// Maps a stack with an unwritable page below it. The tops of stacks are staggered: at equal offsets in their pages
  /// the hot lines of all fibers would fall into the same few sets of the cache.
  void map_stack(int index) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    mapped_bytes = kStackBytes + 2 * page;
    void* memory =
        mmap(nullptr, mapped_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      throw Error("simt: no memory for the stack of fiber " + std::to_string(index) + ", " +
                  std::to_string(mapped_bytes) + " bytes needed");
    }
    mapped = static_cast<char*>(memory);
    if (mprotect(mapped, page, PROT_NONE) != 0) throw Error("simt: the guard page of a stack cannot be protected");
    bottom = mapped + page + static_cast<std::size_t>(index) * 5 % 64 * 64;
    size = kStackBytes;
  }

  /// Empty while the fiber runs. Never destroyed: that would unwind an idle fiber, which has nothing to destroy, by an
  /// exception that the sanitizers cannot follow. Its stack is unmapped as it is.
  union {
    boost::context::fiber context;
  };
  char* mapped = nullptr;
  std::size_t mapped_bytes = 0;
  char* bottom = nullptr;  ///< of its stack; of fiber 0's once it has been left
  std::size_t size = 0;
  void* fake_stack = nullptr;  ///< AddressSanitizer's
  void* tsan = nullptr;        ///< ThreadSanitizer's name of the fiber

  Fiber() : context() {}
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
};

FiberPool::FiberPool(Main& main) : main_(main) {
  fibers_.reserve(1025);
  fibers_.emplace_back(new Fiber);
}

FiberPool::~FiberPool() {
#if defined(__SANITIZE_THREAD__)
  for (int fiber = 1; fiber < size(); ++fiber) __tsan_destroy_fiber(at(fiber).tsan);
#endif
}

int FiberPool::create() {
  const int index = size();
  std::unique_ptr<Fiber> fiber(new Fiber);
  fiber->map_stack(index);
  fiber->context = boost::context::fiber(std::allocator_arg, MappedStack{fiber->bottom},
                                         [this, index](boost::context::fiber&& from) {
                                           arrive(index, &from);
                                           for (;;) switch_to(main_.run_fiber(index));
                                           return boost::context::fiber();
                                         });
#if defined(__SANITIZE_THREAD__)
  fiber->tsan = __tsan_create_fiber(0);
#endif
  fibers_.push_back(std::move(fiber));
  return index;
}

void FiberPool::switch_to(int fiber) {
  const int self = running_;
  Fiber& to = at(fiber);
  previous_ = self;
  running_ = fiber;
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&at(self).fake_stack, to.bottom, to.size);
#endif
#if defined(__SANITIZE_THREAD__)
  // In this very function: it counts calls and returns a fiber, and they have to match.
  if (self == kHost) at(kHost).tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to.tsan, 0);
#endif
  boost::context::fiber from = std::move(to.context).resume();
  arrive(self, &from);
}

// The first thing on a fiber that has been switched to. from: the boost::context::fiber of the one that left.
void FiberPool::arrive(int fiber, void* from) {
  at(previous_).context = std::move(*static_cast<boost::context::fiber*>(from));
#if defined(__SANITIZE_ADDRESS__)
  const void* bottom = nullptr;
  std::size_t size = 0;
  __sanitizer_finish_switch_fiber(at(fiber).fake_stack, &bottom, &size);
  if (previous_ == kHost) {
    at(kHost).bottom = static_cast<char*>(const_cast<void*>(bottom));
    at(kHost).size = size;
  }
#endif
  (void)fiber;
}

}  // namespace simt
}  // namespace tsugi
