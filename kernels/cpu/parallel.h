// How the CPU kernels share work: a fixed split into `threads` parts, so that results depend on the thread count and
// on nothing else, however many threads the runtime really gives.
#pragma once

#include <algorithm>
#include <cstddef>

namespace tsugi {
namespace cpu {

/// Below this many elements a second thread costs more than it brings.
constexpr std::size_t kSerialBelow = 16384;

struct Range {
  std::size_t begin, end;
};

/// Part `part` of `parts` of [0, count), with inner borders on multiples of `align`.
inline Range split(std::size_t count, int parts, int part, std::size_t align = 1) {
  const std::size_t units = (count + align - 1) / align;
  const auto border = [&](int i) {
    return std::min(count, units * static_cast<std::size_t>(i) / static_cast<std::size_t>(parts) * align);
  };
  return Range{border(part), border(part + 1)};
}

/// Calls f(part) for part = 0 ... parts-1, on that many threads. Exceptions must not leave f.
template <typename F>
void parallel(int parts, const F& f) {
  if (parts <= 1) {
    f(0);
    return;
  }
#pragma omp parallel for num_threads(parts) schedule(static, 1)
  for (int part = 0; part < parts; ++part) f(part);
}

/// Calls f(begin, end) on a split of [0, count) over the threads; `work` is the number of elements behind one index.
template <typename F>
void parallel_for(int threads, std::size_t count, std::size_t work, const F& f, std::size_t align = 1) {
  const int parts = count * work < kSerialBelow ? 1 : threads;
  parallel(parts, [&](int part) {
    const Range range = split(count, parts, part, align);
    if (range.begin < range.end) f(range.begin, range.end);
  });
}

/// Calls f(i) for every element i of [0, count), in vectors. f must not depend on the order.
template <typename F>
void for_each_element(int threads, std::size_t count, const F& f) {
  parallel_for(
      threads, count, 1,
      [&](std::size_t begin, std::size_t end) {
        const F element = f;  // a copy: what it captured is then in registers, whatever is stored
#pragma omp simd
        for (std::size_t i = begin; i < end; ++i) element(i);
      },
      64);
}

}  // namespace cpu
}  // namespace tsugi
