// Dequantise-and-gather of the double-precision reference.
#include "kernels/cpu/reference.h"
#include "kernels/cpu/reference_scalar.h"

namespace tsugi {
namespace reference {

template <typename T>
void dequantize_gather(const DequantizeGather& op) {
  T* x = static_cast<T*>(op.x);
  const auto count = static_cast<std::size_t>(op.count), c = static_cast<std::size_t>(op.c);
  for (std::size_t i = 0; i < static_cast<std::size_t>(op.n); ++i) {
    for (std::size_t e = 0; e < count; ++e) {
      const double level = static_cast<double>(op.rows[op.index[i] * count + e]);
      x[i * count + e] =
          static_cast<T>(static_cast<double>(op.offset[e % c]) + static_cast<double>(op.scale[e % c]) * level);
    }
  }
}

TSUGI_REFERENCE_INSTANCES(dequantize_gather, DequantizeGather)

}  // namespace reference
}  // namespace tsugi
