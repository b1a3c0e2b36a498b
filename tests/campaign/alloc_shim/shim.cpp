// Preloaded into a command, it makes one allocation fail, or all from one on: what a machine without memory does.
//   TSUGI_ALLOC_FAIL   the allocation that fails, from 1; 0 = none
//   TSUGI_ALLOC_TIMES  how many fail from there on (default 1)
//   TSUGI_ALLOC_FROM   bytes: smaller allocations are neither counted nor failed (default 0)
//   TSUGI_ALLOC_COUNT  a file that gets the number of allocations at the end
// operator new and all libraries go through malloc, so nothing else is needed. glibc only. The allocations of the
// loader and of the C++ runtime before main are left out.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {

std::atomic<bool> counting{false};
std::atomic<unsigned long> seen{0};
unsigned long first = 0, times = 1, from = 0;

unsigned long setting(const char* name, unsigned long otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

bool fails(std::size_t size) {
  if (!counting || size < from) return false;
  const unsigned long now = ++seen;
  if (first == 0 || now < first || now - first >= times) return false;
  errno = ENOMEM;
  return true;
}

__attribute__((constructor)) void start() {
  first = setting("TSUGI_ALLOC_FAIL", 0);
  times = setting("TSUGI_ALLOC_TIMES", 1);
  from = setting("TSUGI_ALLOC_FROM", 0);
  counting = true;
}

__attribute__((destructor)) void end() {
  counting = false;
  const char* path = std::getenv("TSUGI_ALLOC_COUNT");
  const int file = path == nullptr ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return;
  char text[32];
  const int length = std::snprintf(text, sizeof text, "%lu\n", seen.load());
  (void)!write(file, text, static_cast<std::size_t>(length));
  close(file);
}

}  // namespace

extern "C" {

void* malloc(std::size_t size) { return fails(size) ? nullptr : __libc_malloc(size); }
void* calloc(std::size_t count, std::size_t size) { return fails(count * size) ? nullptr : __libc_calloc(count, size); }
void* realloc(void* old, std::size_t size) { return size > 0 && fails(size) ? nullptr : __libc_realloc(old, size); }
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return fails(size) ? nullptr : __libc_memalign(alignment, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
  return fails(size) ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** to, std::size_t alignment, std::size_t size) {
  void* memory = fails(size) ? nullptr : __libc_memalign(alignment, size);
  if (memory == nullptr) return ENOMEM;
  *to = memory;
  return 0;
}
}
