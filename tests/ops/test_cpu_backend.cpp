// What is particular to the CPU backend: its caches, its determinism, its description, and how it refuses bad
// arguments.
#include <doctest/doctest.h>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernels/api/backend.h"
#if TSUGI_HAVE_ONEDNN
#include "kernels/cpu/cpu_backend.h"
#endif

namespace tsugi {
namespace test {
namespace {

/// Memory of a backend filled with a fixed pattern around zero.
struct Filled {
  Filled(Backend& owner, std::size_t elements, DType type)
      : backend(owner), count(elements), dtype(type), data(owner.allocate(elements * size_of(type) + 64)) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < count; ++i)
      values[i] = static_cast<float>((i * 2654435761u >> 15) & 1023u) / 512.0f - 1.0f;
    Cast op;
    op.count = count, op.to_dtype = dtype, op.from = values.data(), op.to = data;
    backend.cast(op);
  }
  ~Filled() { backend.release(data); }
  Filled(const Filled&) = delete;
  Filled& operator=(const Filled&) = delete;
  float* floats() const { return static_cast<float*>(data); }

  Backend& backend;
  std::size_t count;
  DType dtype;
  void* data;
};

std::vector<char> bytes_of(const Filled& tensor) {
  const char* begin = static_cast<const char*>(tensor.data);
  return std::vector<char>(begin, begin + tensor.count * size_of(tensor.dtype));
}

Conv2dShape conv2d_shape(int n, int size, int c, int k, int stride) {
  Conv2dShape s;
  s.n = n, s.h = s.w = size, s.c = c, s.k = k, s.r = s.s = 3, s.stride_h = s.stride_w = stride, s.pad_h = s.pad_w = 1;
  return s;
}

struct Results {
  std::vector<char> y, d_x, d_w, d_bias;
  bool operator==(const Results& o) const { return y == o.y && d_x == o.d_x && d_w == o.d_w && d_bias == o.d_bias; }
};

/// All three passes of one convolution.
Results convolve(Backend& backend, const Conv2dShape& s, DType dtype) {
  const Filled x(backend, s.x_count(), dtype), w(backend, s.w_count(), dtype), d_y(backend, s.y_count(), dtype);
  const Filled y(backend, s.y_count(), dtype), d_x(backend, s.x_count(), dtype), d_w(backend, s.w_count(), DType::f32);
  const Filled bias(backend, static_cast<std::size_t>(s.k), DType::f32), d_bias(backend, bias.count, DType::f32);
  void* workspace = backend.allocate(backend.workspace_bytes(s, dtype));
  const Activation relu{ActivationKind::relu, 0.0f};
  backend.conv2d_forward({s, dtype, x.data, w.data, bias.floats(), relu, y.data, workspace});
  backend.conv2d_backward_data({s, dtype, d_y.data, w.data, x.data, relu, Write::overwrite, d_x.data, workspace});
  backend.conv2d_backward_weight(
      {s, dtype, x.data, d_y.data, Write::overwrite, d_w.floats(), d_bias.floats(), workspace});
  backend.release(workspace);
  return Results{bytes_of(y), bytes_of(d_x), bytes_of(d_w), bytes_of(d_bias)};
}

std::string message_of(Backend& backend, const Conv2dForward& op) {
  try {
    backend.conv2d_forward(op);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("cpu: the same call gives the same bits, every time and in every backend object") {
  for (const int threads : {1, 2, 3}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      const auto first = make_cpu_backend(threads), second = make_cpu_backend(threads);
      if (!first->supports(dtype)) continue;
      for (const int stride : {1, 2}) {
        const Conv2dShape shape = conv2d_shape(5, 33, 20, 40, stride);
        const Results once = convolve(*first, shape, dtype);
        CHECK(once == convolve(*first, shape, dtype));
        CHECK(once == convolve(*second, shape, dtype));
      }
    }
  }
}

TEST_CASE("cpu: an image's output and gradient do not depend on the batch or the threads around it") {
  const auto one = make_cpu_backend(1), three = make_cpu_backend(3);
  for (const DType dtype : {DType::f32, DType::bf16}) {
    if (!one->supports(dtype)) continue;
    const Results alone = convolve(*one, conv2d_shape(1, 40, 16, 32, 1), dtype);
    const Results batch = convolve(*three, conv2d_shape(7, 40, 16, 32, 1), dtype);
    CHECK(std::equal(alone.y.begin(), alone.y.end(), batch.y.begin()));
    CHECK(std::equal(alone.d_x.begin(), alone.d_x.end(), batch.d_x.begin()));
  }
}

TEST_CASE("cpu: threads are counted from 1, 0 means all cores, less is an error") {
  CHECK_THROWS_WITH_AS(make_cpu_backend(-1), doctest::Contains("threads is -1"), Error);
  CHECK(make_cpu_backend(0)->supports(DType::f32));
}

TEST_CASE("cpu: a missing workspace is an error that says how much is needed") {
  const auto backend = make_cpu_backend(1);
  if (backend->name() != "cpu") return;  // the reference needs no workspace
  const Conv2dShape s = conv2d_shape(1, 8, 16, 16, 1);
  const Filled x(*backend, s.x_count(), DType::f32), w(*backend, s.w_count(), DType::f32);
  const Filled y(*backend, s.y_count(), DType::f32);
  const std::string message = message_of(*backend, {s, DType::f32, x.data, w.data, nullptr, {}, y.data, nullptr});
  CHECK(message.find("conv2d_forward: workspace is null") != std::string::npos);
  CHECK(message.find(std::to_string(backend->workspace_bytes(s, DType::f32))) != std::string::npos);
}

TEST_CASE("cpu: types that it cannot compute in are refused by name") {
  const auto backend = make_cpu_backend(1);
  const bool stand_in = backend->name() != "cpu";  // without oneDNN the reference, which computes in f16 too
  CHECK(backend->supports(DType::f16) == stand_in);
  CHECK_FALSE(backend->supports(DType::i8));
  const DType refused = stand_in ? DType::i8 : DType::f16;
  float value = 0.0f;
  ActivationForward op;
  op.count = 1, op.dtype = refused, op.x = &value, op.y = &value;
  CHECK_THROWS_WITH_AS(backend->activation_forward(op), doctest::Contains(name_of(refused)), Error);
}

TEST_CASE("cpu: a label outside the classes is an error") {
  const auto backend = make_cpu_backend(1);
  const float logits[3] = {0.0f, 1.0f, 2.0f};
  const std::int32_t label = 3;
  float loss = 0.0f;
  SoftmaxCrossEntropy op;
  op.n = 1, op.classes = 3, op.logits = logits, op.labels = &label, op.sample_loss = &loss;
  CHECK_THROWS_AS(backend->softmax_cross_entropy(op), Error);
}

#if TSUGI_HAVE_ONEDNN
TEST_CASE("cpu: primitives and plans are made once a shape") {
  cpu::CpuBackend backend(2);
  CHECK(backend.cached_primitives() == 0);
  const Conv2dShape plain = conv2d_shape(2, 12, 16, 32, 1);
  Conv2dShape depthwise = conv2d_shape(2, 12, 32, 32, 1);
  depthwise.groups = 32;
  for (const Conv2dShape& shape : {plain, depthwise}) {
    const std::size_t before = backend.cached_primitives();
    convolve(backend, shape, DType::f32);
    const std::size_t after = backend.cached_primitives();
    CHECK(after > before);
    convolve(backend, shape, DType::f32);
    CHECK(backend.cached_primitives() == after);
  }
}

TEST_CASE("cpu: the description names the threads and oneDNN") {
  CHECK(cpu::CpuBackend(1).description().find("1 thread,") != std::string::npos);
  CHECK(cpu::CpuBackend(3).description().find("3 threads, oneDNN ") != std::string::npos);
}
#endif

}  // namespace test
}  // namespace tsugi
