// AddressSanitizer's calls that mark memory as forbidden; nothing in builds without it.
#pragma once

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__
#endif
#if __has_feature(thread_sanitizer) && !defined(__SANITIZE_THREAD__)
#define __SANITIZE_THREAD__
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define TSUGI_ASAN_POISON(memory, bytes) __asan_poison_memory_region(memory, bytes)
#define TSUGI_ASAN_UNPOISON(memory, bytes) __asan_unpoison_memory_region(memory, bytes)
#else
#define TSUGI_ASAN_POISON(memory, bytes) static_cast<void>(memory)
#define TSUGI_ASAN_UNPOISON(memory, bytes) static_cast<void>(memory)
#endif
