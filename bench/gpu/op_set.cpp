#include "bench/gpu/op_set.h"

#include <algorithm>
#include <cmath>

#include "kernels/api/half.h"

namespace tsugi::bench {
namespace {

DenseShape dense_shape(const Conv2dShape& s) {
  DenseShape dense;
  dense.n = s.n, dense.in = s.c, dense.out = s.k;
  return dense;
}

/// Uniform in [-scale, scale], by a hash of the place: the same every time.
float value_at(std::size_t i, float scale) {
  std::uint32_t bits = static_cast<std::uint32_t>(i) * 2654435761u;
  bits ^= bits >> 15;
  bits *= 2246822519u;
  bits ^= bits >> 13;
  return scale * (static_cast<float>(bits) / 2147483648.0f - 1.0f);
}

/// `count` elements with a pattern of a quarter million values repeated: enough to be no pattern to a kernel.
DeviceBuffer filled(Backend& backend, std::size_t count, DType dtype, float scale) {
  constexpr std::size_t kPattern = std::size_t{1} << 18;
  DeviceBuffer buffer(backend, count * size_of(dtype));
  const std::size_t part = std::min(count, kPattern);
  std::vector<unsigned char> bytes(part * size_of(dtype));
  for (std::size_t i = 0; i < part; ++i) {
    if (dtype == DType::f16) {
      reinterpret_cast<std::uint16_t*>(bytes.data())[i] = float_to_half(value_at(i, scale));
    } else {
      reinterpret_cast<float*>(bytes.data())[i] = value_at(i, scale);
    }
  }
  for (std::size_t begin = 0; begin < count; begin += part) {
    const std::size_t now = std::min(part, count - begin);
    backend.copy_to_device(buffer.as<unsigned char>() + begin * size_of(dtype), bytes.data(), now * size_of(dtype));
  }
  return buffer;
}

}  // namespace

OpSet::OpSet(Backend& owner, const OpCase& op_case, DType dtype, std::size_t cold_bytes)
    : owner_(owner),
      case_(op_case),
      dtype_(dtype),
      x_count_(op_case.shape.x_count()),
      w_count_(op_case.shape.w_count()),
      y_count_(op_case.shape.y_count()) {
  const std::size_t one = (x_count_ + w_count_ + y_count_) * size_of(dtype);
  copies_ = static_cast<int>(std::clamp<std::size_t>((cold_bytes + one - 1) / one, 1, kMaxCopies));
  const Conv2dShape& s = case_.shape;
  const float terms = static_cast<float>(s.r * s.s * (s.c / s.groups));
  for (int copy = 0; copy < copies_; ++copy) {
    x_.push_back(filled(owner, x_count_, dtype, 1.0f));
    w_.push_back(filled(owner, w_count_, dtype, 1.0f / std::sqrt(terms)));
    y_.push_back(filled(owner, y_count_, dtype, 1.0f));
  }
  d_w_ = DeviceBuffer(owner, w_count_ * sizeof(float));
  owner.synchronize();
}

double OpSet::bytes(KernelOp pass) const {
  const std::size_t activations = (x_count_ + y_count_) * size_of(dtype_);
  const std::size_t weights = w_count_ * (pass == KernelOp::conv2d_backward_weight ? sizeof(float) : size_of(dtype_));
  return static_cast<double>(activations + weights);
}

Contender OpSet::contender(const std::string& name, Backend& backend, KernelOp pass) {
  const Conv2dShape& s = case_.shape;
  const DenseShape dense = dense_shape(s);
  const std::size_t need = case_.dense ? backend.workspace_bytes(dense, dtype_) : backend.workspace_bytes(s, dtype_);
  workspaces_.push_back(std::make_unique<DeviceBuffer>(owner_, std::max<std::size_t>(need, 16)));
  void* workspace = workspaces_.back()->data();
  const auto at = [](std::vector<DeviceBuffer>& all, int copy) { return all[static_cast<std::size_t>(copy)].data(); };
  const auto call = [=, &backend](int copy) {
    void *x = at(x_, copy), *w = at(w_, copy), *y = at(y_, copy);
    const Write write = Write::overwrite;
    if (pass == KernelOp::conv2d_forward && case_.dense) {
      backend.dense_forward({dense, dtype_, x, w, nullptr, {}, y, workspace});
    } else if (pass == KernelOp::conv2d_forward) {
      backend.conv2d_forward({s, dtype_, x, w, nullptr, {}, y, workspace});
    } else if (pass == KernelOp::conv2d_backward_data && case_.dense) {
      backend.dense_backward_data({dense, dtype_, y, w, nullptr, {}, write, x, workspace});
    } else if (pass == KernelOp::conv2d_backward_data) {
      backend.conv2d_backward_data({s, dtype_, y, w, nullptr, {}, write, x, workspace});
    } else if (case_.dense) {
      backend.dense_backward_weight({dense, dtype_, x, y, write, d_w_.as<float>(), nullptr, workspace});
    } else {
      backend.conv2d_backward_weight({s, dtype_, x, y, write, d_w_.as<float>(), nullptr, workspace});
    }
  };
  return {name, &backend, call};
}

}  // namespace tsugi::bench
