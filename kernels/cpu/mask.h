// The epilogue of backward-data where a library wrote the plain product: d_x = act' * (product [+ d_x]).
#pragma once

#include "kernels/cpu/element.h"
#include "kernels/cpu/parallel.h"

namespace tsugi {
namespace cpu {

/// product: [count] of `dtype`, may be d_x itself when overwriting. saved: of the activation, read only where there is
/// one.
inline void mask_gradient(DType dtype, Activation activation, Write write, std::size_t count, const void* product,
                          const void* saved, void* d_x, int threads) {
  with_dtype(dtype, "backward_data", [&](auto element) {
    using T = decltype(element);
    with_activation(activation, [&](auto act) {
      const T* from = static_cast<const T*>(product);
      const T* mask = static_cast<const T*>(act.kMasks ? saved : product);
      T* to = static_cast<T*>(d_x);
      const bool accumulate = write == Write::accumulate;
      for_each_element(threads, count, [=](std::size_t i) {
        const float before = accumulate ? to_float(to[i]) : 0.0f;
        to[i] = from_float<T>(act.backward(to_float(mask[i]), to_float(from[i]) + before));
      });
    });
  });
}

}  // namespace cpu
}  // namespace tsugi
